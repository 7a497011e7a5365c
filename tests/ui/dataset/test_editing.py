"""Find, correct, delete, add, undo and export over plain values."""

import json
from pathlib import Path
from typing import Any

import pytest

from chatgui.data.load import DataConfig, load
from chatgui.errors import ChatGuiError, DataError
from chatgui.runs.workspace import Workspace
from chatgui.ui.dataset import editing
from chatgui.ui.session import Selection


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return Workspace(home)


@pytest.fixture
def selection(tmp_path: Path) -> Selection:
    path = tmp_path / "mine.jsonl"
    talks = (
        {"messages": [{"role": "user", "content": f"Ask {n}"}, {"role": "assistant", "content": f"Reply {n % 5}"}]}
        for n in range(40)
    )
    path.write_text("".join(json.dumps(talk) + "\n" for talk in talks), encoding="utf-8")
    return Selection(data=DataConfig(source=str(path)))


def find(step: int | None, workspace: Workspace, data: DataConfig, wanted: str, number: int) -> tuple[Any, ...]:
    """What the search shows in the end."""
    return list(editing.find(step, workspace, "en", data, wanted, number, editing.Latest()))[-1]


def opened_row(workspace: Workspace, data: DataConfig, number: int) -> str:
    """What the script hands back when nothing was changed."""
    value, _ = editing.open_row(workspace, "en", data, number)
    return json.dumps(json.loads(value)["item"])


def corrected(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


def test_all_rows_are_searched_and_not_only_those_on_screen(workspace: Workspace, selection: Selection) -> None:
    html, page, note, back, on, end = find(None, workspace, selection.data, "ASK 37", 3)
    assert html.count("<article") == 1 and "Ask 37" in html and (page, note) == (1, "1–1 of 1")
    assert not back["interactive"] and not on["interactive"] and not end["visible"]


def test_hits_are_turned_page_by_page(workspace: Workspace, selection: Selection) -> None:
    first, _, note, _, on, _ = find(None, workspace, selection.data, "reply 2", 1)
    second, page, last, _, end, _ = find(1, workspace, selection.data, "reply 2", 1)
    assert first.count("<article") == 6 and second.count("<article") == 2 and page == 2
    assert note == "1–6 of 8" and on["interactive"] and last == "7–8 of 8" and not end["interactive"]


def test_the_first_page_is_shown_while_the_rest_is_still_looked_through(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatgui.data.search.READ_AT_ONCE", 10)
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"ask {n}", "completion": "so"}) + "\n" for n in range(60)))
    first, last = editing.find(None, workspace, "en", DataConfig(source=str(path)), "ask", 1, editing.Latest())
    assert (first[2], last[2]) == ("1–6 of 10 so far; 10 of 60 rows searched", "1–6 of 60")
    assert first[0] == last[0]


def test_a_newer_search_of_the_same_browser_ends_an_older_one(
    workspace: Workspace, selection: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatgui.data.search.READ_AT_ONCE", 8)
    latest = editing.Latest()
    older = editing.find(None, workspace, "en", selection.data, "Ask", 1, latest)
    assert next(older)[2].startswith("1–6 of 8 so far")
    newer = list(editing.find(None, workspace, "en", selection.data, "Ask 4", 1, latest))
    assert newer[-1][2] == "1–1 of 1" and list(older) == []


def test_a_stopped_search_looks_no_further_and_keeps_its_hits(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatgui.data.search.READ_AT_ONCE", 10)
    monkeypatch.setattr(editing, "SAID_SECONDS", 0.0)
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"ask {n}", "completion": "so"}) + "\n" for n in range(60)))
    latest = editing.Latest()
    looking = editing.find(None, workspace, "en", DataConfig(source=str(path)), "ask", 1, latest)
    first = next(looking)
    assert first[5]["visible"]
    editing.stop(latest)
    last = list(looking)[-1]
    assert last[0] == first[0] and "ask 5" in last[0] and not last[5]["visible"]
    assert last[2] == "Stopped: 1–6 of 20 so far; 20 of 60 rows searched"
    again = list(editing.find(None, workspace, "en", DataConfig(source=str(path)), "ask", 1, latest))[-1]
    assert again[2] == "1–6 of 60"


def test_a_correction_is_kept_beside_the_source(workspace: Workspace, selection: Selection) -> None:
    before = Path(selection.data.source).read_bytes()
    text = opened_row(workspace, selection.data, 3)
    changed, note = editing.save(workspace, "en", selection, 3, corrected(text, "Ask 2", "Question two"))
    assert note == "1 edits" and Path(selection.data.source).read_bytes() == before
    assert "Question two" in find(None, workspace, changed.data, "question", 1)[0]
    assert changed.data.edits is not None and Path(changed.data.edits).is_relative_to(workspace.home)


def test_every_edit_can_be_taken_back(workspace: Workspace, selection: Selection) -> None:
    text = opened_row(workspace, selection.data, 1)
    fewer, _ = editing.delete(workspace, "en", selection, 1)
    more, _ = editing.add(workspace, "en", fewer, corrected(text, "Ask 0", "Brand new"))
    rows = workspace.dataset(more.data).rows
    assert len(rows) == 40 and "Brand new" in str(rows[39].item) and "Ask 1" in str(rows[0].item)
    once, _ = editing.undo(workspace, "en", more)
    assert once == fewer and len(workspace.dataset(once.data).rows) == 39
    assert editing.undo(workspace, "en", once)[0] == selection


def test_a_correction_that_is_no_row_is_refused(workspace: Workspace, selection: Selection) -> None:
    with pytest.raises(DataError, match="not JSON any more"):
        editing.save(workspace, "en", selection, 1, "{")
    with pytest.raises(DataError, match="there is no row 41; the data has 40"):
        editing.open_row(workspace, "en", selection.data, 41)


def test_the_export_holds_what_the_edits_leave(workspace: Workspace, selection: Selection) -> None:
    fewer, _ = editing.delete(workspace, "en", selection, 5)
    update = editing.write_file(workspace, "en", fewer.data, "sharegpt")
    exported = load(DataConfig(source=update["value"]))
    assert exported.format == "sharegpt" and len(exported.rows) == 39
    assert [row.item for row in exported.rows] == [row.item for row in workspace.dataset(fewer.data).rows]


def test_data_that_cannot_be_read_has_no_hits(workspace: Workspace, tmp_path: Path) -> None:
    gone = DataConfig(source=str(tmp_path / "gone.jsonl"))
    assert "No rows here" in find(None, workspace, gone, "", 1)[0]
    with pytest.raises(ChatGuiError):
        editing.open_row(workspace, "en", gone, 1)


def test_other_data_never_stands_under_the_text_of_the_data_before(workspace: Workspace, selection: Selection) -> None:
    mine, opened = editing.reopen(workspace, "en", selection.data, 2, None)
    other, reopened = editing.reopen(workspace, "en", DataConfig(), 2, opened)
    assert "Ask 1" in mine and other == editing.open_row(workspace, "en", DataConfig(), 2)[0] != mine
    assert reopened != opened


def test_another_split_leaves_the_row_that_is_being_typed(workspace: Workspace, selection: Selection) -> None:
    _, opened = editing.reopen(workspace, "en", selection.data, 2, None)
    divided = selection.data.model_copy(update={"split_seed": 7})
    assert editing.reopen(workspace, "en", divided, 2, opened)[0] == {"__type__": "update"}


def test_a_number_that_the_data_does_not_have_opens_a_new_row(workspace: Workspace, selection: Selection) -> None:
    text, _ = editing.reopen(workspace, "en", selection.data, 41, None)
    assert json.loads(text)["item"] == editing.NEW
