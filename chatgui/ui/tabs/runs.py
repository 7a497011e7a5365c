"""Runs: all of them in a table, what differs between some, notes on them, and their ways out."""

import html
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from chatgui.config import RunConfig
from chatgui.errors import ChatGuiError, ModelError, RunError
from chatgui.export.archive import zip_folder
from chatgui.export.options import ExportConfig, FusionConfig
from chatgui.fields import build as build_config
from chatgui.fields import flatten, knobs
from chatgui.runs import bundle, queue
from chatgui.runs.export import export_run, push_run
from chatgui.runs.fusion import Part, can_fuse, fuse
from chatgui.runs.notes import Notes, read_notes, write_notes
from chatgui.runs.store import Run
from chatgui.runs.table import Line, differences, lines
from chatgui.runs.workspace import Workspace
from chatgui.text import say
from chatgui.ui import space
from chatgui.ui.form import components
from chatgui.ui.moving import moving, named
from chatgui.ui.run_names import run_name
from chatgui.ui.search_panel import search_panel
from chatgui.ui.session import QUIET, Selection, Session, bind, label, language_of

TITLE = "tab.runs"
COLUMNS = ("runs.run", "runs.state", "runs.curve", "runs.loss", "runs.steps", "runs.size", "runs.created")
MEGABYTE = 1e6
Chosen = tuple[str, ...]


def build(session: Session) -> None:
    """The whole tab."""
    workspace, chosen = session.workspace, gr.State(())
    panel = _table(workspace)
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=340):
            facts = gr.HTML(elem_id="run-facts")
            with gr.Row():
                tags = gr.Textbox(label=label("runs.tags"), info=label("runs.tags.help"), elem_id="run-tags")
                note = gr.Textbox(label=label("runs.note"), elem_id="run-note", lines=1)
        with gr.Column(scale=2, min_width=340):
            with gr.Row():
                opened = gr.Button(label("runs.open"), size="sm", elem_id="run-open")
                copied = gr.Button(label("runs.copy_settings"), size="sm", elem_id="run-copy")
            with gr.Row():
                deleted = gr.Button(label("runs.delete"), size="sm", variant="stop", elem_id="run-delete")
                undone = gr.Button(label("runs.undo"), size="sm", elem_id="run-undo")
                thinned = gr.Button(label("runs.thin"), size="sm", elem_id="run-thin")
            with gr.Accordion(label("runs.export"), open=False, elem_id="run-export"):
                form = components(ExportConfig, "export.")
                exported = gr.Button(label("runs.export"), variant="primary", elem_id="run-export-start")
                said = gr.Markdown()
                file = gr.File(label=label("runs.file"), interactive=False, visible=False, elem_id="run-export-file")
                hub = _hub_form()
            with gr.Accordion(label("fusion.title"), open=False, elem_id="run-fusion"):
                gr.Markdown(label("fusion.how"), elem_classes="hint")
                fusion = components(FusionConfig, "fusion.")
                _fusion_parts(workspace, chosen, fusion)
            with gr.Accordion(label("runs.carry"), open=False, elem_id="run-carry"):
                packed = gr.Button(label("runs.pack"), size="sm", elem_id="run-pack")
                taken = gr.UploadButton(label("runs.unpack"), size="sm", file_types=[".zip"], elem_id="run-unpack")
                carried = gr.File(label=label("runs.file"), interactive=False, visible=False)
    search_panel(session, chosen)

    panel.choose(_chosen, None, chosen, **QUIET)
    shown = [facts, tags, note, opened, copied, deleted, exported, hub.pushed, packed, thinned]
    gr.on([chosen.change, session.page.load], bind(show, workspace), chosen, shown, **QUIET)
    for box in (tags, note):
        gr.on([box.submit, box.blur], bind(keep_notes, workspace), [chosen, tags, note], None, **QUIET)
    leading = ([chosen, session.selection], [session.selection, session.tabs])
    opened.click(bind(open_run, workspace), *leading, **QUIET)
    copied.click(bind(copy_settings, workspace), *leading, **QUIET)
    deleted.click(bind(throw_away, workspace), chosen, chosen, **QUIET)
    undone.click(bind(bring_back, workspace), None, chosen, **QUIET)
    exported.click(
        bind(export, workspace), inputs_kwargs={"chosen": chosen, **form}, outputs=[said, file],
        api_visibility="private",
    )  # fmt: skip
    hub.pushed.click(
        space.signed_in(bind(push, workspace)),
        inputs_kwargs={"chosen": chosen, "name": hub.name, "token": hub.token, "public": hub.public,
                       "update": hub.update, **form},
        outputs=[said, hub.token], api_visibility="private",
    )  # fmt: skip
    thinned.click(bind(thin, workspace), chosen, None, **QUIET)
    packed.click(bind(pack, workspace), chosen, carried, api_visibility="private")
    taken.upload(bind(unpack, workspace), taken, chosen, api_visibility="private")


