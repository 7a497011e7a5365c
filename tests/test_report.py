"""The report before the run: what was planted is found, and what is told fits what the run does."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chatgui.config import RunConfig
from chatgui.data.load import load
from chatgui.data.quality.remedies import Remedies
from chatgui.fields import build
from chatgui.measure import Measures, measure
from chatgui.prepare import prepare
from chatgui.report import REMEDY_OF, Report, as_row, full_report, histogram
from chatgui.text import sentences


@pytest.fixture
def values(tiny_model: Path, conversations: Path) -> dict[str, Any]:
    return {"model": {"name": str(tiny_model)}, "data": {"source": str(conversations)}, "training": {}}


def of(values: dict[str, Any]) -> Report:
    config = build(RunConfig, values)
    return full_report(config, load(config.data))


def talk(user: str, reply: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": user}, {"role": "assistant", "content": reply}]}


Row = dict[str, Any]


def words(row: Row) -> list[str]:
    return str(row["messages"][1]["content"]).split(" ")


@pytest.fixture
def planted(shared: Path, tmp_path: Path) -> tuple[Path, dict[str, set[int]]]:
    """900 real dialogues to train on and 100 to test with, and the lines of the faults put among the first.

    Dialogues that hold a phone number are left aside: those are real findings of their own.
    """
    text = (shared / "data/sgd/sgd_dev_messages.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()][:1000]
    rng = random.Random(7)
    train, test = rows[:900], rows[900:]
    sources = rng.sample(range(900), 80)
    faulty: list[tuple[str, Row]] = [("duplicates", train[at]) for at in sources[:50]]
    for at in sources[50:70]:
        near = json.loads(json.dumps(train[at]))
        changed = words(near)
        changed[len(changed) // 2] = "perhaps"
        near["messages"][1]["content"] = " ".join(changed)
        faulty.append(("near_duplicates", near))
    faulty += [("leaked", row) for row in rng.sample(test, 10)]
    faulty += [("reply_lost", talk(f"Number {n}: " + "tell me all about it now, " * 260, "Fine.")) for n in range(5)]
    for n in range(7):
        name = f"guest{n}.of.house{n * 17}"
        faulty.append(("email", talk(f"Table {n * 31} for {n + 2}, please.", f"Done; ask {name}@mail{n}.example.org.")))
    faulty.append(
        ("language", talk("Ich hätte heute Abend gern einen Tisch am Fenster.", "Gern, für wie viele Personen?"))
    )
    mixed: list[tuple[str, Row]] = [("", row) for row in train]
    for fault in faulty:  # behind what they repeat, or anywhere when they repeat nothing of the training
        mixed.insert(rng.randrange(900, len(mixed) + 1), fault)
    places: dict[str, set[int]] = {}
    for line, (kind, _) in enumerate(mixed, start=1):
        places.setdefault(kind, set()).add(line)
    for name, content in (("train", [row for _, row in mixed]), ("test", test)):
        lines = "".join(json.dumps(row) + "\n" for row in content)
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    return tmp_path, {kind: lines for kind, lines in places.items() if kind}


def test_planted_faults_are_all_found_and_nothing_else(planted: tuple[Path, dict[str, set[int]]]) -> None:
    folder, places = planted
    row = as_row(of({"data": {"source": str(folder)}}))
    found = {finding["kind"]: finding for finding in row["findings"]}
    assert {kind: len(lines) for kind, lines in places.items()} == {
        "duplicates": 50, "near_duplicates": 20, "leaked": 10, "reply_lost": 5, "email": 7, "language": 1,
    }  # fmt: skip
    for kind, lines in places.items():
        told = {line for line, file in zip(found[kind]["rows"], found[kind]["files"], strict=True) if "train" in file}
        assert lines - told == set(), f"{kind}: not found"
        assert found[kind]["count"] - len(lines) <= 1, f"{kind}: false alarms in {sorted(told - lines)}"


def test_planted_faults_are_gone_with_their_remedies(planted: tuple[Path, dict[str, set[int]]]) -> None:
    folder, places = planted
    remedies = {name: "drop" for name in ("duplicates", "near_duplicates", "leaked", "languages")} | {"private": "mask"}
    config = build(RunConfig, {"data": {"source": str(folder), "remedies": remedies}})
    prepared = prepare(config)
    used = {row.line for row in prepared.encoded.rows}
    gone = set().union(
        *(places[kind] for kind in ("duplicates", "near_duplicates", "leaked", "reply_lost", "language"))
    )
    assert used & gone == set() and len(used) >= 900 * 0.9
    template = prepared.template
    assert not any("@mail" in template.tokenizer.decode(example.input_ids) for example in prepared.train)


def test_the_report_counts_what_the_run_will_use(values: dict[str, Any], tmp_path: Path) -> None:
    lines = Path(values["data"]["source"]).read_text(encoding="utf-8").splitlines()
    data = tmp_path / "some.jsonl"
    data.write_text("\n".join([lines[0], "{broken", *lines[1:]]), encoding="utf-8")
    values["data"]["source"] = str(data)
    values["training"]["max_length_tokens"] = 120
    row = as_row(of(values))
    assert (row["format"], row["encoding"], row["rows"]) == ("messages", "utf-8", 25)
    assert row["kept"] + len(row["dropped"]) == row["rows"]
    assert row["dropped"][0]["line"] == 2
    assert row["dropped"][0]["reason"].startswith("this is not JSON")
    assert row["splits"] == {"train": 21, "validation": 1, "test": 2}
    cut = next(finding for finding in row["findings"] if finding["kind"] == "cut")
    lost = sum(len(finding["rows"]) for finding in row["findings"] if finding["kind"] == "reply_lost")
    assert cut["count"] == len(cut["rows"]) == row["lengths"]["over_limit"] - lost
    json.dumps(row)


def test_lengths_and_shares_are_those_of_the_run(values: dict[str, Any]) -> None:
    values["data"] |= {"test_fraction": 0, "validation_fraction": 0}
    found, prepared = of(values), prepare(build(RunConfig, values))
    assert found.measures.tokens.tolist() == [len(one) + one.cut_tokens for one in prepared.train]
    assert found.lengths()["max"] == max(map(len, prepared.train))
    teaching, tokens = (sum(one.supervised for one in prepared.train), sum(map(len, prepared.train)))
    assert found.supervised_share == pytest.approx(teaching / tokens)


def test_the_bars_hold_every_row_and_break_at_the_limit(values: dict[str, Any]) -> None:
    values["training"]["max_length_tokens"] = 120
    measures = of(values).measures
    bars = histogram(measures)
    assert sum(bar.count for bar in bars) == (measures.tokens > 0).sum()
    assert any(bar.start == 121 for bar in bars)
    beyond = sum(bar.count for bar in bars if bar.start > 120)
    assert beyond == (measures.cut > 0).sum() > 0


def test_a_remedy_changes_what_is_kept_and_not_what_is_told(values: dict[str, Any], tmp_path: Path) -> None:
    text = Path(values["data"]["source"]).read_text(encoding="utf-8")
    data = tmp_path / "doubled.jsonl"
    data.write_text(text + "".join(f"{line}\n" for line in text.splitlines()[:5]), encoding="utf-8")
    values["data"]["source"] = str(data)
    before = as_row(of(values))
    values["data"]["remedies"] = {"duplicates": "drop"}
    after = as_row(of(values))
    assert (before["kept"], after["kept"]) == (29, 24)
    first, second = (
        next(finding for finding in row["findings"] if finding["kind"] == "duplicates") for row in (before, after)
    )
    assert first["rows"] == second["rows"] == [25, 26, 27, 28, 29] and first["repeats"] == [1, 2, 3, 4, 5]
    assert (first["remedy"], second["remedy"]) == ("keep", "drop")


def test_kept_is_what_a_run_with_the_remedies_encodes(values: dict[str, Any]) -> None:
    values["training"]["max_length_tokens"] = 120
    values["data"] |= {"remedies": {"long_rows": "drop"}, "validation_fraction": 0, "test_fraction": 0}
    assert of(values).kept == len(prepare(build(RunConfig, values)).train)


def test_the_report_speaks_the_readers_language(values: dict[str, Any], tmp_path: Path) -> None:
    data = tmp_path / "some.jsonl"
    data.write_text(Path(values["data"]["source"]).read_text(encoding="utf-8") + "{broken", encoding="utf-8")
    values["data"]["source"] = str(data)
    assert as_row(of(values), "zh")["dropped"][0]["reason"].startswith("不是正确的 JSON")


def test_measuring_can_be_stopped(values: dict[str, Any]) -> None:
    config = build(RunConfig, values)
    told: list[tuple[int, int]] = []
    rows = load(config.data).rows
    assert measure(config, rows, lambda done, total: told.append((done, total)), lambda: True) is None
    assert told == [(24, 24)]


def test_measures_are_the_same_when_they_are_read_again(values: dict[str, Any], tmp_path: Path) -> None:
    measures = of(values).measures
    measures.save(tmp_path / "kept")
    again = Measures.read(tmp_path / "kept")
    assert again is not None and len(again) == 24
    assert np.array_equal(again.tokens, measures.tokens) and again.languages == measures.languages
    (tmp_path / "kept" / "rest.json").unlink()
    assert Measures.read(tmp_path / "kept") is None


def test_several_processes_measure_what_one_does(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    config = build(RunConfig, values)
    rows = load(config.data).rows
    alone = measure(config, rows)
    monkeypatch.setattr("chatgui.measure.ALONE_ROWS", 0)
    monkeypatch.setattr("chatgui.measure.PART_ROWS", 10)
    together = measure(config, rows)
    assert alone is not None and together is not None
    for name in ("exact", "near", "tokens", "supervised", "faults", "fate"):
        assert np.array_equal(getattr(alone, name), getattr(together, name)), name


def test_every_remedy_belongs_to_a_finding() -> None:
    assert set(REMEDY_OF.values()) == set(Remedies.model_fields)
    assert {f"finding.{kind}" for kind in REMEDY_OF} <= set(sentences("en"))


def test_labels_that_are_too_rare_are_told(
    values: dict[str, Any], tmp_path: Path, write_labels: Callable[..., Path]
) -> None:
    values |= {
        "task": {"kind": "classification"},
        "data": {"source": str(write_labels(["a"] * 60 + ["b"] * 50 + ["c"] * 2))},
    }
    row = as_row(of(values))
    rare = next(finding for finding in row["findings"] if finding["kind"] == "imbalance")
    assert rare["count"] == 2 and rare["labels"] == "c (2)" and row["labels"] == {"a": 60, "b": 50, "c": 2}


@pytest.fixture
def write_labels(tmp_path: Path) -> Callable[[list[str]], Path]:
    def write(labels: list[str]) -> Path:
        path = tmp_path / "labels.jsonl"
        rows = (json.dumps({"text": f"a text of its own {at}", "label": label}) for at, label in enumerate(labels))
        path.write_text("\n".join(rows), encoding="utf-8")
        return path

    return write
