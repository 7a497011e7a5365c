"""The Runs tab's handlers, over a real home."""

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chatgui.config import RunConfig
from chatgui.errors import ModelError, RunError
from chatgui.fields import flatten
from chatgui.models import STARTER
from chatgui.runs import bundle, queue
from chatgui.runs.notes import read_notes
from chatgui.runs.store import Run, create_run
from chatgui.runs.workspace import Workspace
from chatgui.ui.live import shown
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
        if file.get("value"):
            with zipfile.ZipFile(file["value"]) as archive:
                names = {Path(name).name for name in archive.namelist()}
    assert {"README.md", "Modelfile", f"{finished.id}-f16.gguf"} <= names
    assert said[-1].startswith("Ready (")
    assert not Path(file["value"]).exists()  # nothing is left behind


def test_a_packed_run_is_taken_in_elsewhere(workspace: Workspace, finished: Run, tmp_path: Path) -> None:
    other = Workspace(tmp_path / "other")
    for file in runs.pack(workspace, "en", (finished.id,)):
        assert runs.unpack(other, "en", file["value"]) == (finished.id,)
    assert other.run(finished.id).has_model


def test_an_export_wants_exactly_one_run(workspace: Workspace, finished: Run) -> None:
    with pytest.raises(RunError, match="exactly one run"):
        next(runs.export(workspace, "en", ()))


def test_a_run_is_opened_in_the_train_tab(workspace: Workspace, finished: Run) -> None:
    selection, _ = runs.open_run(workspace, "en", (finished.id,), replace(Selection(), run="another"))
    assert (selection.run, shown(selection)) == (finished.id, finished.id)


def test_the_curves_of_the_other_chosen_runs_are_laid_over_the_first(
    workspace: Workspace, home: Path, finished: Run
) -> None:
    other = create_run(home, RunConfig())
    selection, _ = runs.open_run(workspace, "en", (finished.id, other.id), Selection())
    assert shown(selection).split() == [finished.id, other.id]


def test_the_heads_of_the_differences_are_names(workspace: Workspace, finished: Run) -> None:
    page = runs.show(workspace, "en", (finished.id,))[0]
    assert finished.id not in page
    assert "<th>support · starter · " in page


def test_waiting_runs_can_be_moved_and_others_cannot(workspace: Workspace, home: Path, finished: Run) -> None:
    first, second = (create_run(home, RunConfig()) for _ in range(2))
    rows = {row["run"]: row for row in runs.table_rows(workspace, "en", "")["rows"]}
    assert set(rows[first.id]["moves"]) == {"sooner", "later"}
    assert rows[finished.id]["moves"] == {}
    assert runs.move_run(workspace, "en", {"run": second.id, "by": -1}) == {}
    assert [run.id for run in queue.queued_runs(home)] == [second.id, first.id]
    assert "error" in runs.move_run(workspace, "en", {"run": finished.id, "by": 1})


def test_the_boxes_of_the_queue_are_kept(workspace: Workspace, home: Path) -> None:
    assert runs.keep_rules(workspace, "en", {"paused": True}) == {}
    assert queue.read_rules(home) == queue.Rules(paused=True, continue_on_error=True)
    assert [rule["on"] for rule in runs.table_rows(workspace, "zh", "")["rules"]] == [True, True]


def test_chosen_runs_are_combined_by_their_weights(workspace: Workspace, home: Path, finished: Run) -> None:
    other = make_run(home, STARTER)
    weights = {f"weight:{finished.id}": 0.5, f"weight:{other.id}": 0.5}
    (made,) = runs.combine(workspace, "en", **weights, **{"fusion.combination": "cat", "fusion.rank": ""})
    assert workspace.run(made).has_model
    assert workspace.pair(workspace.run(made)).tuned.adapter == "on"


def test_an_upload_needs_the_visitors_own_token(
    workspace: Workspace, finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_TheServersOwn")
    with pytest.raises(ModelError, match="no token"):
        next(runs.push(workspace, "en", (finished.id,), "bot", " ", False, False, **{"export.format": "adapter"}))


def test_checkpoints_of_ended_runs_are_removed_and_their_results_stay(workspace: Workspace, finished: Run) -> None:
    folder = finished.folder / "checkpoints" / "step-000001"
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(bytes(1000))
    waiting = create_run(workspace.home, RunConfig())
    (waiting.folder / "checkpoints").mkdir()
    assert (bundle.thin(finished), bundle.thin(waiting)) == (1000, 0)
    assert finished.has_model
    assert not folder.exists()
    assert (waiting.folder / "checkpoints").exists()
