"""What Try does, on real little runs."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatgui.runs.workspace import Workspace
from chatgui.text import say
from chatgui.ui.session import Selection
from chatgui.ui.tabs import trial
from tests.test_predict import CHOICES, LABELS, TAGS, trained


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[dict[str, str]]:
    before = signal.getsignal(signal.SIGTERM)
    home = tmp_path_factory.mktemp("trial") / "home"
    tasks: dict[str, list[Any]] = {"classification": LABELS, "tagging": TAGS, "ranking": CHOICES}
    made = {task: trained(home, tiny_model, rows, task).id for task, rows in tasks.items()}
    yield {**made, "home": str(home)}
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module")
def workspace(runs: dict[str, str]) -> Workspace:
    return Workspace(Path(runs["home"]))


def test_only_runs_that_predict_can_be_tried(workspace: Workspace, runs: dict[str, str]) -> None:
    chooser, empty, main = trial.runs_to_try(workspace, "en", Selection(run=runs["tagging"]), None)
    assert {run for _, run in chooser["choices"]} == {runs["classification"], runs["tagging"], runs["ranking"]}
    assert (chooser["value"], empty["visible"], main["visible"]) == (runs["tagging"], False, True)


def test_a_label_comes_with_its_probabilities_from_both_models(workspace: Workspace, runs: dict[str, str]) -> None:
    base, tuned = trial.try_text(workspace, "en", runs["classification"], "good 3", "")
    assert '<p class="predicted">good</p>' in tuned
    assert "bars" in base


def test_names_are_marked_in_their_text_and_markup_is_text(workspace: Workspace, runs: dict[str, str]) -> None:
    tuned = trial.try_text(workspace, "en", runs["tagging"], "Ann <b>w3", "")[1]
    assert "Ann<sub>PER</sub></mark>" in tuned
    assert "<b>" not in tuned


def test_candidates_are_listed_with_scores(workspace: Workspace, runs: dict[str, str]) -> None:
    tuned = trial.try_text(workspace, "en", runs["ranking"], "cat 1", "dog 1\ncat 1")[1]
    assert tuned.count("<li>") == 2


def test_a_table_is_predicted_and_can_be_taken_home(workspace: Workspace, runs: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "new.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in [*LABELS[:2], {"text": ""}]), encoding="utf-8")
    table, download = trial.try_table(workspace, "en", runs["classification"], str(file))
    assert [row[1] for row in table["value"]["data"][:2]] == ["good", "bad"]
    lines = Path(download["value"]).read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 4


def test_both_models_are_judged_with_table_and_confusion(workspace: Workspace, runs: dict[str, str]) -> None:
    base, tuned, _, tuned_figure = trial.judge_run(workspace, "en", runs["classification"])
    assert "Macro F1" in base and "1.0000" in tuned
    assert tuned_figure["value"].data[0].type == "heatmap"
    tables = trial.judge_run(workspace, "zh", runs["tagging"])
    assert "PER" in tables[1] and "micro avg" in tables[1] and tables[3]["visible"] is False
    assert "B-PER" in tables[1].partition("<details>")[2]


def test_the_fields_are_named_after_what_the_run_reads(workspace: Workspace, runs: dict[str, str]) -> None:
    first, second = trial.fields_of(workspace, "en", runs["ranking"])
    assert (first["label"], second["visible"]) == (say("try.input.history", "en"), True)
    assert trial.fields_of(workspace, "en", runs["tagging"])[1]["visible"] is False
