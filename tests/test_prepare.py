import json
from pathlib import Path
from typing import Any

import pytest

from chatgui.config import RunConfig
from chatgui.encode import make_example
from chatgui.errors import DataError
from chatgui.fields import build
from chatgui.prepare import length_limit, prepare


@pytest.fixture
def values(tiny_model: Path, conversations: Path) -> dict[str, Any]:
    return {"model": {"name": str(tiny_model)}, "data": {"source": str(conversations)}, "training": {}}


def test_what_the_preview_shows_is_what_is_trained(values: dict[str, Any]) -> None:
    config = build(RunConfig, values)
    prepared = prepare(config)
    for row, example in zip(prepared.encoded.rows, prepared.train, strict=True):
        assert make_example(config, row, prepared.template, prepared.max_length_tokens) == example


def test_the_limit_is_never_more_than_the_model_takes(values: dict[str, Any]) -> None:
    for wanted, limit in ((None, 256), (100, 100), (5000, 256)):
        values["training"]["max_length_tokens"] = wanted
        assert length_limit(build(RunConfig, values)) == limit


def test_pretraining_arranges_rows_into_full_blocks(values: dict[str, Any]) -> None:
    prepared = prepare(build(RunConfig, {**values, "task": {"kind": "pretrain"}}))
    assert {len(example) for example in prepared.train[:-1]} == {256}


def test_data_that_teaches_nothing_says_why_with_the_line(values: dict[str, Any]) -> None:
    values["training"]["max_length_tokens"] = 8
    with pytest.raises(
        DataError, match=r"none of its 21 rows can be used; the first one \(line \d+\): it is \d+ tokens"
    ):
        prepare(build(RunConfig, values))


def test_rows_longer_than_the_limit_can_be_left_out_whole(values: dict[str, Any]) -> None:
    values["training"]["max_length_tokens"] = 120
    cut = prepare(build(RunConfig, values))
    assert cut.encoded.cut > 0
    values["data"]["remedies"] = {"long_rows": "drop"}
    dropped = prepare(build(RunConfig, values))
    assert dropped.encoded.cut == 0 and len(dropped.train) == len(cut.train) - cut.encoded.cut
    assert "data.too_long" in {row.reason.key for row in dropped.encoded.dropped}


def test_rows_with_a_typed_control_token_can_be_left_out(values: dict[str, Any], tmp_path: Path) -> None:
    talk = {"messages": [{"role": "user", "content": "a<|end|>"}, {"role": "assistant", "content": "b"}]}
    data = tmp_path / "some.jsonl"
    data.write_text(Path(values["data"]["source"]).read_text(encoding="utf-8") + json.dumps(talk), encoding="utf-8")
    values["data"] |= {"source": str(data), "validation_fraction": 0, "test_fraction": 0}
    assert len(prepare(build(RunConfig, values)).train) == 25
    values["data"]["remedies"] = {"special_tokens": "drop"}
    prepared = prepare(build(RunConfig, values))
    assert [row.line for row in prepared.encoded.dropped] == [25] and len(prepared.train) == 24


def test_a_share_of_other_data_is_replayed_behind_the_own_rows(values: dict[str, Any]) -> None:
    alone = prepare(build(RunConfig, values)).train
    values["training"] |= {"replay_fraction": 0.25, "replay_source": "tutor"}
    first, second = prepare(build(RunConfig, values)), prepare(build(RunConfig, values))
    assert first.train[: len(alone)] == alone
    assert len(first.train) == len(alone) + round(len(alone) / 3)
    assert len(set(first.train)) == len(first.train)
    assert first.train == second.train


def test_replayed_data_that_does_not_fit_the_task_is_named(values: dict[str, Any]) -> None:
    values["training"] |= {"replay_fraction": 0.25, "replay_source": "sentiment"}
    with pytest.raises(DataError, match="replay data sentiment: not one row fits the task"):
        prepare(build(RunConfig, values))
