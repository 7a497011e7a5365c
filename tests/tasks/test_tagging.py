from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from chatgui.config import ModelConfig, TrainingConfig
from chatgui.data.conversation import Document, Tagged
from chatgui.errors import DataError
from chatgui.models import load_model
from chatgui.tasks.predicting import head_logits
from chatgui.tasks.tagging import Tagging, spaced, split_words
from chatgui.tokens.batches import collate
from chatgui.tokens.example import IGNORE_INDEX
from chatgui.tokens.template import Template
from chatgui.training.loop import train

ITEMS = (
    Tagged(("Ann", "lives", "in", "Rome"), ("B-PER", "O", "O", "B-LOC")),
    Tagged(("Bo", "Li", "left"), ("B-PER", "I-PER", "O")),
    Tagged(tuple("小溪在桐花岛"), ("B-PER", "I-PER", "O", "B-LOC", "I-LOC", "I-LOC")),
)
LIMIT, BUDGET = 64, 512
TASK = Tagging().fitted(ITEMS)


def test_tags_are_those_of_the_training_rows_with_none_first() -> None:
    assert TASK.labels == ("O", "B-LOC", "B-PER", "I-LOC", "I-PER")


def test_rows_without_a_tag_teach_nothing() -> None:
    with pytest.raises(DataError, match='"O"'):
        Tagging().fitted([Tagged(("a",), ("O",))])


@pytest.mark.parametrize(("piece", "under_ann"), [("first", 1), ("last", 3)])
def test_one_piece_of_each_word_bears_the_label(piece: Any, under_ann: int, template: Template) -> None:
    example = TASK.model_copy(update={"labelled_piece": piece}).make_example(ITEMS[0], template, LIMIT)
    assert template.tokenizer.decode(list(example.input_ids)) == "<|endoftext|>Ann lives in Rome"
    places = [place for place, label in enumerate(example.labels) if label != IGNORE_INDEX]
    assert places[0] == under_ann
    assert [TASK.labels[example.labels[place]] for place in places] == list(ITEMS[0].tags)
    assert example.supervised == 4


def test_words_stand_as_in_a_text() -> None:
    assert "".join(spaced(("Ann", "在", "Rome", "！"))) == "Ann在Rome！"
    assert split_words("Ann's 3.5 km到桐花岛。") == ["Ann's", "3.5", "km", "到", "桐", "花", "岛", "。"]


def test_what_cannot_be_learnt_from_is_told(template: Template) -> None:
    with pytest.raises(DataError, match="no tags"):
        TASK.make_example(Document("a"), template, LIMIT)
    with pytest.raises(DataError, match="B-ORG"):
        TASK.make_example(Tagged(("a",), ("B-ORG",)), template, LIMIT)


def test_the_loss_is_that_of_the_head_of_transformers(template: Template, headed: Callable[[Any], Any]) -> None:
    model = headed(TASK)
    batch = collate([TASK.make_example(item, template, LIMIT) for item in ITEMS])
    ours = TASK.loss(model, batch) / batch.supervised
    ours.backward()
    grads = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    real = torch.arange(batch.input_ids.shape[1]) < torch.as_tensor(batch.lengths)[:, None]
    theirs = model(input_ids=batch.input_ids, attention_mask=real.long(), labels=batch.labels).loss
    theirs.backward()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)
    for name, weight in model.named_parameters():
        assert torch.allclose(weight.grad, grads[name], atol=1e-6), name


def test_both_ways_the_first_word_sees_the_last_and_never_the_padding(
    template: Template, headed: Callable[[Any], Any]
) -> None:
    model = headed(TASK)
    one, other, short = (
        TASK.make_example(Tagged(words, ("O",) * len(words)), template, LIMIT)
        for words in (("ab", "cd"), ("ab", "ce"), ("ab",))
    )
    left = head_logits(model, collate([one, other, short]))
    both = head_logits(model, collate([one, other, short]), both_ways=True)
    assert torch.allclose(left[0, 1], left[1, 1], atol=1e-6)
    assert not torch.allclose(both[0, 1], both[1, 1], atol=1e-6)
    alone = head_logits(model, collate([short]), both_ways=True)
    assert torch.allclose(both[2, : len(short)], alone[0], atol=1e-5)


def test_it_learns_to_find_names(template: Template, headed: Callable[[Any], Any]) -> None:
    model = headed(TASK)
    examples = [TASK.make_example(item, template, LIMIT) for item in ITEMS]
    events: list[Any] = []
    config = TrainingConfig(max_steps=60, learning_rate=1e-2, batch_size=3)
    train(model, TASK, examples, examples, config, emit=events.append)
    found = TASK.predict(model, template, ITEMS, LIMIT, BUDGET)
    assert [tuple(row["tags"]) for row in found] == [item.tags for item in ITEMS]
    assert [(each["type"], each["text"]) for each in found[2]["entities"]] == [("PER", "小溪"), ("LOC", "桐花岛")]
    assert TASK.judge(ITEMS, found)["f1"] == 1.0
    assert events[-1].metrics["accuracy"] == 1.0


def test_words_behind_the_limit_have_no_tag_and_no_score(template: Template, headed: Callable[[Any], Any]) -> None:
    found = TASK.predict(headed(TASK), template, [ITEMS[0]], 4, BUDGET)[0]
    assert found["tags"][1:] == ["O"] * 3
    assert found["scores"][1:] == [0.0] * 3


def test_the_base_model_is_asked_word_by_word(tiny_model: Path, template: Template) -> None:
    causal = load_model(ModelConfig(name=str(tiny_model)), "AutoModelForCausalLM", torch.device("cpu"), torch.float32)
    found = TASK.predict_base(causal, template, ITEMS[:1], 128, BUDGET)[0]
    assert len(found["tags"]) == len(found["scores"]) == 4
    assert {tag.partition("-")[2] for tag in found["tags"]} <= {"", "PER", "LOC"}


@pytest.mark.parametrize("row", [{"tokens": ["Ann", "left"]}, {"text": "Ann left"}, {"sentence": "Ann left"}])
def test_a_row_of_a_table_gives_words(row: dict[str, Any]) -> None:
    assert TASK.read_item(row).words == ("Ann", "left")


def test_a_row_without_words_is_refused() -> None:
    with pytest.raises(DataError):
        TASK.read_item({"text": " "})
