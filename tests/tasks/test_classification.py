import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from chatgui.config import TrainingConfig
from chatgui.data.conversation import Conversation, Labelled, Message
from chatgui.errors import DataError
from chatgui.tasks.classification import Classification
from chatgui.tasks.predicting import head_logits
from chatgui.tokens.batches import collate
from chatgui.tokens.template import Template
from chatgui.training.loop import train

TEXTS = ("good", "bad it was", "so good!", "awful", "fine and good", "bad")
SINGLE = tuple(Labelled(text, ("pos",) if "good" in text else ("neg",)) for text in TEXTS)
MULTI = (
    Labelled("a", ("x", "y")), Labelled("bb", ()), Labelled("ccc", ("y",)), Labelled("dd", ("x", "z")),
)  # fmt: skip
NUMBERS = tuple(Labelled(text, float(len(text))) for text in TEXTS)
LIMIT, BUDGET = 64, 512


def batch_of(task: Classification, items: Any, template: Template) -> Any:
    return collate([task.make_example(item, template, LIMIT) for item in items])


@pytest.mark.parametrize(
    ("items", "problem"), [(SINGLE, "single_label"), (MULTI, "multi_label"), (NUMBERS, "regression")]
)
def test_the_kind_of_problem_is_seen_in_the_data(items: tuple[Labelled, ...], problem: str) -> None:
    assert Classification().fitted(items).problem == problem


def test_labels_are_those_of_the_training_rows_with_their_counts() -> None:
    task = Classification().fitted(SINGLE)
    assert (task.labels, task.counts) == (("neg", "pos"), (3, 3))


def test_labels_that_the_config_names_stay_in_their_order() -> None:
    task = Classification(labels=("pos", "neg")).fitted(SINGLE)
    assert task.labels == ("pos", "neg")
    assert task.fitted(SINGLE) == task


def test_one_label_alone_is_refused() -> None:
    with pytest.raises(DataError, match="at least two"):
        Classification().fitted([Labelled("a", ("x",))])


def test_a_label_that_training_did_not_have_is_told_with_those_it_had(template: Template) -> None:
    task = Classification().fitted(SINGLE)
    with pytest.raises(DataError, match=r'"maybe".*neg, pos'):
        task.make_example(Labelled("hm", ("maybe",)), template, LIMIT)


def test_an_item_without_a_label_is_refused(template: Template) -> None:
    with pytest.raises(DataError, match="no label"):
        Classification().make_example(Conversation((Message("assistant", "a"),)), template, LIMIT)


def test_the_question_survives_a_cut_and_the_longer_text_pays(template: Template) -> None:
    task = Classification().fitted(SINGLE)
    example = task.make_example(Labelled("a" * 50, ("pos",), "short"), template, 30)
    assert len(example) == 30
    assert template.tokenizer.decode(list(example.input_ids)) == "a" * 17 + "\nshort\nLabel:"
    assert example.cut_tokens == 33


@pytest.mark.parametrize("items", [SINGLE, MULTI, NUMBERS], ids=["single", "multi", "numbers"])
def test_the_loss_is_that_of_the_head_of_transformers(
    items: tuple[Labelled, ...], template: Template, headed: Callable[[Any], Any]
) -> None:
    task = Classification().fitted(items)
    model, batch = headed(task), batch_of(task, items, template)
    ours = task.loss(model, batch) / batch.supervised
    ours.backward()
    grads = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    pad = model.config.pad_token_id
    real = torch.arange(batch.input_ids.shape[1]) < batch.lengths[:, None]
    single = task.problem == "single_label"
    labels = batch.targets[:, 0].long() if single else batch.targets
    theirs = model(input_ids=batch.input_ids.masked_fill(~real, pad), attention_mask=real.long(), labels=labels).loss
    theirs.backward()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)
    for name, weight in model.named_parameters():
        assert torch.allclose(weight.grad, grads[name], atol=1e-6), name


def test_padding_changes_no_logits(template: Template, headed: Callable[[Any], Any]) -> None:
    task = Classification().fitted(SINGLE)
    model = headed(task)
    together = head_logits(model, batch_of(task, SINGLE, template))
    alone = torch.cat([head_logits(model, batch_of(task, [item], template)) for item in SINGLE])
    assert torch.allclose(together, alone, atol=1e-5)


