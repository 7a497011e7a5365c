"""Train: the form on the left, the ready card under it, the run on the right."""

import html
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from chatgui import devices
from chatgui.config import RunConfig
from chatgui.data.split import Splits, split
from chatgui.devices import is_zero_gpu
from chatgui.errors import ChatGuiError, ConfigError, DataError
from chatgui.fields import Knob, build_flat, flatten
from chatgui.models import locate
from chatgui.runs.foresee import read_forecast
from chatgui.runs.store import summary
from chatgui.runs.workspace import Workspace
from chatgui.text import say
from chatgui.training.forecast import beside_fact, sentence
from chatgui.training.loop import total_steps
from chatgui.ui import live
from chatgui.ui.form import Form
from chatgui.ui.probe_panel import place, probe_panel
from chatgui.ui.session import QUIET, Selection, Session, Teaching, bind, label

TITLE = "tab.train"


def build(session: Session) -> None:
    """The whole tab."""
    workspace = session.workspace
    with gr.Row(equal_height=False, elem_id="train-row"):
        with gr.Column(scale=2, min_width=340):
            form, advanced, reset = _draw_form()
            card = gr.HTML(elem_id="ready")
            with gr.Column(elem_id="launch"):
                needs = gr.HTML(elem_id="forecast")
                with gr.Row(elem_id="start-row"):
                    foresee = gr.Button(label("train.forecast"), size="lg", elem_id="foresee", scale=1, min_width=120)
                    start = gr.Button(label("train.start"), variant="primary", size="lg", elem_id="start", scale=2)
        with gr.Column(scale=3, min_width=340):
            panel = live.run_panel(workspace)
            probes = probe_panel(workspace)

    named: dict[str, Any] = {"selection": session.selection, **form.components}
    refresh, outputs = bind(ready, workspace, form), [card, start, advanced, reset]
    changes = [component.change for component in form.components.values()]  # type: ignore[attr-defined]
    gr.on(
        [*changes, session.selection.change], refresh, inputs_kwargs=named, outputs=outputs,
        trigger_mode="always_last", **QUIET,
    )  # fmt: skip
    gr.on(changes, None, None, needs, js="() => ''", **QUIET)  # a forecast of other settings
    reset.click(form.defaults, None, list(form.components.values()), **QUIET)
    foresee.click(
        bind(tell_needs, workspace, form), inputs_kwargs=named, outputs=needs, validator=form.validate,
        concurrency_limit=1, **QUIET,
    )  # fmt: skip
    for happens in (panel.ended, session.selection.change):
        happens(bind(tell_fact, workspace), session.selection, needs, **QUIET)
    deciding = [
        component.change  # type: ignore[attr-defined]
        for name, component in form.components.items()
        if name.startswith(("model.", "task.")) or name == "training.max_length_tokens"
    ]
    gr.on(
        deciding, bind(say_what_teaches, form), inputs_kwargs=named, outputs=session.selection,
        trigger_mode="always_last", **QUIET,
    )  # fmt: skip
    start.click(
        bind(start_run, workspace, form), inputs_kwargs=named, outputs=session.selection, validator=form.validate,
        api_name="start_run",
    )  # fmt: skip
    wished, taken = gr.State(()), gr.State(())
    session.selection.change(lambda selection: selection.wish, session.selection, wished, **QUIET)
    wished.change(bind(take_wish, form), [session.selection, taken], [taken, *form.components.values()], **QUIET)
    session.selection.change(live.shown, session.selection, panel, **QUIET)
    panel.ended(bind(load_ahead, workspace), session.selection, None, **QUIET)
    session.selection.change(lambda selection: place(selection.run or ""), session.selection, probes, **QUIET)
    panel.choose_step(_step_of, None, probes, **QUIET)
    panel.ended(refresh, inputs_kwargs=named, outputs=outputs, **QUIET)
    panel.open_chat(bind(place_of, workspace), session.selection, session.tabs, **QUIET)
    _scripts(workspace)


def _scripts(workspace: Workspace) -> None:
    """The endpoints of this tab that have no component."""

    def run_status(run: str) -> dict[str, Any]:
        return status_row(workspace, run)

    def stop_run(run: str, discard: bool) -> dict[str, Any]:
        return stop_row(workspace, run, discard)

    gr.api(run_status, api_name="run_status")
    gr.api(stop_run, api_name="stop_run")


def _draw_form() -> tuple[Form, gr.Accordion, gr.Button]:
    """The form, its Advanced part and the button in it that takes everything back."""
    form = Form(suggestions={"model.name": ["starter"]})
    with gr.Group():
        form.draw(lambda knob: knob.simple)
    with gr.Accordion(label("train.advanced"), open=False, elem_id="advanced") as advanced:
        reset = gr.Button(label("train.reset"), size="sm", elem_id="reset", visible=False)
        form.draw_sections(lambda knob: not knob.simple)
    form.wire()
    return form, advanced, reset


def _step_of(event: gr.EventData) -> str:
    """The answers beside the point of the chart that was clicked."""
    return place(str(event.run), int(event.step))


def take_wish(form: Form, language: str, selection: Selection, taken: tuple[Any, ...]) -> Any:
    """The form's values when another tab has proposed some: those, and the defaults for the rest."""
    if selection.wish in ((), taken):
        return taken, *[gr.skip()] * len(form.components)
    wish = dict(selection.wish)
    return selection.wish, *[gr.update(value=wish.get(name, knob.default)) for name, knob in _drawn(form)]


def _drawn(form: Form) -> list[tuple[str, Knob]]:
    return [(name, form.knobs[name]) for name in form.components]


