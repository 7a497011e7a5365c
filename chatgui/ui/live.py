"""What moves by itself: the status line and the panel of a run, whose scripts ask a server function every second."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from chatgui import charts, devices
from chatgui.curves import AXES
from chatgui.errors import ChatGuiError, RunError
from chatgui.events import Step
from chatgui.hints import hints
from chatgui.runs import queue
from chatgui.runs.follow import Follower, Followers
from chatgui.runs.store import LIVE, Run, State, silent_seconds
from chatgui.runs.workspace import Workspace
from chatgui.text import duration, duration_range, say, stage_text
from chatgui.ui.moving import moving, named
from chatgui.ui.session import Selection, language_of

GIB = 2**30
MOST_BESIDE = 5
OTHERS_LISTED = 12
WISHES = {"epoch": "live.stops_after_epoch", "pause": "live.pausing"}
SILENT_SECONDS = 30
"""A worker gives a sign of life every few seconds, whatever it does; so long without one is worth a word."""
PANEL_TEXTS = (
    "live.stop", "live.keep", "live.discard", "live.after_epoch", "live.go_on", "live.stop_question", "live.compare",
    "live.empty", "live.gone", "live.resume", "live.pause", "live.withdraw", "live.queue",
)  # fmt: skip


def status_line(workspace: Workspace) -> gr.HTML:
    """Device and free memory, the live run, language, light or dark. Fires `open_run` when the run is clicked."""
    look = named("status", lambda query, request: status(workspace, language_of(request)))
    return moving("live-status", [look], "status.js")


def run_panel(workspace: Workspace) -> gr.HTML:
    """Progress, chart and buttons of the run that is its value, made by `shown`.

    Fires `open_chat`, `ended`, and `choose_step` when a point of the chart is clicked. To hear of that:
    `panel.choose_step(listener, inputs, outputs, **QUIET)` with `def listener(event: gr.EventData, …)`; `event.run` is
    the id of the point's run and `event.step` its optimizer step (0 for the look before the first one).
    """
    followers = Followers()
    asked = (stop, pause, withdraw, resume, move, remove)
    look = named("watch", lambda query, request: watch(workspace, language_of(request), query, followers))
    return moving("live-run", [look, *(_bound(function, workspace) for function in asked)], "run.js")


def shown(selection: Selection) -> str:
    """The value of the panel: the run, and those laid over it."""
    return " ".join([selection.run or "", *selection.beside])


def _bound(function: Callable[..., dict[str, Any]], workspace: Workspace) -> Callable[..., Any]:
    return named(function.__name__, lambda query, request: function(workspace, language_of(request), query))


def status(workspace: Workspace, language: str) -> dict[str, Any]:
    """What the status line shows."""
    device = devices.device()
    run = workspace.live_run()
    return {
        "device": say("status.device", language, name=device.name, free=f"{device.free_memory_bytes / GIB:.1f}"),
        "run": run.id if run else None,
        "text": _progress_text(run.state(), language) if run else say("status.idle", language),
        "theme": say("status.theme", language),
    }


def watch(workspace: Workspace, language: str, query: dict[str, Any], followers: Followers) -> dict[str, Any]:
    """What has changed in a run, for one view of it.

    `query`: `run`; `axis`, `lower` and `ends` of the view (`charts.view`); `beside`, the runs laid over it; `have`, the
    mark of what the page holds of each. A curve whose mark is still the same is not sent again, and one that is sent is
    sent whole but thin, so that neither the wire nor the browser feels how long a run is.
    """
    try:
        run = workspace.run(str(query.get("run") or ""))
        state = run.state()
    except RunError:
        texts = {key.partition(".")[2]: say(key, language) for key in PANEL_TEXTS}
        return {"run": None, "texts": texts, "gone": bool(query.get("run")), "queue": _queue(workspace, language)}
    follower = followers.of(run, state.total_steps)
    row: dict[str, Any] = {
        "run": run.id, "state": state.state, "state_text": say(f"state.{state.state}", language),
        "message": _message(run, state, language), "live": state.state in (*LIVE, "queued"),
        "stoppable": state.state in ("starting", "running", "queued") and run.stop_request() is None,
        "withdrawable": state.state == "running" and run.stop_request() == "epoch",
        "epochs_left": state.state == "running", "queue": _queue(workspace, language), "has_model": run.has_model,
        "resumable": state.state in ("interrupted", "paused")
        or (state.state in ("failed", "stopped") and bool(run.checkpoints())),
        "progress": state.step / state.total_steps if state.total_steps else 0.0,
        "progress_text": _progress_text(state, language) if state.state in LIVE else "",
        "facts": _facts(follower.last_step, language),
        "notices": [say(event.key, language, **event.values) for event in follower.notices],
        "hints": [
            say(key, language, **values)
            for key, values in hints(follower.curves, state.total_steps, state.state == "finished")
        ],
        "metrics": charts.metric_names(follower.curves, language),
        "curves": _curves(workspace, follower, query, followers),
    }  # fmt: skip
    if not (query.get("have") or {}).get(run.id):  # the page shows this run for the first time
        texts = {key.partition(".")[2]: say(key, language) for key in PANEL_TEXTS}
        row |= {
            "title": _title(run),
            "frame": charts.frame(language),
            "others": _others(workspace, run),
            "texts": texts,
        }
    return row


def _curves(
    workspace: Workspace, follower: Follower, query: dict[str, Any], followers: Followers
) -> dict[str, dict[str, Any]]:
    """The lines of the chosen run and of those laid over it, where the page does not have them yet."""
    axis = query["axis"] if query.get("axis") in AXES else AXES[0]
    lower = query["lower"] if query.get("lower") in (*charts.LOWER, *follower.curves.metrics) else charts.LOWER[0]
    ends = [float(end) for end in query.get("ends") or ()] or None
    have = query.get("have") or {}
    found: dict[str, dict[str, Any]] = {}
    for name in [follower.run.id, *list(query.get("beside") or ())[:MOST_BESIDE]]:
        try:
            beside = name != follower.run.id
            one = followers.of(run := workspace.run(name), run.state().total_steps) if beside else follower
        except RunError:  # deleted since the page listed it
            continue
        mark = f"{one.version} {axis} {lower} {ends}"
        if have.get(name) != mark:
            lines = charts.view(one.curves, axis=axis, lower=lower, ends=ends, beside=beside)
            found[name] = {"mark": mark, "title": _title(one.run), "lines": lines}
    return found


def _others(workspace: Workspace, chosen: Run) -> list[dict[str, str]]:
    """The newest other runs that have a curve to lay over."""
    runs = [run for run in workspace.runs() if run.id != chosen.id and (run.folder / "events.jsonl").exists()]
    return [{"run": run.id, "title": f"{_title(run)} · {run.id[4:6]}-{run.id[6:8]} {run.id[9:11]}:{run.id[11:13]}"}
            for run in runs[:OTHERS_LISTED]]  # fmt: skip


def stop(workspace: Workspace, language: str, query: dict[str, Any]) -> dict[str, Any]:
    """Ask a run to stop now or after its epoch, keeping or discarding what it learnt."""
    wishes = {"discard": bool(query.get("discard")), "after_epoch": bool(query.get("after_epoch"))}
    return _told(language, lambda: _run(workspace, query).request_stop(**wishes))


def pause(workspace: Workspace, language: str, query: dict[str, Any]) -> dict[str, Any]:
    """Ask a run to write a checkpoint and to leave."""
    return _told(language, lambda: _run(workspace, query).request_pause())


def withdraw(workspace: Workspace, language: str, query: dict[str, Any]) -> dict[str, Any]:
    """Take a wish to stop back."""
    return _told(language, lambda: _run(workspace, query).withdraw_stop())


def resume(workspace: Workspace, language: str, query: dict[str, Any]) -> dict[str, Any]:
    """Queue an ended run again from its last checkpoint."""
    return _told(language, lambda: workspace.resume_run(_run(workspace, query)))


def move(workspace: Workspace, language: str, query: dict[str, Any]) -> dict[str, Any]:
    """Move a waiting run by `query["by"]` places: -1 is sooner."""
    return _told(language, lambda: queue.move(workspace.home, _run(workspace, query), int(query["by"])))


def remove(workspace: Workspace, language: str, query: dict[str, Any]) -> dict[str, Any]:
    """Take a waiting run out of the queue."""

    def take_out() -> None:
        run = _run(workspace, query)
        if run.state().state != "queued":  # it began meanwhile: to stop it is another question
            raise RunError("run.not_queued", run=run.id, state=run.state().state)
        run.request_stop()

    return _told(language, take_out)


def _run(workspace: Workspace, query: dict[str, Any]) -> Run:
    return workspace.run(str(query.get("run")))


def _told(language: str, action: Callable[[], object]) -> dict[str, Any]:
    """`error` holds a sentence when the action cannot be done."""
    try:
        action()
    except ChatGuiError as error:
        return {"error": error.text(language)}
    return {"error": None}


def _queue(workspace: Workspace, language: str) -> list[dict[str, str]]:
    """The waiting runs in their order, with what their buttons do."""
    rows = []
    for run in queue.queued_runs(workspace.home):
        title = _title(run)
        buttons = {name: say(f"live.{name}", language, run=title) for name in ("sooner", "later", "remove")}
        rows.append({"run": run.id, "title": title, **buttons})
    return rows


def _message(run: Run, state: State, language: str) -> str:
    if state.state == "queued":
        return say("live.queued", language)
    if (silent := silent_seconds(state)) > SILENT_SECONDS:
        return say("live.silent", language, time=duration(silent, language))
    wish = run.stop_request() if state.state in LIVE else None
    if wish in WISHES:
        return say(WISHES[wish], language)
    if state.state in LIVE:
        return stage_text(state.stage, state.stage_done, state.stage_total, language)
    return say(state.message["key"], language, **state.message.get("values", {})) if state.message else ""


def _title(run: Run) -> str:
    try:
        config = run.config
    except ChatGuiError:  # an unreadable config must not hide the curve
        return run.id
    return f"{Path(config.data.source).name} · {Path(config.model.name).name} · {config.adapter.kind}"


def _facts(last: Step | None, language: str) -> list[dict[str, str]]:
    """The newest numbers as label and value."""
    if last is None:
        return []
    facts = [
        ("live.loss", f"{last.loss:.3f}"),
        ("live.speed", say("live.tokens_per_second", language, speed=f"{last.tokens / max(last.seconds, 1e-9):,.0f}")),
        ("live.epoch", f"{last.epoch:.2f}"),
        ("live.elapsed", duration(last.seconds, language)),
    ]
    return [{"label": say(key, language), "value": value} for key, value in facts]


def _progress_text(state: State, language: str) -> str:
    if not state.total_steps or state.state == "starting":
        busy = stage_text(state.stage, state.stage_done, state.stage_total, language)
        return busy or say(f"state.{state.state}", language)
    if state.seconds_left is None:
        return say("live.progress", language, step=state.step, total=state.total_steps)
    low, high = state.seconds_left
    left = duration_range(low, high, language)
    return say("live.progress_left", language, step=state.step, total=state.total_steps, left=left)
