import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from chatgui.config import ModelConfig, TrainingConfig
from chatgui.data.conversation import Document, Message, Preference
from chatgui.errors import DataError
from chatgui.evaluation.scorecard import evaluate_pair
from chatgui.models import load_model
from chatgui.predict import Predictor, predict_rows
from chatgui.tasks.reward import Replies, Reward
from chatgui.tokens.batches import collate
from chatgui.tokens.template import Template
from chatgui.training.loop import train
from tests.test_predict import trained

LIMIT, BUDGET = 96, 1024
PAIRS = tuple(
    Preference((Message("user", f"Question {n}?"),), f"Gladly, {n}.", f"No, {n}.") for n in range(6)
)  # fmt: skip


def examples_of(items: Any, template: Template, task: Reward | None = None) -> Any:
    return [(task or Reward()).make_example(item, template, LIMIT) for item in items]


def test_both_replies_stand_behind_the_same_prompt(template: Template) -> None:
    example = examples_of(PAIRS, template)[0]
    texts = [template.tokenizer.decode(list(row.input_ids)) for row in (example, *example.rivals)]
    assert [text.partition("?")[0] for text in texts] == [texts[0].partition("?")[0]] * 2
    assert "Gladly, 0." in texts[0] and "No, 0." in texts[1]


def test_the_loss_is_that_of_bradley_and_terry_on_the_scores_of_transformers(
    template: Template, headed: Callable[[Any], Any]
) -> None:
    model, examples = headed(Reward()), examples_of(PAIRS, template)
    loss = Reward().loss(model, batch := collate(examples))
    with torch.inference_mode():
        good, bad = (
            torch.stack([model(input_ids=torch.tensor([row.input_ids])).logits[0, 0] for row in rows])
            for rows in (examples, [example.rivals[0] for example in examples])
        )
    assert loss.item() == pytest.approx(torch.nn.functional.softplus(bad - good).sum().item(), rel=1e-5)
    assert batch.tally["reward_margin"] == pytest.approx((good - bad).sum().item(), abs=1e-5)
    assert batch.tally["reward_accuracy"] == (good > bad).sum().item()


def test_it_learns_which_reply_is_better(template: Template, headed: Callable[[Any], Any]) -> None:
    task = Reward()
    model, examples = headed(task), examples_of(PAIRS[:4], template)
    config = TrainingConfig(max_steps=60, learning_rate=1e-2, batch_size=8)
    train(model, task, examples, examples, config, emit=lambda event: None)
    held = PAIRS[4:]
    found = task.predict(model, template, held, LIMIT, BUDGET)
    assert task.judge(held, found) == {"accuracy": 1.0}
    offered = Replies((Message("user", "Question 9?"),), ("No, 9.", "Gladly, 9.", "No, 8."))
    (row,) = task.predict(model, template, [offered], LIMIT, BUDGET)
    assert row["ranking"][0] == "Gladly, 9." and row["scores"] == sorted(row["scores"], reverse=True)


def test_a_tie_is_no_right_answer() -> None:
    tied = [{"ranking": [pair.chosen, pair.rejected], "scores": [0.5, 0.5]} for pair in PAIRS]
    assert Reward().judge(PAIRS, tied) == {"accuracy": 0.0}


def test_a_prompt_that_fills_the_limit_is_not_learnt_and_still_scored(
    template: Template, headed: Callable[[Any], Any]
) -> None:
    long = Preference((Message("user", "word " * 200),), "Yes.", "No.")
    with pytest.raises(DataError):
        examples_of([long], template)
    (short,) = examples_of([long], template, Reward(prompt_tokens=16))
    assert len(short.input_ids) < LIMIT and short.cut_tokens > 0
    (row,) = Reward().predict(headed(Reward()), template, [long], LIMIT, BUDGET)
    assert len(row["scores"]) == 2


def test_the_base_model_weighs_replies_by_their_likelihood_behind_the_prompt(
    tiny_model: Path, template: Template
) -> None:
    causal = load_model(ModelConfig(name=str(tiny_model)), "AutoModelForCausalLM", torch.device("cpu"), torch.float32)
    rows = Reward().predict_base(
        causal, template, [PAIRS[0], Replies((Message("user", ""),), ("a", "b"))], LIMIT, BUDGET
    )
    assert any(abs(score) > 1e-6 for score in rows[0]["scores"])
    assert rows[1]["scores"] == pytest.approx([0.0, 0.0], abs=1e-5)


def test_a_row_of_a_table_is_a_prompt_with_replies() -> None:
    prompt = (Message("user", "Open?"),)
    assert Reward().read_item({"prompt": "Open?", "candidates": ["Yes.", "No."]}) == Replies(prompt, ("Yes.", "No."))
    assert Reward().read_item({"text": "Open?", "candidates": "Yes.\nNo."}) == Replies(prompt, ("Yes.", "No."))
    assert Reward().read_item({"prompt": "Open?", "reply": "Yes."}) == Replies(prompt, ("Yes.",))
    for row, field in (({"prompt": "Open?"}, "candidates"), ({"candidates": "a"}, "prompt")):
        with pytest.raises(DataError, match=field):
            Reward().read_item(row)


def test_a_run_of_it_is_judged_and_predicts_a_file(tmp_path: Path, tiny_model: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    rows = [{"prompt": f"Question {n}?", "chosen": f"Gladly, {n}.", "rejected": f"No, {n}."} for n in range(12)]
    run = trained(tmp_path / "home", tiny_model, rows, "reward")
    signal.signal(signal.SIGTERM, before)
    assert evaluate_pair(run.config, run.model_folder, "test")["tuned"]["accuracy"] == 1.0
    asked = [(1, {"prompt": "Question 40?", "candidates": ["No, 40.", "Gladly, 40."]}), (2, {"prompt": ""})]
    first, second = predict_rows(Predictor(run.config, run.model_folder), iter(asked))
    assert first["ranking"] == ["Gladly, 40.", "No, 40."] and "prompt" in second["error"]


def test_what_is_no_pair_is_refused(template: Template) -> None:
    with pytest.raises(DataError, match="no pair"):
        Reward().make_example(Document("a"), template, LIMIT)