def ready(
    workspace: Workspace, form: Form, language: str, selection: Selection, **values: Any
) -> tuple[str, Any, Any, Any]:
    """The ready card, Start with its reason when something is missing, Advanced with its count, and its way back."""
    try:
        config = _config(form, selection, values)
        splits = split(workspace.dataset(config.data).rows, config.data)
        locate(config.model.name)
        if not any(isinstance(row.item, config.task.ACCEPTS) for row in splits.train):
            raise DataError("task.needs_conversations")
    except ChatGuiError as error:
        rows = [(say("ready.missing", language), error.text(language))]
        told_by_field = isinstance(error, ConfigError)  # a press on Start says it under the field itself
        blocked = gr.update(value=say("train.start_blocked", language), interactive=told_by_field)
        return _card(rows, missing=True), blocked, gr.skip(), gr.update(visible=True)
    live_run = workspace.live_run()
    text = say("train.start_queue" if live_run else "train.start", language)
    changed = len([knob for knob in form.changed(config) if not knob.simple])
    title = say("train.advanced_changed", language, count=changed) if changed else say("train.advanced", language)
    return (
        _card(_ready_rows(form, config, splits, language)), gr.update(value=text, interactive=True),
        gr.update(label=title), gr.update(visible=bool(form.changed(config))),
    )  # fmt: skip


def _ready_rows(form: Form, config: RunConfig, splits: Splits, language: str) -> list[tuple[str, str]]:
    steps = total_steps(len(splits.train), config.training)
    counts = {name: len(splits.named(name)) for name in ("train", "validation", "test")}
    changed = [knob.label(language) for knob in form.changed(config)]
    device = devices.device()
    return [
        (say("ready.model", language), _model_name(config.model.name)),
        (say("ready.data", language), say("ready.data_counts", language, name=Path(config.data.source).name, **counts)),
        (say("ready.method", language), say(f"ready.{config.adapter.kind}", language, **dict(config.adapter))),
        (say("ready.steps", language), say("ready.steps_of", language, steps=steps, batch=config.training.batch_size)),
        (say("ready.device", language), device.name),
        (say("ready.changed", language), ", ".join(changed) if changed else say("ready.defaults", language)),
    ]


def _model_name(name: str) -> str:
    """Last part of a path; the result of a run goes by the run's name."""
    path = Path(name)
    return path.parent.name if path.name == "model" and path.parent.name else path.name or name


def _card(rows: list[tuple[str, str]], missing: bool = False) -> str:
    cells = "".join(f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>" for name, value in rows)
    return f'<dl class="ready{" missing" if missing else ""}">{cells}</dl>'


def say_what_teaches(form: Form, language: str, selection: Selection, **values: Any) -> Selection:
    """The selection with the form's choice of what is learnt; as it was while a value is not allowed."""
    try:
        config = _config(form, selection, values)
    except ConfigError:
        return selection
    return replace(selection, teaching=Teaching(config.model, config.task, config.training.max_length_tokens))


def start_run(workspace: Workspace, form: Form, language: str, selection: Selection, **values: Any) -> Selection:
    """Queue a run of what the form and the selection say; say so when another one is before it."""
    config = _config(form, selection, values)
    workspace.dataset(config.data)  # a source that has vanished is told now, not in the worker
    before = workspace.live_run()
    run = workspace.start_run(config)
    if before:
        gr.Info(say("train.queued_behind", language, run=before.id), title="ChatGUI")
    return replace(selection, run=run.id)


def place_of(workspace: Workspace, language: str, selection: Selection) -> Any:
    """The tab in which the run's result shows what it learnt: Chat, or Try for one that does not reply."""
    predicts = selection.run is not None and workspace.run(selection.run).config.task.PREDICTS
    return gr.Tabs(selected="trial" if predicts else "chat")


def tell_needs(workspace: Workspace, form: Form, language: str, selection: Selection, **values: Any) -> Iterator[str]:
    """What a run of these settings would need, from real steps in a worker process."""
    config = _config(form, selection, values)
    yield _lines([say("forecast.measuring", language)])
    try:
        made = workspace.foresee(config)
    except ChatGuiError as error:
        yield _lines([error.text(language)], missing=True)
        return
    lines = [sentence(made, language), *(say(a["key"], language, **a["values"]) for a in made.advice)]
    yield _lines(lines, missing=not made.fits)


def tell_fact(workspace: Workspace, language: str, selection: Selection) -> str:
    """Forecast and fact of the chosen run, once it has ended; nothing for a run without a forecast."""
    try:
        run = workspace.run(selection.run or "")
        result = run.state().result
        line = beside_fact(read_forecast(run.folder), result, language) if result else ""
    except ChatGuiError:
        return ""
    return _lines([line]) if line else ""


def _lines(lines: list[str], missing: bool = False) -> str:
    text = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    return f'<div class="forecast{" missing" if missing else ""}">{text}</div>'


def load_ahead(workspace: Workspace, language: str, selection: Selection) -> None:
    """A run has just ended: whoever watched it is about to chat with it."""
    if selection.run and not is_zero_gpu():  # there the models are loaded where the GPU is
        workspace.prefetch(workspace.run(selection.run))


def status_row(workspace: Workspace, run: str) -> dict[str, Any]:
    """State and numbers of a run, for scripts."""
    found = workspace.run(run)
    state = found.state()
    return {**summary(found), "message": state.message, **state.result}


def stop_row(workspace: Workspace, run: str, discard: bool = False) -> dict[str, Any]:
    """Ask a run to stop, for scripts."""
    workspace.run(run).request_stop(discard=discard)
    return {"run": run, "state": workspace.run(run).state().state}


def _config(form: Form, selection: Selection, values: dict[str, Any]) -> RunConfig:
    data = {name: value for name, value in flatten(selection.data, "data.").items()}
    return build_flat(RunConfig, {**form.values(values), **data})