class _Hub(NamedTuple):
    """Where an upload goes and whose it is."""

    name: gr.Textbox
    token: gr.Textbox
    public: gr.Checkbox
    update: gr.Checkbox
    pushed: gr.Button


def _hub_form() -> _Hub:
    gr.Markdown(label("hub.title"), elem_classes="section")
    if space.can_sign_in():
        space.sign_in_button()
    return _Hub(
        gr.Textbox(label=label("hub.name"), info=label("hub.name.help"), elem_id="hub-name"),
        gr.Textbox(label=label("hub.token"), info=label("hub.token.help"), type="password", elem_id="hub-token"),
        gr.Checkbox(label=label("hub.public"), elem_id="hub-public"),
        gr.Checkbox(label=label("hub.update"), elem_id="hub-update"),
        gr.Button(label("hub.push"), size="sm", elem_id="hub-push"),
    )


def _fusion_parts(workspace: Workspace, chosen: gr.State, fusion: dict[str, Any]) -> None:
    """A weight for each of the chosen runs."""

    @gr.render(inputs=chosen, show_progress="hidden")
    def parts(runs: Chosen, request: gr.Request) -> None:
        language = language_of(request)
        found = [run for run in _runs(workspace, runs) if can_fuse(run)]
        if not found:
            gr.Markdown(say("fusion.choose", language), elem_classes="hint")
            return
        weights = {
            f"weight:{run.id}": gr.Number(round(1 / len(found), 3), label=run_name(run, language), step=0.1, key=run.id)
            for run in found
        }
        fused = gr.Button(say("fusion.start", language), variant="primary", elem_id="run-fusion-start")
        fused.click(
            bind(combine, workspace), inputs_kwargs={**weights, **fusion}, outputs=chosen, api_visibility="private"
        )


def _table(workspace: Workspace) -> gr.HTML:
    def words(query: dict[str, Any]) -> str:
        return str(query.get("words") or "")

    answers = [
        named("table", lambda query, request: table_rows(workspace, language_of(request), words(query))),
        named("move", lambda query, request: move_run(workspace, language_of(request), query)),
        named("rules", lambda query, request: keep_rules(workspace, language_of(request), query)),
    ]
    return moving("runs", answers, "runs.js", elem_id="runs-table")


def _chosen(event: gr.EventData) -> Chosen:
    return tuple(str(run) for run in event.runs)


def table_rows(workspace: Workspace, language: str, words: str) -> dict[str, Any]:
    """What the script draws: texts, and a row for each run that holds all words."""
    texts = {
        "columns": [say(column, language) for column in COLUMNS], "find": say("runs.find", language),
        "choose": say("runs.choose", language), "nothing": say("runs.none_found" if words else "runs.none", language),
    }  # fmt: skip
    rules = queue.read_rules(workspace.home)
    return {
        "texts": texts, "rows": [_row(workspace, line, language) for line in lines(workspace.home, words)],
        "rules": [
            {"name": name, "on": getattr(rules, name), "text": say(f"queue.{name}", language)}
            for name in ("paused", "continue_on_error")
        ],
    }  # fmt: skip


def move_run(workspace: Workspace, language: str, query: Mapping[str, Any]) -> dict[str, Any]:
    """A waiting run sooner or later; it may have begun meanwhile, which the table then shows."""
    try:
        queue.move(workspace.home, workspace.run(str(query.get("run"))), -1 if query.get("by") == -1 else 1)
    except ChatGuiError as error:
        return {"error": error.text(language)}
    return {}


def keep_rules(workspace: Workspace, language: str, query: Mapping[str, Any]) -> dict[str, Any]:
    """How the queue goes on, from the boxes that were ticked."""
    known = {name: bool(query[name]) for name in ("paused", "continue_on_error") if name in query}
    try:
        queue.write_rules(workspace.home, replace(queue.read_rules(workspace.home), **known))
    except ChatGuiError as error:
        return {"error": error.text(language)}
    workspace.training.wake()
    return {}