def test_balanced_weights_are_those_of_scikit_learn(template: Template, headed: Callable[[Any], Any]) -> None:
    import numpy as np
    from sklearn.utils.class_weight import compute_class_weight

    items = (*SINGLE, Labelled("good too", ("pos",)))
    task = Classification(class_weights="balanced").fitted(items)
    weights = task._weights(torch.zeros(1))
    truth = [label for item in items for label in item.label]  # type: ignore[union-attr]
    assert weights is not None
    assert weights.tolist() == pytest.approx(
        compute_class_weight("balanced", classes=np.array(["neg", "pos"]), y=truth).tolist()
    )


def test_it_learns_to_tell_two_labels_apart_and_says_so_along_the_way(
    template: Template, headed: Callable[[Any], Any]
) -> None:
    task = Classification().fitted(SINGLE)
    model = headed(task)
    examples = [task.make_example(item, template, LIMIT) for item in SINGLE]
    events: list[Any] = []
    config = TrainingConfig(max_steps=40, learning_rate=1e-2, batch_size=6, micro_batch_tokens=64)
    train(model, task, examples, examples, config, emit=events.append)
    assert events[-1].metrics["accuracy"] == 1.0
    assert 0 <= events[1].metrics["accuracy"] <= 1
    found = task.predict(model, template, SINGLE, LIMIT, BUDGET)
    assert [row["label"] for row in found] == [item.label[0] for item in SINGLE]  # type: ignore[index]
    assert all(math.isclose(sum(row["scores"].values()), 1, rel_tol=1e-5) for row in found)
    scores = task.judge(SINGLE, found)
    assert scores["macro_f1"] == 1.0
    assert scores["loss"] == pytest.approx(events[-1].loss, rel=1e-4)


def test_several_labels_are_those_above_the_threshold(template: Template, headed: Callable[[Any], Any]) -> None:
    task = Classification().fitted(MULTI)
    model = headed(task)
    low, high = (
        task.model_copy(update={"threshold": at}).predict(model, template, MULTI, LIMIT, BUDGET) for at in (0.01, 0.99)
    )
    assert [row["label"] for row in low] == [["x", "y", "z"]] * 4
    assert [row["label"] for row in high] == [[]] * 4
    assert task.judge(MULTI, low)["micro_f1"] == pytest.approx(10 / 17)


def test_a_number_is_predicted_and_judged_as_one(template: Template, headed: Callable[[Any], Any]) -> None:
    task = Classification().fitted(NUMBERS)
    found = task.predict(headed(task), template, NUMBERS, LIMIT, BUDGET)
    assert all(isinstance(row["label"], float) for row in found)
    perfect = [{"label": item.label} for item in NUMBERS]
    assert task.judge(NUMBERS, perfect) == pytest.approx({"loss": 0.0, "mse": 0.0, "pearson": 1.0, "spearman": 1.0})


def test_whole_numbers_read_as_labels_are_numbers_where_the_config_says_so(template: Template) -> None:
    task = Classification(problem="regression").fitted([Labelled("a", ("3",))])
    assert task.make_example(Labelled("a", ("3",)), template, LIMIT).target == (3.0,)
    with pytest.raises(DataError, match="not a number"):
        task.make_example(Labelled("a", ("three",)), template, LIMIT)


def test_the_base_model_is_asked_in_words_and_batches_do_not_matter(tiny_model: Any, template: Template) -> None:
    from chatgui.config import ModelConfig
    from chatgui.models import load_model

    task = Classification().fitted(SINGLE)
    causal = load_model(ModelConfig(name=str(tiny_model)), "AutoModelForCausalLM", torch.device("cpu"), torch.float32)
    small, large = (task.predict_base(causal, template, SINGLE, LIMIT, budget) for budget in (1, 4096))
    assert [set(row["scores"]) for row in small] == [{"neg", "pos"}] * len(SINGLE)
    for one, other in zip(small, large, strict=True):
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-4)


def test_a_row_of_a_table_is_read_by_its_text_column_or_the_first_with_words() -> None:
    task = Classification()
    assert task.read_item({"id": 3, "text": "hello"}).text == "hello"
    assert task.read_item({"id": 3, "review": "hello"}).text == "hello"
    with pytest.raises(DataError):
        task.read_item({"text": " "})
