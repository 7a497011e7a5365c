"""Hits of the quick search are those of reading every row."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatgui.data import search as module
from chatgui.data.conversation import Item, fingerprint
from chatgui.data.edit import Edit, EditedRows, item_from
from chatgui.data.load import DataConfig, load
from chatgui.data.quality.words import text_of
from chatgui.data.rows import Rows
from chatgui.data.search import search
from chatgui.data.tables import Lines

TEXTS = (
    "Where is my Order 15?", "订单在哪里？", "naïve CAFÉ", "Где мой заказ", 'a "quoted" \\ path', "line\nbreak",
    "🙂 smile", "reply_two", "", "100%",
)  # fmt: skip
WANTED = (
    "order", "ORDER 15", "订单", "在哪", "café", "CAFÉ", "заказ", "ЗАКАЗ", '"quoted"', "path", "break", "🙂", "%",
    "two", "no such word", "my order", "ask 3", "ASK",
)  # fmt: skip


@pytest.fixture(autouse=True)
def every_file_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatgui.data.files.LARGE_BYTES", 0)


def written(path: Path, escaped: bool) -> Path:
    rows = [
        {"messages": [{"role": "user", "content": f"ask {n} {text}"}, {"role": "assistant", "content": text or "so"}]}
        for n, text in enumerate(TEXTS * 3)
    ]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=escaped) + "\n" for row in rows), encoding="utf-8")
    return path


def found(rows: object, wanted: str) -> list[int]:
    return [place for looked in search(rows, wanted) for place in looked.places]  # type: ignore[arg-type]


def expected(rows: object, wanted: str) -> list[int]:
    return [n for n, row in enumerate(rows) if wanted.casefold() in text_of(row.item).casefold()]  # type: ignore[arg-type, var-annotated]


@pytest.mark.parametrize("escaped", [True, False])
@pytest.mark.parametrize("wanted", WANTED)
def test_a_long_file_is_searched_as_if_every_row_were_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, escaped: bool
) -> None:
    monkeypatch.setattr("chatgui.data.tables.PART_BYTES", 300)
    rows = load(DataConfig(source=str(written(tmp_path / "talks.jsonl", escaped))), tmp_path / "cache").rows
    assert isinstance(rows, Rows) and isinstance(rows.parts[0].table.rows, Lines) and len(rows) == 30
    assert found(rows, wanted) == expected(rows, wanted)


def test_corrected_deleted_and_added_rows_are_searched_as_they_are_now(tmp_path: Path) -> None:
    rows = load(DataConfig(source=str(written(tmp_path / "talks.jsonl", True))), tmp_path / "cache").rows
    new = item_from({"kind": "document", "text": "a brand new word"})
    edits = [
        Edit("replace", 4, fingerprint(rows[4].item), new), Edit("delete", 2, fingerprint(rows[2].item)),
        Edit("add", 29, item=new),
    ]  # fmt: skip
    edited = EditedRows(rows, edits)
    assert found(edited, "brand new") == [3, 29]
    for wanted in WANTED:
        assert found(edited, wanted) == expected(edited, wanted)


def test_only_rows_that_may_hold_it_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = load(DataConfig(source=str(written(tmp_path / "talks.jsonl", True))), tmp_path / "cache").rows
    read: list[Item] = []

    def text(item: Item) -> str:
        read.append(item)
        return text_of(item)

    monkeypatch.setattr(module, "text_of", text)
    assert found(rows, "заказ") == [3, 13, 23]
    assert len(read) == 3


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=6), st.text(max_size=4), st.booleans())
def test_a_word_is_found_in_the_bytes_whatever_its_letters(word: str, before: str, escaped: bool) -> None:
    look = module.finder(word)
    content = json.dumps(before + word, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    assert look is None or look(content)(0) >= 0
