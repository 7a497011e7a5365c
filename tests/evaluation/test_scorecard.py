from pathlib import Path

import pytest
import torch

from chatgui.config import RunConfig
from chatgui.data.load import load
from chatgui.data.split import split
from chatgui.errors import DataError
from chatgui.evaluation.scorecard import evaluate_pair
from chatgui.fields import build
from chatgui.models import load_model


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
