import json
from pathlib import Path

import pytest
import torch

from chatgui.config import GenerationConfig, RunConfig
from chatgui.data.load import load
from chatgui.data.split import split
from chatgui.errors import DataError
from chatgui.evaluation.losses import mean_loss
from chatgui.evaluation.scorecard import evaluate_pair, general_texts, row_scores
from chatgui.fields import build
from chatgui.models import load_model
from chatgui.tokens.example import IGNORE_INDEX, Example
from tests.finished import save_random_adapter


@pytest.fixture
def config(tiny_model: Path, conversations: Path) -> RunConfig:
    data = {"source": str(conversations), "test_fraction": 0.25}
    return build(RunConfig, {"model": {"name": str(tiny_model)}, "data": data})


@pytest.fixture
def untrained(config: RunConfig, tiny_model: Path, tmp_path: Path) -> Path:
    """The adapter of a run that made no step."""
    from transformers import AutoTokenizer

    base = load_model(config.model, config.task.HEAD, torch.device("cpu"), torch.float32)
    config.adapter.attach(base, 1).save_pretrained(tmp_path / "model")
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_an_adapter_that_learnt_nothing_scores_exactly_like_the_base(config: RunConfig, untrained: Path) -> None:
    scores = evaluate_pair(config, untrained, "test")
    assert scores["tuned"]["loss"] == scores["base"]["loss"] > 0
    assert scores["tuned"]["perplexity"] == scores["base"]["perplexity"]
    assert scores["tuned"]["weights"] != scores["base"]["weights"]


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_the_rows_of_the_split_are_counted(config: RunConfig, untrained: Path, name: str) -> None:
    scores = evaluate_pair(config, untrained, name)
    expected = split(load(config.data).rows, config.data).named(name)
    assert (scores["split"], scores["rows"]) == (name, len(expected))


def test_a_split_without_rows_is_told(config: RunConfig, untrained: Path) -> None:
    empty = config.model_copy(update={"data": config.data.model_copy(update={"test_fraction": 0.0})})
    with pytest.raises(DataError, match=r"no row of the test split can be used"):
        evaluate_pair(empty, untrained, "test")


# ---- the whole card --------------------------------------------------------------------------------------------------


@pytest.fixture
def changed(tiny_model: Path, tmp_path: Path) -> Path:
    return save_random_adapter(tiny_model, tmp_path / "changed")


@pytest.fixture
def short(config: RunConfig) -> RunConfig:
    return config.model_copy(update={"generation": GenerationConfig(max_new_tokens=8)})


def test_rows_scored_one_by_one_add_up_to_the_loss_of_the_split(config: RunConfig, examples: list[Example]) -> None:
    model = load_model(config.model, config.task.HEAD, torch.device("cpu"), torch.float32)
    scores = row_scores(model, examples, 512)
    mean = sum(score.loss for score in scores) / sum(score.labels for score in scores)
    assert mean == pytest.approx(mean_loss(model, config.task, examples, 4096), rel=1e-6)
    assert [score.labels for score in scores] == [example.supervised for example in examples]
    logits = model(input_ids=torch.tensor([examples[0].input_ids])).logits[0, :-1]
    right = [
        int(logits[place].argmax()) == label
        for place, label in enumerate(examples[0].labels[1:])
        if label != IGNORE_INDEX
    ]
    assert scores[0].hits == sum(right)


def test_the_card_has_every_metric_on_both_sides_with_intervals(short: RunConfig, changed: Path) -> None:
    heard: list[tuple[int, int]] = []
    card = evaluate_pair(short, changed, "test", tell=lambda done, total: heard.append((done, total)))
    names = {
        "loss", "token_accuracy", "bleu", "chrf", "rouge_l", "repetition", "ended_share", "reply_tokens",
        "general_en_loss", "general_zh_loss",
    }  # fmt: skip
    for side in ("base", "tuned"):
        assert names | {"perplexity", "distinct_1", "distinct_2", "weights"} <= set(card[side])
        assert set(card[side]["intervals"]) == names
        for name, (low, high) in card[side]["intervals"].items():
            assert low - 1e-9 <= card[side][name] <= high + 1e-9
    assert set(card["change"]) == names - {"bleu"}
    for name, change in card["change"].items():
        assert change["value"] == pytest.approx(card["tuned"][name] - card["base"][name], abs=1e-5)
    assert heard[-1] == (card["replies"], card["replies"])
    assert card["replies"] == len(card["changes"])
    sizes = [abs(row["rouge_l_change"]) for row in card["changes"]]
    assert sizes == sorted(sizes, reverse=True)
    assert card["base"]["reply_tokens"] <= 8
    json.dumps(card)


def test_an_adapter_that_learnt_nothing_changes_no_metric(short: RunConfig, untrained: Path) -> None:
    card = evaluate_pair(short, untrained, "test")
    assert {change["value"] for change in card["change"].values()} == {0.0}
    assert all(row["base"] == row["tuned"] for row in card["changes"])


def test_replies_can_be_left_out(short: RunConfig, untrained: Path) -> None:
    card = evaluate_pair(short, untrained, "test", replies=0)
    assert "changes" not in card
    assert "token_accuracy" in card["base"]


def test_the_general_texts_are_short_and_of_two_languages() -> None:
    for language, letter in (("en", "e"), ("zh", "的")):
        texts = general_texts(language)
        assert len(set(texts)) == 18
        assert any(letter in text for text in texts)