def _row(workspace: Workspace, line: Line, language: str) -> dict[str, Any]:
    loss = "–" if line.validation_loss is None else f"{line.validation_loss:.3f}"
    cells = [
        loss, f"{line.steps:,} / {line.total_steps:,}" if line.total_steps else "–",
        say("runs.megabytes", language, size=f"{line.bytes / MEGABYTE:,.1f}"),
        time.strftime("%Y-%m-%d %H:%M", time.localtime(line.created)),
    ]  # fmt: skip
    return {
        "run": line.run, "name": _name(workspace, line, language), "state": line.state,
        "state_text": say(f"state.{line.state}", language), "losses": line.losses,
        "curve": say("runs.curve", language), "cells": cells, "tags": line.tags, "note": line.note,
        "moves": {name: say(f"live.{name}", language, run=line.run) for name in ("sooner", "later")}
        if line.state == "queued" else {},
    }  # fmt: skip


def _name(workspace: Workspace, line: Line, language: str) -> str:
    name, _, _ = run_name(workspace.run(line.run), language).rpartition(" · ")
    return name


def _runs(workspace: Workspace, chosen: Chosen) -> list[Run]:
    """The chosen runs that are still there."""
    known = {run.id: run for run in workspace.runs()}
    return [known[name] for name in chosen if name in known]


def show(workspace: Workspace, language: str, chosen: Chosen) -> list[Any]:
    """Facts or differences of the chosen runs, the notes of a single one, and which buttons can be pressed."""
    runs = _runs(workspace, chosen)
    one = runs[0] if len(runs) == 1 else None
    notes = read_notes(one) if one else Notes()
    ready = bool(one and one.has_model)
    return [
        facts_html(runs, language), gr.update(value=", ".join(notes.tags), interactive=bool(one)),
        gr.update(value=notes.note, interactive=bool(one)), gr.update(interactive=bool(runs)),
        gr.update(interactive=bool(one)), gr.update(interactive=bool(runs)), gr.update(interactive=ready),
        gr.update(interactive=ready), gr.update(interactive=bool(one)), gr.update(interactive=bool(runs)),
    ]  # fmt: skip


def facts_html(runs: list[Run], language: str) -> str:
    """One run: what differs from the defaults. Several: what differs between them."""
    if not runs:
        return f'<p class="hint">{html.escape(say("runs.choose_hint", language))}</p>'
    configs = [run.config for run in runs]
    found = differences([RunConfig(), *configs] if len(runs) == 1 else configs)
    if not found:
        return f'<p class="hint">{html.escape(say("runs.no_difference", language))}</p>'
    names = {knob.name: knob.label(language) for knob in knobs(RunConfig)}
    heads = [run_name(run, language) for run in runs]
    heads = [say("runs.default", language), *heads] if len(runs) == 1 else heads
    head = "".join(f"<th>{html.escape(text)}</th>" for text in (say("runs.field", language), *heads))
    cells = [(names.get(name, name), *map(_shown, values)) for name, values in found.items()]
    rows = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>" for line in cells)
    return f'<table class="differences"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _shown(value: Any) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def keep_notes(workspace: Workspace, language: str, chosen: Chosen, tags: str, note: str) -> None:
    """Write tags (between commas) and note on the chosen run."""
    runs = _runs(workspace, chosen)
    if len(runs) == 1:
        write_notes(runs[0], Notes(tuple(tags.replace("，", ",").split(",")), note))


def open_run(workspace: Workspace, language: str, chosen: Chosen, selection: Selection) -> tuple[Selection, Any]:
    """Show the curve of the first of them in the Train tab, with the others' laid over it."""
    runs = _runs(workspace, chosen)
    if not runs:
        return selection, gr.skip()
    first, *others = (run.id for run in runs)
    return replace(selection, run=first, beside=tuple(others)), gr.Tabs(selected="train")


def copy_settings(workspace: Workspace, language: str, chosen: Chosen, selection: Selection) -> tuple[Selection, Any]:
    """The run's settings and data into the Train form."""
    runs = _runs(workspace, chosen)
    if not runs:
        return selection, gr.skip()
    config = runs[0].config
    wish = {name: value for name, value in flatten(config).items() if not name.startswith("data.")}
    return replace(selection, data=config.data, wish=tuple(wish.items())), gr.Tabs(selected="train")


