from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from chatgui.config import ModelConfig, TrainingConfig
from chatgui.data.conversation import Choice, Document
from chatgui.errors import DataError
from chatgui.models import load_model
from chatgui.tasks.ranking import Offer, Ranking
from chatgui.tokens.batches import collate
from chatgui.tokens.template import Template
from chatgui.training.loop import train

ITEMS = tuple(
    Choice((f"{kind} 1", f"{kind} 2"), candidate, candidate.startswith(kind), user)
    for user, kind in (("u1", "cat"), ("u2", "dog"))
    for candidate in ("cat 3", "dog 3", "cat 4", "dog 4")
)
LIMIT, BUDGET = 96, 1024


def examples_of(task: Ranking, items: Any, template: Template) -> Any:
    return task.arrange([task.make_example(item, template, LIMIT) for item in items], LIMIT)


def test_the_oldest_of_a_history_is_cut_first(template: Template) -> None:
    item = Choice(("old" * 20, "new"), "x", True, "u")
    example = Ranking().make_example(item, template, 40)
    text = template.tokenizer.decode(list(example.input_ids))
    assert text.endswith("\n- new\nNext: x\nTaken:")
    assert len(example) == 40
    assert example.cut_tokens == 44


def test_only_the_newest_items_are_read(template: Template) -> None:
    example = Ranking(history_items=1).make_example(ITEMS[0], template, LIMIT)
    assert template.tokenizer.decode(list(example.input_ids)) == "\n- cat 2\nNext: cat 3\nTaken:"


def test_pairs_are_made_within_a_user(template: Template) -> None:
    pairs = examples_of(Ranking(objective="pairwise"), ITEMS, template)
    assert len(pairs) == 4
    for pair in pairs:
        good, bad = (template.tokenizer.decode(list(row.input_ids)) for row in (pair, pair.rivals[0]))
        assert good.split("\nNext")[0] == bad.split("\nNext")[0]


def test_a_user_who_took_everything_borrows_what_others_left(template: Template) -> None:
    items = (Choice(("a",), "x", True, "u1"), Choice(("b",), "y", False, "u2"))
    pairs = examples_of(Ranking(objective="pairwise"), items, template)
    assert all(len(pair.rivals) == 1 for pair in pairs)
    with pytest.raises(DataError, match="needs both"):
        examples_of(Ranking(objective="pairwise"), items[:1], template)


def test_the_losses_are_the_textbook_ones(template: Template, headed: Callable[[Any], Any]) -> None:
    task = Ranking()
    model, batch = headed(task), collate(examples_of(task, ITEMS, template))
    loss = task.loss(model, batch)
    chances = [row["scores"][0] for row in task.predict(model, template, ITEMS, LIMIT, BUDGET)]
    expected = sum(-torch.tensor(p if item.clicked else 1 - p).log() for p, item in zip(chances, ITEMS, strict=True))
    assert loss.item() == pytest.approx(float(expected), rel=1e-5)
    pairwise = Ranking(objective="pairwise")
    pair = collate(examples_of(pairwise, ITEMS[:2], template))
    scores = [torch.tensor(chance).logit() for chance in chances[:2]]
    assert pairwise.loss(model, pair).item() == pytest.approx(
        float(-torch.nn.functional.logsigmoid(scores[0] - scores[1])), rel=1e-4
    )


@pytest.mark.parametrize("objective", ["pointwise", "pairwise"])
def test_it_learns_what_a_user_takes(objective: Any, template: Template, headed: Callable[[Any], Any]) -> None:
    task = Ranking(objective=objective)
    model = headed(task)
    examples = examples_of(task, ITEMS, template)
    config = TrainingConfig(max_steps=80, learning_rate=1e-2, batch_size=8)
    train(model, task, examples, examples, config, emit=lambda event: None)
    found = task.predict(model, template, ITEMS, LIMIT, BUDGET)
    assert task.judge(ITEMS, found)["auc"] == 1.0
    offer = Offer(("cat 1", "cat 2"), ("dog 3", "cat 3"))
    row = task.predict(model, template, [offer], LIMIT, BUDGET)[0]
    assert row["ranking"] == ["cat 3", "dog 3"]
    assert row["scores"] == sorted(row["scores"], reverse=True)
    reasons = task.reasons(model, template, offer, "cat 3", LIMIT, BUDGET)
    assert {item for item, _ in reasons} == {"cat 1", "cat 2"}
    assert reasons == sorted(reasons, key=lambda pair: -pair[1])


def test_the_base_model_weighs_a_candidate_with_and_without_the_history(tiny_model: Path, template: Template) -> None:
    causal = load_model(ModelConfig(name=str(tiny_model)), "AutoModelForCausalLM", torch.device("cpu"), torch.float32)
    row = Ranking().predict_base(causal, template, [Offer((), ("a", "b"))], LIMIT, BUDGET)[0]
    assert row["scores"] == pytest.approx([0.0, 0.0], abs=1e-5)
    row = Ranking().predict_base(causal, template, [Offer(("x y z",), ("a", "b"))], LIMIT, BUDGET)[0]
    assert abs(row["scores"][0]) > 1e-6


def test_a_row_of_a_table_is_a_history_with_candidates() -> None:
    read = Ranking().read_item
    assert read({"history": ["a", "b"], "candidates": ["c", "d"]}) == Offer(("a", "b"), ("c", "d"))
    assert read({"history": "a | b", "candidate": "c"}) == Offer(("a", "b"), ("c",))
    assert read({"candidates": '["c, d", "e"]'}) == Offer((), ("c, d", "e"))
    with pytest.raises(DataError, match="candidates"):
        read({"history": "a"})


def test_what_is_no_choice_is_refused(template: Template) -> None:
    with pytest.raises(DataError, match="no choice"):
        Ranking().make_example(Document("a"), template, LIMIT)
