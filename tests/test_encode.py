"""Examples that are kept, or made by several processes, are those that encoding anew gives."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chatgui import encode as module
from chatgui.config import ModelConfig, RunConfig
from chatgui.data.split import Splits, split
from chatgui.encode import encode, encode_split, make_room
from chatgui.fields import build
from chatgui.models import load_template
from chatgui.prepare import prepare
from chatgui.tokens.report import Encoded
from chatgui.tokens.store import Stored


@pytest.fixture
def values(tiny_model: Path, conversations: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A limit that cuts some rows away; everything is kept."""
    monkeypatch.setenv("CHATGUI_HOME", str(home))
    monkeypatch.setattr(module, "KEPT_ROWS", 1)
    monkeypatch.setattr(module, "PART_ROWS", 5)
    return {
        "model": {"name": str(tiny_model)}, "data": {"source": str(conversations), "remedies": {"private": "mask"}},
        "training": {"max_length_tokens": 60},
    }  # fmt: skip


def kept(home: Path) -> list[Path]:
    return sorted((home / "cache" / "tokens").glob("*.arrow"))


def told(encoded: Encoded) -> Any:
    reasons = [(row.origin, row.line, row.reason.plain()) for row in encoded.dropped]
    return list(encoded.examples), list(encoded.rows), reasons, encoded.cut


def anew(config: RunConfig) -> Encoded:
    rows = split(module.load(config.data).rows, config.data).train
    return encode(config, rows, load_template(config.model), 60)


def test_what_is_kept_is_what_encoding_anew_gives(values: dict[str, Any], home: Path) -> None:
    config = build(RunConfig, values)
    first = prepare(config)
    assert isinstance(first.train, Stored) and len(kept(home)) == 2  # train and validation
    before = [file.stat().st_ino for file in kept(home)]
    again = prepare(config)
    assert [file.stat().st_ino for file in kept(home)] == before, "it was made again"
    fresh = told(anew(config))
    assert fresh[2] and fresh[3], "the limit must leave rows out and cut some"
    assert told(first.encoded) == told(again.encoded) == fresh


def test_several_processes_encode_what_one_does(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ALONE_ROWS", 1)
    config = build(RunConfig, values)
    assert told(prepare(config).encoded) == told(anew(config))


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"max_length_tokens": 61}}, {"task": {"kind": "chat", "teach": "last_reply"}},
        {"data": {"remedies": {"long_rows": "drop"}}}, {"data": {"validation_fraction": 0.3}},
    ],
)  # fmt: skip
def test_whatever_changes_an_example_is_another_file(
    values: dict[str, Any], home: Path, change: dict[str, Any]
) -> None:
    prepare(build(RunConfig, values))
    one = kept(home)
    merged = {**values, **{name: {**values.get(name, {}), **more} for name, more in change.items()}}
    prepare(build(RunConfig, merged))
    assert set(one) < set(kept(home))


def test_another_template_is_another_file(values: dict[str, Any], home: Path) -> None:
    config = build(RunConfig, values)
    splits: Splits = split(module.load(config.data).rows, config.data)
    template = load_template(config.model)
    encode_split(config, splits, "train", template, 60)
    template.tokenizer.chat_template += " "
    encode_split(config, splits, "train", template, 60)
    assert len(kept(home)) == 2


def test_a_broken_file_is_made_anew(values: dict[str, Any], home: Path) -> None:
    config = build(RunConfig, values)
    before = told(prepare(config).encoded)
    for file in kept(home):
        file.write_bytes(file.read_bytes()[:-50])
    assert told(prepare(config).encoded) == before


def test_few_rows_leave_nothing_on_the_disk(
    values: dict[str, Any], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_ROWS", 100)
    prepare(build(RunConfig, values))
    assert kept(home) == []


def test_files_used_longest_ago_make_room_and_those_in_use_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, age in enumerate((10, 7200, 90_000)):
        for suffix in (".arrow", ".json"):
            path = tmp_path / f"{number}{suffix}"
            path.write_bytes(b"x" * 100)
            os.utime(path, (path.stat().st_mtime - age,) * 2)
    monkeypatch.setattr(module, "KEPT_BYTES", 250)
    make_room(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.arrow", "0.json", "1.arrow", "1.json"]
    monkeypatch.setattr(module, "KEPT_BYTES", 0)
    make_room(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.arrow", "0.json"]


@pytest.mark.parametrize("alone", [1, 1000], ids=["processes", "alone"])
def test_the_first_encoding_says_how_far_it_is_and_the_second_has_nothing_to_say(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch, alone: int
) -> None:
    monkeypatch.setattr(module, "ALONE_ROWS", alone)
    config = build(RunConfig, values)
    said: list[tuple[str, int, int]] = []
    prepare(config, lambda *each: said.append(each))
    counted = [(done, total) for stage, done, total in said if stage == "encoding"]
    assert [done for done, _ in counted] == [5, 10, 15, 20, 21, 22] and {total for _, total in counted} == {22}
    said.clear()
    prepare(config, lambda *each: said.append(each))
    assert [stage for stage, _, _ in said] == ["data"]


def test_an_encoding_that_is_told_to_stop_leaves_nothing_behind(values: dict[str, Any], home: Path) -> None:
    class Stop(Exception):
        pass

    def tell(stage: str, done: int, total: int) -> None:
        if stage == "encoding" and done > 5:
            raise Stop

    with pytest.raises(Stop):
        prepare(build(RunConfig, values), tell)
    assert list((home / "cache" / "tokens").iterdir()) == []


def test_a_process_that_only_counts_tokens_has_no_torch_and_counts_the_same(tiny_model: Path) -> None:
    script = (
        "import sys; from chatgui.config import ModelConfig; from chatgui.models import load_template, spare_torch\n"
        "spare_torch(); ids = load_template(ModelConfig(name=sys.argv[1])).prompt_ids("
        "[{'role': 'user', 'content': 'Hi'}])\n"
        "print(ids, any(name.startswith('torch.') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tiny_model)], capture_output=True, text=True, timeout=200)
    ids = load_template(ModelConfig(name=str(tiny_model))).prompt_ids([{"role": "user", "content": "Hi"}])
    assert (done.stdout, done.stderr) == (f"{ids} False\n", "")
