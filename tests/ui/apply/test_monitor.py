from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from chatgui import server_monitor
from chatgui.errors import DataError
from chatgui.runs.stream import Stream
from chatgui.runs.workspace import Workspace
from chatgui.ui.apply import monitor
from tests.hook import listening

RULE = ("bad", 3, 14, "")


@pytest.fixture(autouse=True)
def empty(workspace: Workspace, classifier: str) -> None:
    stream = Stream(workspace.run(classifier))
    stream.clear()
    stream.set_rule(monitor._rule(*RULE))


def table(file: Path, days: range, surge: int) -> str:
    """Ten texts a day on one topic, a tenth of them bad; eight on the day of the surge."""
    rows = [
        f"{'bad' if number < (8 if day == surge else 1) else 'good'} {number % 6},2026-01-{day:02d},x"
        for day in days for number in range(10)
    ]  # fmt: skip
    file.write_text("\n".join(["text,time,topic", *rows]), encoding="utf-8")
    return str(file)


def test_an_upload_adds_to_the_stream_and_its_alert_is_in_the_log(
    workspace: Workspace, classifier: str, tmp_path: Path
) -> None:
    file = table(tmp_path / "stream.csv", range(1, 11), 9)
    _, figure, record = monitor.grow(workspace, "en", classifier, file, *RULE)
    assert figure["visible"] is True
    assert record.count("<li>") == 1 and "2026-01-09" in record
    assert len(Stream(workspace.run(classifier)).seen()) == 100
    monitor.grow(workspace, "en", classifier, file, *RULE)
    assert len(Stream(workspace.run(classifier)).seen()) == 200
    with pytest.raises(DataError, match="bad, good"):
        monitor.grow(workspace, "en", classifier, file, "negative", 3, 14, "")


def test_the_webhook_hears_of_each_alert_once(workspace: Workspace, classifier: str, tmp_path: Path) -> None:
    first, second = table(tmp_path / "a.csv", range(1, 11), 9), table(tmp_path / "b.csv", range(11, 21), 15)
    with listening() as (address, got):
        for file in (first, second):
            monitor.grow(workspace, "en", classifier, file, "bad", 3, 14, address)
    assert [alert["day"] for alert in got] == ["2026-01-09", "2026-01-15"]


def test_a_webhook_that_fails_is_told_and_the_stream_is_seen(
    workspace: Workspace, classifier: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(gr, "Warning", told.append)
    file = table(tmp_path / "a.csv", range(1, 11), 9)
    record = monitor.grow(workspace, "en", classifier, file, "bad", 3, 14, "http://127.0.0.1:9/x")[2]
    assert "2026-01-09" in record and "127.0.0.1:9" in told[0]


def test_what_the_endpoint_adds_is_seen_at_the_next_look(workspace: Workspace, classifier: str, tmp_path: Path) -> None:
    size = monitor.grow(workspace, "en", classifier, table(tmp_path / "a.csv", range(1, 11), 0), *RULE)[0]
    assert all("value" not in value for value in monitor.look(workspace, "en", classifier, size))
    rows = [{"text": "bad 1", "time": "2026-01-11", "topic": "x"}] * 8
    server_monitor.grow(workspace, server_monitor.StreamAsked(model=classifier, rows=rows))
    grown, _, record = monitor.look(workspace, "en", classifier, size)
    assert grown > size and "2026-01-11" in record


def test_another_rule_is_kept_and_draws_the_stream_anew(workspace: Workspace, classifier: str, tmp_path: Path) -> None:
    monitor.grow(workspace, "en", classifier, table(tmp_path / "a.csv", range(1, 11), 9), *RULE)
    assert "<li>" not in monitor.change_rule(workspace, "en", classifier, "bad", 10, 14, "")[2]
    assert monitor.rule_of(workspace, "en", classifier)[1:] == (10, 14, "")
    assert monitor.begin_anew(workspace, "en", classifier) == monitor.NOTHING
    assert monitor.look(workspace, "en", classifier, -1) == monitor.NOTHING


def test_the_watched_label_is_the_one_that_sounds_bad(workspace: Workspace, classifier: str) -> None:
    (workspace.run(classifier).folder / "watch.json").unlink()
    label, *rest = monitor.rule_of(workspace, "en", classifier)
    assert (label["choices"], label["value"], rest) == (["bad", "good"], "bad", [3.0, 14, ""])


def test_a_stream_without_a_run_is_refused(workspace: Workspace) -> None:
    calls: list[Any] = [
        lambda: monitor.grow(workspace, "en", None, "x", *RULE),
        lambda: monitor.grow(workspace, "en", "x", None, *RULE),
    ]
    for call in calls:
        with pytest.raises(DataError):
            call()
