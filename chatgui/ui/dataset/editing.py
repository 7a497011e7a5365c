"""Find, correct, delete and add rows, take a step back, and export what the remedies and edits leave."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from chatgui.data.conversation import ROLES, Row, fingerprint
from chatgui.data.edit import Edit, item_from, item_values, read_journal, write_journal
from chatgui.data.export import FORMATS, export
from chatgui.data.load import DataConfig
from chatgui.data.search import search
from chatgui.data.split import NAMES
from chatgui.errors import ChatGuiError, DataError
from chatgui.runs.workspace import Workspace
from chatgui.text import say
from chatgui.ui import conversation_view as view
from chatgui.ui.moving import moving
from chatgui.ui.session import QUIET, Selection, Session, bind, label

FOUND_A_PAGE = 6
COUNTED = 1000
"""Hits that are counted before the person turns further: nobody reads so many, and reading a million takes a minute."""
SAID_SECONDS = 0.4
"""Time between two signs of life of a search."""
SEARCHES = 8
"""Searches that may run at the same time; each browser tab has one at most."""
NEW = {"kind": "conversation", "messages": [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}]}
TEXTS = ("turns", "json", "save", "add", "more", "remove", "role", "text", "json_fault")


def edit_view(session: Session, data: gr.State) -> None:
    """The whole view, into the tab it is called in."""
    _find_view(session, data)
    with gr.Group(elem_id="edit-row"):
        number = gr.Number(
            1, minimum=1, precision=0, label=label("edit.row"), info=label("edit.row.help"), elem_id="edit-number"
        )
        row = moving("live-turns", [], "turns.js")
    with gr.Row(elem_classes="pager"):
        remove, back = (
            gr.Button(label(f"edit.{name}"), size="sm", scale=0, min_width=150, elem_id=f"edit-{name}")
            for name in ("delete", "undo")
        )
        note = gr.HTML(elem_classes="page-note", elem_id="edit-note", min_width=160)
    with gr.Row(elem_classes="pager"):
        format_ = gr.Dropdown(
            [(label(f"saveas.{name}"), name) for name in FORMATS], value="messages", label=label("data.format"),
            elem_id="edit-export-format", scale=0, min_width=220,
        )  # fmt: skip
        write = gr.Button(label("edit.export"), size="sm", scale=0, min_width=170, elem_id="edit-export")
        file = gr.File(label=label("edit.file"), visible=False, height=80, elem_id="edit-file")
    show, selection = session.workspace, session.selection
    number.change(bind(open_row, show), [data, number], [row, note], **QUIET)
    opened = gr.State(None)
    gr.on(
        [session.page.load, data.change], bind(reopen, show), [data, number, opened], [row, opened],
        trigger_mode="always_last", **QUIET,
    )  # fmt: skip
    outputs = [selection, note]
    row.save(_with_item(bind(save, show)), [selection, number], outputs, **QUIET)
    row.add_row(_with_item(bind(add, show)), selection, outputs, **QUIET)
    remove.click(bind(delete, show), [selection, number], outputs, **QUIET)
    back.click(bind(undo, show), selection, outputs, **QUIET)
    write.click(bind(write_file, show), [data, format_], file, api_visibility="private")


def _find_view(session: Session, data: gr.State) -> None:
    with gr.Row(elem_classes="pager"):
        wanted = gr.Textbox(
            label=label("edit.search"), placeholder=label("edit.search"), show_label=False, container=False,
            elem_id="edit-search", max_lines=1, scale=3, min_width=200,
        )  # fmt: skip
        back = gr.Button(label("dataset.previous"), size="sm", scale=0, min_width=80)
        page = gr.Number(1, minimum=1, precision=0, container=False, label=label("dataset.page"), scale=0, min_width=70)
        following = gr.Button(label("dataset.next"), size="sm", scale=0, min_width=80)
        end = gr.Button(
            label("edit.stop"), size="sm", scale=0, min_width=80, visible=False, variant="stop", elem_id="edit-stop"
        )
        note = gr.HTML(elem_classes="page-note", elem_id="edit-looked", min_width=120)
    cards = gr.HTML(elem_id="edit-found")
    results = [cards, page, note, back, following, end]
    latest = gr.State(Latest())
    end.click(stop, latest, None, queue=False, **QUIET)
    for events, step in (
        ([session.page.load, data.change, wanted.submit, wanted.blur], None), ([back.click], -1),
        ([following.click], 1), ([page.submit], 0),
    ):  # fmt: skip
        gr.on(
            events, bind(find, step, session.workspace), [data, wanted, page, latest], results,
            trigger_mode="multiple", concurrency_limit=SEARCHES, concurrency_id="search", **QUIET,
        )  # fmt: skip


def _with_item(listener: Callable[..., Any]) -> Callable[..., Any]:
    """The listener with what the script wrote as its last value."""

    def call(event: gr.EventData, request: gr.Request, *values: Any) -> Any:
        return listener(request, *values, str(event.item))

    return call


@dataclass
class Latest:
    """The newest search of one browser tab: an older one that still runs gives way to it."""

    number: int = 0
    stopped: int = 0
    """The search that was asked to stop."""


def stop(latest: Latest) -> None:
    """The search that runs shall look no further; its hits stay."""
    latest.stopped = latest.number


def find(
    step: int | None, workspace: Workspace, language: str, data: DataConfig, wanted: str, number: float | None,
    latest: Latest,
) -> Iterator[tuple[Any, ...]]:  # fmt: skip
    """One page of the rows that hold a text, out of all rows: shown as soon as it is full, while the count goes on.

    The last value says whether there is something to stop.
    """
    latest.number += 1
    mine = latest.number
    turned = 1 if step is None else max(1, int(number or 1) + step)
    try:
        rows = workspace.dataset(data).rows
    except ChatGuiError:
        rows = ()
    wanted = (wanted or "").strip()
    if not wanted:
        note = say_count(language, rows=len(rows), looked=len(rows))
        yield *_page(rows, range(len(rows)), turned, note, language), gr.update(visible=False)
        return
    places: list[int] = []
    looked, said, shown = 0, time.monotonic(), False
    for found in search(rows, wanted):
        if latest.number != mine:
            return
        places += found.places
        looked = found.rows
        if latest.stopped == mine or len(places) >= max(COUNTED, turned * FOUND_A_PAGE + 1):
            break
        full = len(places) > turned * FOUND_A_PAGE
        if (full and not shown) or time.monotonic() - said > SAID_SECONDS:
            shown, said = full, time.monotonic()
            note = say_count(language, rows=len(rows), looked=looked)
            yield *_page(rows, places, turned, note, language), gr.update(visible=True)
    note = say_count(language, rows=len(rows), looked=looked, stopped=latest.stopped == mine)
    yield *_page(rows, places, turned, note, language), gr.update(visible=False)


def say_count(language: str, *, rows: int, looked: int, stopped: bool = False) -> Callable[[int, int, int], str]:
    """The note under a page of hits: its first and last hit, how many there are, and how far the search is."""

    def note(first: int, last: int, count: int) -> str:
        values = {"first": first, "last": last, "count": f"{count:,}"}
        if looked < rows:
            key = "edit.found_so_far" if count else "edit.nothing_so_far"
            told = say(key, language, **values, looked=f"{looked:,}", rows=f"{rows:,}")
            return say("edit.stopped", language, told=told) if stopped else told
        return say("edit.found", language, **values) if count else ""

    return note


def _page(
    rows: Sequence[Row], places: Sequence[int], turned: int, note: Callable[[int, int, int], str], language: str
) -> tuple[Any, ...]:
    turned = max(1, min(turned, -(-len(places) // FOUND_A_PAGE)))
    start = (turned - 1) * FOUND_A_PAGE
    on_page = places[start : start + FOUND_A_PAGE]
    cards = "".join(view.card_html(place + 1, rows[place], "", language) for place in on_page)
    html = (
        f'<div class="talks">{cards}</div>' if cards else f'<p class="nothing">{say("dataset.no_rows", language)}</p>'
    )
    more = len(places) > start + FOUND_A_PAGE
    told = note(start + 1, start + len(on_page), len(places))
    return html, turned, told, gr.update(interactive=turned > 1), gr.update(interactive=more)


def open_row(workspace: Workspace, language: str, data: DataConfig, number: float | None) -> tuple[str, str]:
    """The row to be corrected, as the script takes it, and no note; an empty one for no number."""
    item = NEW if number is None else item_values(_row(workspace, data, number).item)
    texts = {name: say(f"edit.{name}", language) for name in TEXTS}
    texts |= {f"role_{name}": say(f"dataset.role.{name}", language) for name in ROLES}
    return json.dumps({"item": item, "texts": texts}, ensure_ascii=False), ""


def reopen(
    workspace: Workspace, language: str, data: DataConfig, number: float | None, opened: tuple[str | None, ...] | None
) -> tuple[Any, Any]:
    """The open row anew when the rows are others; a new split leaves what is being typed."""
    rows = (data.source, data.format, data.edits)
    if rows == opened:
        return gr.skip(), gr.skip()
    try:
        text, _ = open_row(workspace, language, data, number)
    except ChatGuiError:
        text, _ = open_row(workspace, language, data, None)
    return text, rows


def _row(workspace: Workspace, data: DataConfig, number: float | None) -> Row:
    rows = workspace.dataset(data).rows
    if number is None or not 1 <= int(number) <= len(rows):
        raise DataError("edit.no_row", found=int(number or 0), count=len(rows))
    return rows[int(number) - 1]


def save(
    workspace: Workspace, language: str, selection: Selection, number: float | None, text: str
) -> tuple[Selection, str]:
    """The open row, corrected. Raises DataError with the place of what cannot be read."""
    row = _row(workspace, selection.data, number)
    edit = Edit("replace", int(number or 0) - 1, fingerprint(row.item), _item(text))
    return _with(workspace, language, selection, lambda edits: [*edits, edit])


def delete(workspace: Workspace, language: str, selection: Selection, number: float | None) -> tuple[Selection, str]:
    """Without the open row."""
    row = _row(workspace, selection.data, number)
    edit = Edit("delete", int(number or 0) - 1, fingerprint(row.item))
    return _with(workspace, language, selection, lambda edits: [*edits, edit])


def add(workspace: Workspace, language: str, selection: Selection, text: str) -> tuple[Selection, str]:
    """With the text as a new row at the end."""
    edit = Edit("add", len(workspace.dataset(selection.data).rows), item=_item(text))
    return _with(workspace, language, selection, lambda edits: [*edits, edit])


def undo(workspace: Workspace, language: str, selection: Selection) -> tuple[Selection, str]:
    """Without the last edit."""
    return _with(workspace, language, selection, lambda edits: edits[:-1])


def _with(
    workspace: Workspace, language: str, selection: Selection, change: Callable[[list[Edit]], list[Edit]]
) -> tuple[Selection, str]:
    journal = selection.data.edits
    edits = change(read_journal(Path(journal)) if journal else [])
    path = write_journal(workspace.home / "edits", edits)
    data = selection.data.model_copy(update={"edits": path})
    workspace.dataset(data)  # an edit that does not fit must not be chosen
    return replace(selection, data=data), say("edit.count", language, count=len(edits))


def _item(text: str) -> Any:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise DataError("edit.not_json", reason=str(error)) from error
    return item_from(values)


def write_file(workspace: Workspace, language: str, data: DataConfig, format_: str) -> Any:
    """What the remedies and the edits leave, all splits, as a file to download."""
    splits = workspace.splits(data)
    places = sorted((place, name) for name in NAMES for place in splits.named(name).places.tolist())
    rows = _in_order(workspace, data, [place for place, _ in places])
    folder = workspace.home / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    suffix = "parquet" if format_ == "parquet" else "jsonl"
    path = folder / f"{Path(data.source).stem or 'data'}-{format_}.{suffix}"
    export(rows, format_, path)
    return gr.update(value=str(path), visible=True)


def _in_order(workspace: Workspace, data: DataConfig, places: list[int]) -> Sequence[Row]:
    from chatgui.data.quality.remedies import mends
    from chatgui.data.selected import Selected

    return Selected(workspace.dataset(data).rows, places, mends(data.remedies))
