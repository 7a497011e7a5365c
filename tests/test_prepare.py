from pathlib import Path
from typing import Any

import pytest

from chatgui.config import RunConfig
from chatgui.errors import DataError
from chatgui.fields import build
from chatgui.prepare import length_limit, make_example, prepare, report


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


def test_the_report_counts_what_the_run_will_use(values: dict[str, Any], tmp_path: Path) -> None:
    lines = Path(values["data"]["source"]).read_text(encoding="utf-8").splitlines()
    data = tmp_path / "some.jsonl"
    data.write_text("\n".join([lines[0], "{broken", *lines[1:]]), encoding="utf-8")
    values["data"]["source"] = str(data)
    values["training"]["max_length_tokens"] = 120
    row = report(build(RunConfig, values))
    assert (row["format"], row["encoding"], row["rows"]) == ("messages", "utf-8", 25)
    assert row["kept"] + len(row["dropped"]) == row["rows"]
    assert row["dropped"][0]["line"] == 2
    assert row["dropped"][0]["reason"].startswith("this is not JSON")
    assert row["splits"] == {"train": 21, "validation": 1, "test": 2}
    assert row["findings"][0]["kind"] == "cut"
    assert row["findings"][0]["count"] == len(row["findings"][0]["rows"]) == row["lengths"]["over_limit"]


def test_the_report_speaks_the_readers_language(values: dict[str, Any], tmp_path: Path) -> None:
    data = tmp_path / "some.jsonl"
    data.write_text(Path(values["data"]["source"]).read_text(encoding="utf-8") + "{broken", encoding="utf-8")
    values["data"]["source"] = str(data)
    assert report(build(RunConfig, values), "zh")["dropped"][0]["reason"].startswith("不是正确的 JSON")