def throw_away(workspace: Workspace, language: str, chosen: Chosen) -> Chosen:
    """Into the waste basket, from which the next button takes them."""
    for run in _runs(workspace, chosen):
        bundle.throw_away(run)
    bundle.empty_basket(workspace.home)
    gr.Info(say("runs.deleted", language, days=bundle.BASKET_DAYS), title="ChatGUI")
    return ()


def bring_back(workspace: Workspace, language: str) -> Chosen:
    """The run that was thrown away last."""
    waiting = bundle.thrown_away(workspace.home)
    if not waiting:
        gr.Info(say("runs.basket_empty", language), title="ChatGUI")
        return ()
    return (bundle.restore(workspace.home, waiting[0]).id,)


def export(workspace: Workspace, language: str, chosen: Chosen, **values: Any) -> Iterator[tuple[str, Any]]:
    """Write the result in the chosen format and hand it out as one zip file."""
    run = _only(workspace, chosen)
    given = {name.removeprefix("export."): value for name, value in values.items()}
    options = build_config(ExportConfig, given)
    yield say("export.merging" if options.format != "adapter" else "export.copying", language), gr.update()
    with tempfile.TemporaryDirectory(prefix="chatgui-export-") as folder:  # until Gradio has copied the file
        told = export_run(run, options, Path(folder) / run.id)
        file = Path(folder) / f"{run.id}-{options.format}.zip"
        for share in zip_folder(Path(folder) / run.id, file):
            yield say("runs.zipping", language, percent=round(100 * share)), gr.update()
        sentence = say("runs.exported", language, megabytes=f"{told['bytes'] / MEGABYTE:.1f}")
        if "largest_logit_difference" in told:
            sentence += " " + say("export.difference", language, difference=f"{told['largest_logit_difference']:.2g}")
        yield sentence, gr.update(value=str(file), visible=True)


def push(
    workspace: Workspace, language: str, chosen: Chosen, name: str, token: str, public: bool, update: bool,
    account: str = "", **values: Any,
) -> Iterator[tuple[str, str]]:  # fmt: skip
    """Upload the result to the hub, with the token of the account that has signed in if none is given.

    The one from the page is asked for each time and cleared from it once it was used.
    """
    run = _only(workspace, chosen)
    rights = token.strip() or account
    if not rights:  # the server's own token is not the visitor's
        raise ModelError("hub.no_token")
    options = build_config(ExportConfig, {key.removeprefix("export."): value for key, value in values.items()})
    yield say("hub.uploading", language), token
    told = push_run(run, options, name.strip() or run.id, rights, private=not public, update=update)
    yield say("hub.done", language, path=told["path"]), ""


def combine(workspace: Workspace, language: str, **values: Any) -> Chosen:
    """A run with the combined adapter of the runs whose weights are given."""
    parts = [
        Part(workspace.run(name.removeprefix("weight:")), float(value or 0))
        for name, value in values.items() if name.startswith("weight:")
    ]  # fmt: skip
    options = {name.removeprefix("fusion."): value for name, value in values.items() if name.startswith("fusion.")}
    run = fuse(
        workspace.home, parts, build_config(FusionConfig, {k: None if v == "" else v for k, v in options.items()})
    )
    gr.Info(say("fusion.made", language, run=run_name(run, language)), title="ChatGUI")
    return (run.id,)


def thin(workspace: Workspace, language: str, chosen: Chosen) -> None:
    """Remove the checkpoints of ended runs; their results stay."""
    freed = sum(bundle.thin(run) for run in _runs(workspace, chosen))
    gr.Info(say("runs.thinned", language, megabytes=f"{freed / MEGABYTE:,.1f}"), title="ChatGUI")


def pack(workspace: Workspace, language: str, chosen: Chosen) -> Iterator[dict[str, Any]]:
    """The run as one file."""
    run = _only(workspace, chosen)
    with tempfile.TemporaryDirectory(prefix="chatgui-pack-") as folder:  # until Gradio has copied it
        yield gr.update(value=str(bundle.pack(run, Path(folder) / f"{run.id}.zip")), visible=True)


def unpack(workspace: Workspace, language: str, file: str) -> Chosen:
    """A packed run as a run of this home."""
    return (bundle.unpack(workspace.home, Path(file)).id,)


def _only(workspace: Workspace, chosen: Chosen) -> Run:
    runs = _runs(workspace, chosen)
    if len(runs) != 1:
        raise RunError("runs.choose_one", found=len(runs))
    return runs[0]
