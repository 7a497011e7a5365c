"""The report's panel: progress, lengths, findings with their rows and remedies. Its script is `assets/report.js`.

The measuring belongs to the workspace: a reload, a second browser or a closed one changes nothing for it.
"""

import json
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr
import numpy as np

from chatgui.charts import length_figure
from chatgui.config import RunConfig
from chatgui.data.quality.duplicates import Places
from chatgui.errors import ChatGuiError
from chatgui.fields import build
from chatgui.report import REMEDY_OF, Finding, Report, histogram, remedy
from chatgui.runs.reports import Job
from chatgui.runs.workspace import Workspace
from chatgui.text import duration, say
from chatgui.ui import conversation_view as view
from chatgui.ui.item_view import shown
from chatgui.ui.moving import moving, named
from chatgui.ui.session import Selection, language_of

ROWS_SHOWN = 6
BUTTONS = ("stop", "again", "show", "hide", "previous", "next")


def report_panel(workspace: Workspace) -> gr.HTML:
    """Fires `remedy` (its `name` and `choice`) when the remedy of a finding is chosen."""
    functions = {"report": watch, "rows": rows, "stop_report": stop}

    def answer(function: Any) -> Any:
        return lambda query, request: function(workspace, language_of(request), query)

    return moving("live-report", [named(name, answer(function)) for name, function in functions.items()], "report.js")


def query_of(selection: Selection) -> str:
    """What is to be reported on, as the script hands it back."""
    return _config(selection).model_dump_json(include={"data", "model", "task", "training"})


def _config(selection: Selection) -> RunConfig:
    teaching = selection.teaching
    config = RunConfig(data=selection.data, model=teaching.model, task=teaching.task)
    limit = {"max_length_tokens": teaching.max_length_tokens}
    return config.model_copy(update={"training": config.training.model_copy(update=limit)})


def on_remedy(event: gr.EventData, selection: Selection) -> Selection:
    """The selection with another remedy for a kind of finding."""
    values = selection.data.model_dump()
    values["remedies"][str(event.name)] = str(event.choice)
    return replace(selection, data=build(type(selection.data), values))


def watch(workspace: Workspace, language: str, query: dict[str, Any]) -> dict[str, Any]:
    """How far the measuring is, and the whole report once it is done. `again` begins a stopped one anew."""
    texts = {name: say(f"report.{name}", language) for name in BUTTONS}
    try:
        config = _asked(query)
        job = workspace.report_job(config, bool(query.get("again")))
        found = workspace.report(config)
    except ChatGuiError as error:
        return {"state": "failed", "text": error.text(language), "progress": 0, "texts": texts}
    told = {
        "state": job.state, "text": _progress(job, language), "progress": job.done / max(1, job.total), "texts": texts,
    }  # fmt: skip
    if found is None:
        return told
    bars = histogram(found.measures)
    return {**told, "html": report_html(found, language), "figure": length_figure(bars, found.measures.limit, language)}


def stop(workspace: Workspace, language: str, query: dict[str, Any]) -> dict[str, Any]:
    """Ask the measuring to stop."""
    workspace.report_job(_asked(query)).asked_to_stop = True
    return {}


def rows(workspace: Workspace, language: str, query: dict[str, Any]) -> dict[str, Any]:
    """One page of the rows of a finding (`kind`), or of those between `start` and `stop` tokens."""
    try:
        found = workspace.report(_asked(query))
    except ChatGuiError as error:
        return {"html": shown(error.text(language)), "note": "", "page": 1, "pages": 1}
    if found is None:
        return {"html": "", "note": "", "page": 1, "pages": 1}
    places, partners = _wanted(found, query)
    page = view.page_of(len(places), query.get("page"), ROWS_SHOWN)
    cards = "".join(
        _cards(found, int(place), None if partners is None else int(partners[at]), language)
        for at, place in enumerate(places[page.start : page.stop], start=page.start)
    )
    values = {"first": page.start + 1, "last": page.stop, "count": len(places)}
    note = say("dataset.one_page_note", language, **{name: f"{value:,}" for name, value in values.items()})
    return {"html": f'<div class="talks">{cards}</div>', "note": note, "page": page.number, "pages": page.pages}


def _wanted(found: Report, query: dict[str, Any]) -> tuple[Places, Places | None]:
    if "kind" in query:
        finding = next((one for one in found.findings if one.kind == query["kind"]), Finding("", np.zeros(0, np.int64)))
        return finding.places, finding.partners
    tokens = found.measures.tokens
    return np.flatnonzero((tokens >= int(query["start"])) & (tokens < int(query["stop"]))), None


def _cards(found: Report, place: int, partner: int | None, language: str) -> str:
    card = _card(found, place, "", language)
    return card if partner is None else card + _card(found, partner, say("report.repeats", language), language)


def _card(found: Report, place: int, why: str, language: str) -> str:
    row = found.dataset.rows[place]
    tokens = int(found.measures.tokens[place])
    note = why or (say("report.tokens", language, count=f"{tokens:,}") if tokens else "")
    return view.card_html(place + 1, row, note, language)


def _asked(query: dict[str, Any]) -> RunConfig:
    try:
        values = json.loads(str(query.get("config") or "{}"))
    except ValueError:
        values = {}
    return build(RunConfig, values if isinstance(values, dict) else {})


def _progress(job: Job, language: str) -> str:
    if job.state == "failed" and job.error is not None:
        return job.error.text(language)
    if job.state == "stopped":
        return say("report.stopped", language)
    if job.state == "done":
        return ""
    counts = {"done": f"{job.done:,}", "total": f"{job.total:,}"}
    if job.seconds_left is None:
        return say("report.measuring", language, **counts)
    return say("report.measuring_left", language, **counts, left=duration(job.seconds_left, language))


def report_html(found: Report, language: str) -> str:
    """The numbers and the findings."""
    lengths = found.lengths()
    numbers = {
        "kept": found.kept, "median": lengths["median"], "p95": lengths["p95"], "longest": lengths["max"],
        "limit": found.measures.limit,
    }  # fmt: skip
    tiles = {name: f"{number:,}" for name, number in numbers.items()}
    tiles["share"] = f"{found.supervised_share:.0%}"
    findings = "".join(_finding_html(finding, found, language) for finding in found.findings)
    nothing = f'<p class="nothing good">{escape(say("report.nothing", language))}</p>'
    return f'<div class="tiles">{view.tiles_html(tiles, language)}</div>{findings or nothing}'


def _finding_html(finding: Finding, found: Report, language: str) -> str:
    values = {**finding.values, "count": f"{finding.count:,}"}
    sentence = shown(say(f"finding.{finding.kind}", language, **values))
    return (
        f'<article class="finding" data-kind="{finding.kind}"><h4>{sentence}</h4>'
        f'<div class="choices">{_choices_html(finding, found.config, language)}'
        f'<button class="show" aria-expanded="false">{escape(say("report.show", language))}</button></div></article>'
    )


def _choices_html(finding: Finding, config: RunConfig, language: str) -> str:
    chosen = remedy(finding, config)
    if chosen is None:
        return ""
    name = REMEDY_OF[finding.kind]
    buttons = "".join(
        f'<button class="remedy" data-name="{name}" data-choice="{choice}" '
        f'aria-pressed="{"true" if choice == chosen[0] else "false"}">'
        f"{escape(say(f'remedy.{choice}', language))}</button>"
        for choice in chosen[1]
    )
    return f'<span class="remedies" role="group">{buttons}</span>'
