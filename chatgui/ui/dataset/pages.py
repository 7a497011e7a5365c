"""Long lists a page at a time: conversations, raw rows, rows left out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from chatgui.data.load import DataConfig
from chatgui.data.split import NAMES as SPLITS
from chatgui.errors import ChatGuiError
from chatgui.runs.workspace import Workspace
from chatgui.text import say
from chatgui.ui import conversation_view as view
from chatgui.ui.dataset.rows import chosen
from chatgui.ui.session import PRIVATE, QUIET, Session, bind, label

CONVERSATIONS_A_PAGE = 10
ROWS_A_PAGE = 50


@dataclass(frozen=True)
class Pager:
    """Turns the pages of one list."""

    previous: gr.Button
    number: gr.Number
    next: gr.Button
    note: gr.HTML


def draw_pager(noun: str) -> Pager:
    """Into the Row it is called in."""
    previous = gr.Button(label("dataset.previous"), size="sm", scale=0, min_width=80)
    number = gr.Number(
        1, minimum=1, precision=0, label=label(noun), show_label=False, container=False, scale=0, min_width=70
    )
    following = gr.Button(label("dataset.next"), size="sm", scale=0, min_width=80)
    return Pager(previous, number, following, gr.HTML(elem_classes="page-note", min_width=120))


def draw_split() -> gr.Dropdown:
    choices = [(label(f"dataset.split.{name}"), name) for name in ("all", *SPLITS)]
    return gr.Dropdown(
        choices, value="all", label=label("dataset.split"), show_label=False, container=False, scale=0, min_width=150
    )


def wire_pages(
    session: Session, show: Callable[..., Any], inputs: list[Any], outputs: list[Any], pager: Pager, *,
    first: list[Any], again: Sequence[Any] = (), loads: bool = True, progress: Any = None,
) -> None:  # fmt: skip
    """`show(workspace, language, data, number, *more)` at each turn of a page.

    `first` events begin at page 1, `again` events draw the same page anew, with a sign of progress on `progress`.
    """
    data, *more = inputs
    values = [data, pager.number, *more]
    results = [*outputs, pager.number, pager.note, pager.previous, pager.next]

    def wire(events: list[Any], step: int | None, **looks: Any) -> None:
        gr.on(events, bind(_turn, step, show, session.workspace), values, results, trigger_mode="always_last", **looks)

    wire([session.page.load, *first] if loads else first, None, **QUIET)
    wire([pager.previous.click], -1, **QUIET)
    wire([pager.next.click], 1, **QUIET)
    wire([pager.number.submit, pager.number.blur], 0, **QUIET)
    if again:
        wire([*again], 0, show_progress_on=progress, **PRIVATE)


def _turn(
    step: int | None, show: Callable[..., Any], workspace: Workspace, language: str, data: DataConfig,
    number: float | None, *more: Any,
) -> Any:  # fmt: skip
    """The page `step` further on, and the pager in step with it; None goes to the first one."""
    *shown, page, note = show(workspace, language, data, 1 if step is None else int(number or 1) + step, *more)
    if page is None:
        return *shown, *[gr.skip()] * 4
    back, on = gr.update(interactive=page.number > 1), gr.update(interactive=page.number < page.pages)
    return *shown, page.number, note, back, on


def show_conversations(
    workspace: Workspace, language: str, data: DataConfig, number: int, part: str
) -> tuple[str, view.Page, str]:
    """One page of cards."""
    rows = chosen(workspace, data, part)
    page = view.page_of(len(rows), number, CONVERSATIONS_A_PAGE)
    cards = view.conversations_html(rows[page.start : page.stop], language)
    return cards, page, _page_note(page, len(rows), language)


def show_raw(
    workspace: Workspace, language: str, data: DataConfig, number: int, part: str
) -> tuple[Any, view.Page, str]:
    """One page of the rows as they stood in the source."""
    rows = chosen(workspace, data, part)
    page = view.page_of(len(rows), number, ROWS_A_PAGE)
    headers, cells = view.raw_table([row for _, row, _ in rows[page.start : page.stop]], language)
    columns = max(1, len(headers) - 2)
    widths = ["14%", "8%", *[f"{78 // columns}%"] * columns] if columns < 4 else ["120px", "70px", *["220px"] * columns]
    table = gr.update(value={"headers": headers, "data": cells}, column_widths=widths)
    return table, page, _page_note(page, len(rows), language)


def show_dropped(workspace: Workspace, language: str, data: DataConfig, number: int) -> tuple[str, Any, view.Page, str]:
    """One page of the rows that were left out, and their count in the sub-tab's name."""
    try:
        rows = workspace.dataset(data).dropped
    except ChatGuiError:
        rows = ()
    page = view.page_of(len(rows), number, ROWS_A_PAGE)
    name = say("dataset.dropped_count", language, count=f"{len(rows):,}")
    table = view.dropped_html(rows[page.start : page.stop], language)
    return table, gr.update(label=name), page, _page_note(page, len(rows), language)


def _page_note(page: view.Page, count: int, language: str) -> str:
    if not count:
        return ""
    key = "dataset.page_note" if page.pages > 1 else "dataset.one_page_note"
    values = {"first": page.start + 1, "last": page.stop, "count": count, "pages": page.pages}
    return escape(say(key, language, **{name: f"{value:,}" for name, value in values.items()}))
