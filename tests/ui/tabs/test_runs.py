"""The Runs tab's handlers, over a real home."""

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chatgui.config import RunConfig
from chatgui.errors import RunError
from chatgui.fields import flatten
from chatgui.models import STARTER
from chatgui.runs.notes import read_notes
from chatgui.runs.store import Run, create_run
from chatgui.runs.workspace import Workspace
from chatgui.ui.session import Selection
from chatgui.ui.tabs import runs
from tests.export.conftest import make_run


@pytest.fixture
def workspace(home: Path) -> Iterator[Workspace]:
    opened = Workspace(home)
    yield opened
    opened.training.close()


@pytest.fixture
def finished(home: Path) -> Run:
    return make_run(home, STARTER)


def test_the_table_has_a_row_for_each_run_in_the_readers_language(workspace: Workspace, finished: Run) -> None:
    rows = runs.table_rows(workspace, "zh", "")["rows"]
    assert [row["run"] for row in rows] == [finished.id]
    assert rows[0]["state_text"] == "已完成"
    assert runs.table_rows(workspace, "en", "no such thing")["rows"] == []


def test_one_run_shows_what_differs_from_the_defaults(workspace: Workspace, finished: Run) -> None:
    page = runs.show(workspace, "en", (finished.id,))[0]
    assert str(STARTER) in page
    assert "Epochs" not in page


def test_two_runs_show_what_differs_between_them(workspace: Workspace, home: Path) -> None:
    first, second = (create_run(home, RunConfig.model_validate({"training": {"epochs": n}})) for n in (2, 4))
    page = runs.show(workspace, "en", (first.id, second.id))[0]
    assert "<td>2</td><td>4</td>" in page
    assert page.count("<tr>") == 2  # the head, and one field


def test_text_of_a_run_is_shown_as_text(workspace: Workspace, home: Path) -> None:
    run = create_run(home, RunConfig.model_validate({"data": {"source": "<script>alert(1)</script>.jsonl"}}))
    assert "<script>" not in runs.facts_html([run], "en")


def test_notes_are_kept_at_once(workspace: Workspace, finished: Run) -> None:
    runs.keep_notes(workspace, "en", (finished.id,), "good，shop, good", "the third try")
    assert read_notes(finished).tags == ("good", "shop")
    assert runs.show(workspace, "en", (finished.id,))[2]["value"] == "the third try"


def test_settings_go_to_the_form_with_their_data(workspace: Workspace, finished: Run) -> None:
    selection, _ = runs.copy_settings(workspace, "en", (finished.id,), Selection())
    assert selection.data == finished.config.data
    wish = dict(selection.wish)
    assert wish == {name: value for name, value in flatten(finished.config).items() if not name.startswith("data.")}


def test_a_deleted_run_comes_back(workspace: Workspace, finished: Run) -> None:
    assert runs.throw_away(workspace, "en", (finished.id,)) == ()
    assert workspace.runs() == []
    assert runs.bring_back(workspace, "en") == (finished.id,)
    assert finished.has_model


def test_an_export_ends_with_a_file_that_holds_everything(workspace: Workspace, finished: Run) -> None:
    said = []
    for sentence, file in runs.export(workspace, "en", (finished.id,), **{"export.format": "gguf"}):
        said.append(sentence)
        if file:
            with zipfile.ZipFile(file) as archive:
                names = {Path(name).name for name in archive.namelist()}
    assert {"README.md", "Modelfile", f"{finished.id}-f16.gguf"} <= names
    assert said[-1].startswith("Ready (")
    assert not Path(str(file)).exists()  # nothing is left behind


def test_a_packed_run_is_taken_in_elsewhere(workspace: Workspace, finished: Run, tmp_path: Path) -> None:
    other = Workspace(tmp_path / "other")
    for file in runs.pack(workspace, "en", (finished.id,)):
        assert runs.unpack(other, "en", file) == (finished.id,)
    assert other.run(finished.id).has_model


def test_an_export_wants_exactly_one_run(workspace: Workspace, finished: Run) -> None:
    with pytest.raises(RunError, match="exactly one run"):
        next(runs.export(workspace, "en", ()))


def test_a_run_is_opened_in_the_train_tab(workspace: Workspace, finished: Run) -> None:
    selection, _ = runs.open_run(workspace, "en", (finished.id,), replace(Selection(), run="another"))
    assert selection.run == finished.id
