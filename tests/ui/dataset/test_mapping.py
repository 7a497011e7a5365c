"""A file that no format fits, the form over it, and what a run then reads, over plain values."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from chatgui.data.conversation import Conversation, Labelled
from chatgui.data.formats import BY_NAME
from chatgui.data.load import DataConfig, load
from chatgui.errors import DataError
from chatgui.runs.workspace import Workspace
from chatgui.ui.dataset import mapping as form
from chatgui.ui.dataset.source import load_sample, load_source, load_upload
from chatgui.ui.session import Selection

TALKS = [{"nr": n, "frage": f"Wo ist {n}?", "antwort": f"Nummer {n} ist gleich um die Ecke."} for n in range(30)]
STARS = [{"nr": n, "bewertung": f"Das {n}. Essen war sehr gut.", "sterne": n % 2, "ort": "Ulm"} for n in range(30)]


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return Workspace(home)


@pytest.fixture
def talks(workspace: Workspace, tmp_path: Path) -> str:
    return kept(workspace, tmp_path / "fragen.jsonl", TALKS)


@pytest.fixture
def stars(workspace: Workspace, tmp_path: Path) -> str:
    return kept(workspace, tmp_path / "sterne.jsonl", STARS)


def kept(workspace: Workspace, path: Path, rows: Sequence[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(workspace.keep_upload(path))


def filled(updates: Sequence[Any]) -> tuple[str, str, list[str]]:
    """(format, label names, columns) as the updates leave the form."""
    format_, labels, *rest = updates
    return format_, labels["value"], [update["value"] for update in rest[: form.MOST_FIELDS]]


def test_a_file_that_no_format_fits_is_handed_to_the_form(workspace: Workspace, talks: str) -> None:
    told = []
    with pytest.raises(DataError, match=r"^fragen\.jsonl: no known format fits"):
        for step in load_source(workspace, "en", Selection(), talks, "auto"):
            told.append(step)
    assert told[0][5] == "" and told[-1][5] == talks


def test_a_file_that_is_broken_is_not(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    told = []
    with pytest.raises(DataError):
        for step in load_source(workspace, "en", Selection(), str(tmp_path / "empty.jsonl"), "auto"):
            told.append(step)
    assert told[-1][5] == gr.skip()


def test_several_files_that_no_format_fits_are_handed_to_the_form(workspace: Workspace, tmp_path: Path) -> None:
    files = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for file in files:
        kept(workspace, file, TALKS)
    told = []
    with pytest.raises(DataError):
        for step in load_upload(workspace, "en", Selection(), list(map(str, files)), "auto"):
            told.append(step)
    opened = form.open_form(workspace, "en", Selection(), told[-1][5], "question_answer")
    selection, *_ = form.use_mapping(workspace, "en", Selection(), told[-1][5], *flat(filled(opened[1:])))
    assert len(load(selection.data).rows) == 60


def flat(values: tuple[str, str, list[str]]) -> list[str]:
    format_, label_names, columns = values
    return [format_, label_names, *columns]


def test_the_form_opens_with_a_complete_guess_and_its_preview(workspace: Workspace, talks: str) -> None:
    panel, *updates = form.open_form(workspace, "en", Selection(), talks, "question_answer")
    format_, _, columns = filled(updates)
    preview, use, save, file = updates[-4:]
    assert panel["visible"] and format_ == "question_answer"
    assert columns == ["frage", "antwort", *[""] * (form.MOST_FIELDS - 2)]
    assert "30 of the first 30 rows fit" in preview and preview.count("<article") == form.ROWS_SHOWN
    assert "Wo ist 0?" in preview and use["interactive"] and save["interactive"] and not file["visible"]


def test_the_form_is_away_while_there_is_nothing_to_map(workspace: Workspace) -> None:
    panel, *rest = form.open_form(workspace, "en", Selection(), "", "auto")
    assert not panel["visible"] and all(update == gr.skip() for update in rest)


@pytest.mark.parametrize("format_", BY_NAME)
def test_every_format_shows_its_own_fields(workspace: Workspace, talks: str, format_: str) -> None:
    updates = form.choose_format(workspace, "en", talks, format_)
    dropdowns = updates[2 : 2 + form.MOST_FIELDS]
    names = [update["label"].split()[0] for update in dropdowns if update["visible"]]
    assert names == [field.name for field in BY_NAME[format_].FIELDS]
    assert [name for _, name in dropdowns[0]["choices"]] == ["", "nr", "frage", "antwort"]
    assert len(updates) == 2 + form.MOST_FIELDS + 4


def test_a_field_without_a_column_is_named_and_cannot_be_used(workspace: Workspace, talks: str) -> None:
    preview, use, save, _ = form.preview_mapping(workspace, "en", talks, "question_answer", "", "frage", "", None)
    assert "needs a column for answer" in preview and not use["interactive"] and not save["interactive"]
    with pytest.raises(DataError, match="needs a column for answer"):
        form.use_mapping(workspace, "en", Selection(), talks, "question_answer", "", "frage", "")


def test_rows_that_do_not_fit_are_counted_and_say_why(workspace: Workspace, tmp_path: Path) -> None:
    source = kept(workspace, tmp_path / "some.jsonl", [{**TALKS[0], "antwort": None}, *TALKS[1:]])
    preview, *_ = form.preview_mapping(workspace, "en", source, "question_answer", "", "frage", "antwort")
    assert "29 of the first 30 rows fit" in preview and 'class="failed"' in preview


def test_what_is_used_is_read_as_the_preview_showed(workspace: Workspace, talks: str) -> None:
    before = Selection(data=DataConfig(edits="journal-of-the-sample"), run="kept")
    selection, to_map, format_ = form.use_mapping(
        workspace, "en", before, talks, "question_answer", "", "frage", "antwort"
    )
    item = load(selection.data).rows[0].item
    assert isinstance(item, Conversation) and [turn.content for turn in item.messages] == [
        "Wo ist 0?", "Nummer 0 ist gleich um die Ecke.",
    ]  # fmt: skip
    assert (to_map, format_, selection.run, selection.data.edits) == ("", "question_answer", "kept", None)
    again = form.open_form(workspace, "en", selection, talks, "question_answer")
    assert filled(again[1:])[2][:2] == ["frage", "antwort"]


def test_a_field_that_was_taken_away_stays_away(workspace: Workspace, tmp_path: Path) -> None:
    source = kept(workspace, tmp_path / "named.jsonl", [{**row, "context": "Ulm"} for row in TALKS])
    with_context, *_ = form.use_mapping(
        workspace, "en", Selection(), source, "question_answer", "", "frage", "antwort", "context"
    )
    without, *_ = form.use_mapping(workspace, "en", Selection(), source, "question_answer", "", "frage", "antwort", "")
    assert "Ulm" in str(load(with_context.data).rows[0].item) and "Ulm" not in str(load(without.data).rows[0].item)


def test_numbered_labels_are_named_in_the_form(workspace: Workspace, stars: str) -> None:
    assert form.choose_format(workspace, "en", stars, "label")[1]["visible"]
    assert not form.choose_format(workspace, "en", stars, "text")[1]["visible"]
    selection, *_ = form.use_mapping(
        workspace, "en", Selection(), stars, "label", "schlecht, gut", "bewertung", "sterne", ""
    )
    assert load(selection.data).rows[1].item == Labelled("Das 1. Essen war sehr gut.", ("gut",))


def test_a_saved_mapping_fills_the_form_for_another_file(workspace: Workspace, stars: str, tmp_path: Path) -> None:
    values = ("label", "schlecht, gut", "bewertung", "sterne", "")
    saved = form.save_mapping(workspace, "en", stars, *values)
    other = kept(workspace, tmp_path / "other.jsonl", STARS[:12])
    updates = form.load_mapping(workspace, "en", other, saved["value"])
    format_, label_names, columns = filled(updates)
    assert (format_, label_names, *columns[:3]) == values
    assert "12 of the first 12 rows fit" in updates[-4]


def test_a_mapping_of_other_columns_is_refused(workspace: Workspace, talks: str, stars: str, tmp_path: Path) -> None:
    saved = form.save_mapping(workspace, "en", stars, "label", "", "bewertung", "sterne", "")
    with pytest.raises(DataError, match=r'^fragen\.jsonl: there is no column "bewertung"'):
        form.load_mapping(workspace, "en", talks, saved["value"])
    (tmp_path / "no.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(DataError, match="no saved column mapping"):
        form.load_mapping(workspace, "en", talks, str(tmp_path / "no.json"))


def test_another_source_forgets_the_mapping(workspace: Workspace, talks: str) -> None:
    selection, *_ = form.use_mapping(workspace, "en", Selection(), talks, "question_answer", "", "frage", "antwort")
    *_, last = load_sample(workspace, "en", selection, "support")
    assert last[0].data == DataConfig()


def test_two_uploads_of_one_name_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"called mine\.csv"):
        next(load_upload(workspace, "en", Selection(), ["a/mine.csv", "b/mine.csv"], "auto"))


def test_a_value_is_shown_beside_its_column_as_text(workspace: Workspace, tmp_path: Path) -> None:
    source = kept(workspace, tmp_path / "long.jsonl", [{"c1": "<b>" + "x" * 99, "c2": "y"}] * 3)
    choices = form.choose_format(workspace, "zh", source, "question_answer")[2]["choices"]
    assert choices[0] == ("无对应列", "") and choices[2] == ("c2 · y", "c2")
    assert choices[1][0].endswith("x…") and len(choices[1][0]) < 40
    preview = form.preview_mapping(workspace, "en", source, "question_answer", "", "c1", "c2")[0]
    assert "&lt;b&gt;" in preview and "<b>x" not in preview
