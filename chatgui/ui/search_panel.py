"""Search for better settings: ranges around a chosen run, the searches there are, and what they have found."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr
import yaml

from chatgui.config import RunConfig
from chatgui.errors import ChatGuiError, ConfigError, RunError
from chatgui.fields import Knob, build, flatten, knobs
from chatgui.runs.ranges import Range, parse_range
from chatgui.runs.search import (
    Search,
    SearchConfig,
    find_search,
    list_searches,
    pictures,
)  # fmt: skip
from chatgui.runs.workspace import Workspace
from chatgui.text import say
from chatgui.ui.form import components
from chatgui.ui.moving import moving, named
from chatgui.ui.session import QUIET, Selection, Session, bind, label, language_of

Chosen = tuple[str, ...]
COLUMNS = ("search.trial", "runs.state", "runs.loss", "search.values", "runs.run")


def search_panel(session: Session, chosen: gr.State) -> None:
    """Draws into the Blocks context it is called in. `chosen` holds the ids of the chosen runs."""
    workspace, quiet = session.workspace, QUIET

    def shown(query: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        return search_row(workspace, language_of(request), str(query.get("search") or ""), query.get("version"))

    with gr.Accordion(label("search.title"), open=False, elem_id="search"):
        gr.Markdown(label("search.how"), elem_classes="hint")
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=340):
                with gr.Row():
                    field = gr.Dropdown(
                        searchable_fields(), label=label("search.field"), value=None, elem_id="search-field"
                    )
                    text = gr.Textbox(
                        label=label("search.range"), info=label("search.range.help"), elem_id="search-range"
                    )
                added = gr.Button(label("search.add"), size="sm", elem_id="search-add")
                ranges = gr.Code(language="yaml", label=label("search.ranges"), lines=3, elem_id="search-ranges")
                form = components(SearchConfig, "search.")
                started = gr.Button(label("search.start"), variant="primary", elem_id="search-start")
            with gr.Column(scale=3, min_width=340):
                known = gr.Dropdown([], label=label("search.known"), elem_id="search-known")
                with gr.Row():
                    resumed = gr.Button(label("search.resume"), size="sm", elem_id="search-resume")
                    stopped = gr.Button(label("search.stop"), size="sm", elem_id="search-stop")
                    taken = gr.Button(label("search.take"), size="sm", elem_id="search-take")
                view = moving("live-search", [named("search", shown)], "search.js")

    field.change(bind(propose), field, text, **quiet)
    added.click(bind(add_range), [ranges, field, text], [ranges, text], **quiet)
    text.submit(bind(add_range), [ranges, field, text], [ranges, text], **quiet)
    session.page.load(bind(list_known, workspace), known, known, **quiet)
    known.change(lambda search: search or "", known, view, **quiet)
    started.click(
        bind(start, workspace), inputs_kwargs={"chosen": chosen, "ranges": ranges, **form}, outputs=known,
        api_visibility="private",
    )  # fmt: skip
    resumed.click(bind(resume, workspace), known, None, **quiet)
    stopped.click(bind(stop, workspace), known, None, **quiet)
    taken.click(bind(take_best, workspace), [known, session.selection], [session.selection, session.tabs], **quiet)


def searchable_fields() -> list[tuple[Any, str]]:
    """Name and dotted name of the fields that a range can be given for."""
    skipped = ("version", "model.name", "model.revision", "data.source")
    return [
        (label(knob.name), knob.name)
        for knob in knobs(RunConfig)
        if knob.name not in skipped and not knob.name.startswith(("generation.", "probes.", "data.")) and _example(knob)
    ]


def _example(knob: Knob) -> str:
    """A range to begin with, around the default."""
    if knob.type is bool:
        return "true, false"
    if knob.choices:
        return ", ".join(map(str, knob.choices))
    if knob.type is int and knob.default:
        return ", ".join(str(max(int(knob.minimum or 1), round(knob.default * factor))) for factor in (0.5, 1, 2))
    if knob.type is float and knob.default:
        return f"{knob.default / 5:g}..{knob.default * 5:g} log"
    if knob.type is float:
        return f"0..{0.1 if knob.maximum is None or knob.maximum >= 0.1 else knob.maximum / 2:g}"
    return ""


def propose(language: str, field: str | None) -> str:
    """A range for the field that was chosen."""
    return next((_example(knob) for knob in knobs(RunConfig) if knob.name == field), "")


def add_range(language: str, ranges: str, field: str | None, text: str) -> tuple[str, str]:
    """The YAML with one more line. Raises ConfigError for a range that makes no sense."""
    if not field:
        raise ConfigError("search.no_field")
    parse_range(field, text)
    values = {**_yaml(ranges), field: text}
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True), ""


def _yaml(ranges: str | None) -> dict[str, Any]:
    """Raises ConfigError when it is not a group of ranges."""
    try:
        values = yaml.safe_load(ranges or "") or {}
    except yaml.YAMLError as error:
        raise ConfigError("search.bad_yaml", found=" ".join(str(error).split())[:120]) from error
    if not isinstance(values, dict):
        raise ConfigError("search.bad_yaml", found=str(values)[:120])
    return values


def read_ranges(ranges: str | None) -> tuple[Range, ...]:
    """The ranges of the YAML; a list is one of its values. Raises ConfigError."""
    return tuple(
        parse_range(str(field), ", ".join(map(str, value)) if isinstance(value, list) else str(value))
        for field, value in _yaml(ranges).items()
    )


def start(workspace: Workspace, language: str, chosen: Chosen, ranges: str, **values: Any) -> Any:
    """Begin a search around the chosen run's settings, or around the defaults when none is chosen."""
    if len(chosen) > 1:
        raise RunError("runs.choose_one", found=len(chosen))
    config = workspace.run(chosen[0]).config if chosen else RunConfig()
    settings = build(SearchConfig, {name.removeprefix("search."): value for name, value in values.items()})
    search = workspace.start_search(config, settings, read_ranges(ranges))
    return gr.Dropdown(_choices(workspace, language), value=search.id)


