"""The report's panel over plain values: begun once, found again after a reload, stopped, and mended by a click."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chatgui.config import ModelConfig
from chatgui.data.load import DataConfig
from chatgui.runs.workspace import Workspace
from chatgui.tasks.chat import Chat
from chatgui.ui.dataset import report as panel
from chatgui.ui.session import Selection, Teaching
from tests.ui.conftest import wait_until


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return Workspace(home)


@pytest.fixture
def selection(conversations: Path, tiny_model: Path, tmp_path: Path) -> Selection:
    text = conversations.read_text(encoding="utf-8")
    path = tmp_path / "doubled.jsonl"
    path.write_text(text + "".join(f"{line}\n" for line in text.splitlines()[:8]), encoding="utf-8")
    return Selection(
        DataConfig(source=str(path)), None, teaching=Teaching(ModelConfig(name=str(tiny_model)), Chat(), 120)
    )


def asked(selection: Selection, **more: Any) -> dict[str, Any]:
    return {"config": panel.query_of(selection), **more}


def finished(workspace: Workspace, selection: Selection, language: str = "en") -> dict[str, Any]:
    wait_until(lambda: panel.watch(workspace, language, asked(selection))["state"] != "running", 60)
    return panel.watch(workspace, language, asked(selection))


def test_the_report_comes_by_itself_and_tells_its_findings(workspace: Workspace, selection: Selection) -> None:
    assert panel.watch(workspace, "en", asked(selection))["state"] in ("running", "done")
    told = finished(workspace, selection)
    assert told["state"] == "done" and "8 rows repeat an earlier one" in told["html"]
    assert sum(sum(trace["y"]) for trace in told["figure"]["data"]) == 32
    json.dumps(told)


def test_a_new_server_finds_the_report_again(workspace: Workspace, selection: Selection, home: Path) -> None:
    before = finished(workspace, selection, "zh")
    again = panel.watch(Workspace(home), "zh", asked(selection))
    assert again == before and "与前面某行一字不差" in again["html"]


def test_the_rows_of_a_finding_stand_beside_what_they_repeat(workspace: Workspace, selection: Selection) -> None:
    finished(workspace, selection)
    first = panel.rows(workspace, "en", asked(selection, kind="duplicates"))
    assert (first["page"], first["pages"], first["note"]) == (1, 2, "1–6 of 8")
    assert first["html"].count("<article") == 12 and "<b>25</b>" in first["html"] and "<b>1</b>" in first["html"]
    assert panel.rows(workspace, "en", asked(selection, kind="duplicates", page=2))["html"].count("<article") == 4


def test_a_bar_leads_to_its_rows(workspace: Workspace, selection: Selection) -> None:
    bars = finished(workspace, selection)["figure"]["data"][0]
    start, stop = bars["customdata"][0]
    shown = panel.rows(workspace, "en", asked(selection, start=start, stop=stop))
    assert shown["html"].count("<article") == min(bars["y"][0], panel.ROWS_SHOWN)


def test_a_remedy_is_chosen_without_measuring_again(workspace: Workspace, selection: Selection) -> None:
    finished(workspace, selection)
    event: Any = SimpleNamespace(name="duplicates", choice="drop")
    mended = panel.on_remedy(event, selection)
    assert mended.data.remedies.duplicates == "drop" and mended.teaching == selection.teaching
    told = panel.watch(workspace, "en", asked(mended))
    assert told["state"] == "done" and "8 rows repeat" in told["html"]
    assert 'data-choice="drop" aria-pressed="true"' in told["html"]
    assert len(workspace.splits(mended.data).train) < len(workspace.splits(selection.data).train)


def test_a_stopped_report_says_so_and_can_begin_again(
    workspace: Workspace, selection: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatgui.measure.CHUNK_ROWS", 1)
    panel.stop(workspace, "en", asked(selection))
    told = finished(workspace, selection)
    assert told["state"] == "stopped" and "stopped" in told["text"] and "html" not in told
    assert panel.watch(workspace, "en", asked(selection, again=True))["state"] in ("running", "done")
    assert finished(workspace, selection)["state"] == "done"


def test_large_data_is_measured_by_a_process_of_its_own(
    workspace: Workspace, selection: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatgui.runs.reports.ALONE_ROWS", 0)
    told = finished(workspace, selection)
    assert told["state"] == "done" and "8 rows repeat" in told["html"]


def test_a_tokenizer_that_is_not_there_is_told(workspace: Workspace, selection: Selection) -> None:
    gone = Selection(selection.data, None, teaching=Teaching(ModelConfig(name="/no/such/model"), Chat(), None))
    told = finished(workspace, gone)
    assert told["state"] == "failed" and "/no/such/model" in told["text"]


def test_what_is_no_question_is_answered_by_a_sentence(workspace: Workspace) -> None:
    assert panel.watch(workspace, "en", {"config": '{"data": {"source": "/no/file.jsonl"}}'})["state"] == "failed"
    assert "no such file" in panel.rows(workspace, "en", {"config": '{"data": {"source": "/no/x.jsonl"}}'})["html"]