def list_known(workspace: Workspace, language: str, shown: str | None) -> Any:
    """All searches, newest first; the newest is shown at first."""
    choices = _choices(workspace, language)
    ids = [search for _, search in choices]
    return gr.Dropdown(choices, value=shown if shown in ids else next(iter(ids), None))


def _choices(workspace: Workspace, language: str) -> list[tuple[str, str]]:
    return [(_title(search), search.id) for search in list_searches(workspace.home)]


def _title(search: Search) -> str:
    try:
        fields = ", ".join(range_.field for range_ in search.ranges)
        return f"{search.config.data.source} · {fields} · {search.id[:15]}"
    except ChatGuiError:
        return search.id


def resume(workspace: Workspace, language: str, name: str | None) -> None:
    """Go on with a search that was stopped or cut off."""
    workspace.searches.start(_search(workspace, name))


def stop(workspace: Workspace, language: str, name: str | None) -> None:
    """Pause its run and leave it."""
    workspace.searches.stop(_search(workspace, name))


def take_best(workspace: Workspace, language: str, name: str | None, selection: Selection) -> tuple[Selection, Any]:
    """The best trial's settings and data into the Train form."""
    search = _search(workspace, name)
    best = search.best()
    if best is None:
        raise RunError("search.nothing_finished", search=search.id)
    config = best[1]
    wish = {name: value for name, value in flatten(config).items() if not name.startswith("data.")}
    return replace(selection, data=config.data, wish=tuple(wish.items())), gr.Tabs(selected="train")


def _search(workspace: Workspace, name: str | None) -> Search:
    if not name:
        raise RunError("search.none_chosen")
    return find_search(workspace.home, name)


def search_row(workspace: Workspace, language: str, name: str, version: Any = None) -> dict[str, Any]:
    """What the script draws: a sentence, the trials, and the pictures when they are others than the page has."""
    if name not in [search.id for search in list_searches(workspace.home)]:
        return {"said": say("search.none", language), "columns": [], "rows": [], "figures": [], "version": ""}
    search = find_search(workspace.home, name)
    trials, state = search.trials(), workspace.searches.state(search)
    ended = [trial for trial in trials if trial["state"] != "running"]
    best = min((t for t in ended if t["validation_loss"] is not None), key=lambda t: t["validation_loss"], default=None)
    now = f"{language} {name} {len(ended)}"
    row = {
        "said": _said(search, state, ended, best, workspace.searches.error(search), language), "version": now,
        "columns": [say(column, language) for column in COLUMNS], "live": state in ("running", "stopping", "elsewhere"),
        "rows": [_trial(trial, trial is best, language) for trial in reversed(trials)],
    }  # fmt: skip
    return row if now == version else {**row, "figures": _figures(search, language)}


def _said(
    search: Search, state: str, ended: Sequence[Any], best: Mapping[str, Any] | None, error: ChatGuiError | None,
    language: str,
) -> str:  # fmt: skip
    said = [say(f"search.is_{state}", language, done=len(ended), trials=search.settings.trials)]
    if best:
        loss = f"{best['validation_loss']:.4f}"
        said.append(say("search.best_yet", language, trial=best["trial"] + 1, loss=loss, values=_values(best)))
    if error and state == "failed":
        said.append(error.text(language))
    return " ".join(said)


def _trial(trial: Mapping[str, Any], is_best: bool, language: str) -> dict[str, Any]:
    loss = "–" if trial["validation_loss"] is None else f"{trial['validation_loss']:.4f}"
    state = say(f"search.trial_{trial['state']}", language)
    return {"cells": [str(trial["trial"] + 1), state, loss, _values(trial), trial["run"] or "–"], "best": is_best}


def _values(trial: Mapping[str, Any]) -> str:
    names = {knob.name: knob.name.rpartition(".")[2] for knob in knobs(RunConfig)}
    return ", ".join(
        f"{names.get(name, name)} {value:.4g}" if isinstance(value, float) else f"{names.get(name, name)} {value}"
        for name, value in trial.items() if "." in name
    )  # fmt: skip


def _figures(search: Search, language: str) -> list[dict[str, Any]]:
    """Optuna's Plotly pictures as plain values, without the look that the page gives them."""
    names = {knob.name: knob.label(language) for knob in knobs(RunConfig)}
    found = []
    for name, figure in pictures(search, say("runs.loss", language)).items():
        figure.layout.template = None
        figure.layout.title = say(f"search.{name}", language)
        figure.update_xaxes(title=say("search.trial", language) if name == "optimization_history" else "")
        figure.update_yaxes(automargin=True, **({"title": ""} if name == "param_importances" else {}))
        text = figure.to_json()
        for field, shown in names.items():  # Optuna knows them by their dotted names
            text = text.replace(json.dumps(field), json.dumps(shown))
        found.append(json.loads(text))
    return found
