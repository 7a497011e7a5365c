"""Dataset: choose what to learn from, see what was read, what was left out, and what exactly will be learnt."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any, get_args

import gradio as gr

from chatgui.config import RunConfig
from chatgui.data.conversation import Document, is_weighed
from chatgui.data.files import LARGE_BYTES
from chatgui.data.formats import FORMATS as KNOWN_FORMATS
from chatgui.data.load import DataConfig, Dataset, load, samples
from chatgui.data.split import NAMES as SPLITS
from chatgui.data.split import Splits, source_splits
from chatgui.errors import ChatGuiError, DataError
from chatgui.fields import build_flat
from chatgui.runs.workspace import Workspace
from chatgui.tasks import task_for
from chatgui.text import DEFAULT_LANGUAGE, say, sentences
from chatgui.ui import conversation_view as view
from chatgui.ui.dataset.editing import edit_view
from chatgui.ui.dataset.learnt import show_learnt
from chatgui.ui.dataset.mapping import is_mappable, mapping_form
from chatgui.ui.dataset.report import on_remedy, query_of, report_panel
from chatgui.ui.dataset.rows import FAILED, chosen, notice
from chatgui.ui.item_view import shown
from chatgui.ui.session import PRIVATE, QUIET, Selection, Session, bind, label

TITLE = "tab.dataset"
SPLITS_BY = get_args(DataConfig.model_fields["split_by"].annotation)
FORMATS = get_args(DataConfig.model_fields["format"].annotation)
CONVERSATIONS_A_PAGE = 10
ROWS_A_PAGE = 50
MOST_LISTED = 1000
"""Left-out rows that the endpoint lists."""
MOST_FILES_NAMED = 12
ROWS_PREVIEWED = 3
"""Of a long file while it is still being read."""
TOLD_SECONDS = 0.7
LOOKED_AT_ROWS = 100
CLOSE_NOTICES = "() => { document.querySelectorAll('.toast-close').forEach((button) => button.click()); }"
"""What went wrong with an earlier file is not said beside a good one."""
READING = 'class="reading"'


@dataclass(frozen=True)
class Source:
    """Where the data comes from and how it is divided."""

    sample: gr.Radio
    upload: gr.File
    name: gr.Textbox
    load: gr.Button
    format: gr.Dropdown
    columns: gr.Button
    validation: gr.Slider
    test: gr.Slider
    seed: gr.Number
    split_by: gr.Dropdown
    split_column: gr.Textbox


@dataclass(frozen=True)
class Pager:
    """Turns the pages of one list."""

    previous: gr.Button
    number: gr.Number
    next: gr.Button
    note: gr.HTML


def build(session: Session) -> None:
    """The whole tab."""
    data = gr.State(DataConfig())
    wanted = gr.State(DataConfig().source)
    unmapped = gr.State("")
    with gr.Row(elem_id="dataset", equal_height=False):
        with gr.Column(scale=2, min_width=320):
            source = _draw_source()
        with gr.Column(scale=5, min_width=320):
            with gr.Row(elem_id="dataset-top", equal_height=False):
                summary = gr.HTML(elem_id="dataset-summary")
                train = gr.Button(label("dataset.train"), variant="primary", elem_id="dataset-train", scale=0)
            mapping_form(session, unmapped, source.format)
            with gr.Tabs(elem_id="dataset-preview"):
                _conversations_tab(session, data)
                _report_tab(session)
                _raw_tab(session, data)
                _dropped_tab(session, data)
                _learnt_tab(session, data)
                with gr.Tab(label("dataset.edit"), id="edit", elem_id="dataset-edit"):
                    edit_view(session, data)
    session.selection.change(_data_of, session.selection, data, **QUIET)
    gr.on(
        [session.page.load, data.change], bind(show_source, session.workspace), data,
        [summary, source.sample], **QUIET,
    )  # fmt: skip
    _wire_source(session, source, data, wanted, summary, unmapped)
    source.columns.click(lambda source: source, wanted, unmapped, **QUIET)
    train.click(lambda: gr.Tabs(selected="train"), None, session.tabs, **QUIET)
    _draw_endpoint(session)


def _draw_source() -> Source:
    with gr.Group():
        sample = gr.Radio(
            [(_sample_label(name), name) for name in usable_samples()], value=DataConfig().source,
            label=label("dataset.samples"), elem_id="dataset-sample",
        )  # fmt: skip
    # without file_types: the reader's own sentence says which endings are known, in the reader's language
    upload = gr.File(label=label("dataset.upload"), file_count="multiple", height=130, elem_id="dataset-upload")
    with gr.Group():
        name = gr.Textbox(
            label=label("dataset.name"), info=label("dataset.name.help"), placeholder="HuggingFaceH4/no_robots",
            elem_id="dataset-name", max_lines=1,
        )  # fmt: skip
        load_button = gr.Button(label("dataset.load"), size="sm", elem_id="dataset-load")
    with gr.Accordion(label("dataset.details"), open=False, elem_id="dataset-details"):
        format_ = gr.Dropdown(
            [(label(f"dataset.format.{name}"), name) for name in FORMATS], value="auto",
            label=label("data.format"), info=label("dataset.format.help"), elem_id="dataset-format",
        )  # fmt: skip
        columns = gr.Button(label("mapping.open"), size="sm", elem_id="dataset-columns")
        validation, test = (
            gr.Slider(
                0, 0.5, value=DataConfig.model_fields[f"{name}_fraction"].default, step=0.01,
                label=label(f"data.{name}_fraction"), info=label(f"data.{name}_fraction.help"),
                elem_id=f"dataset-{name}", buttons=[],
            )
            for name in ("validation", "test")
        )  # fmt: skip
        seed = gr.Number(
            0, minimum=0, precision=0, label=label("data.split_seed"), info=label("data.split_seed.help"),
            elem_id="dataset-seed",
        )  # fmt: skip
        split_by = gr.Dropdown(
            [(label(f"data.split_by={name}"), name) for name in SPLITS_BY], value="auto",
            label=label("data.split_by"), info=label("data.split_by.help"), elem_id="dataset-split-by",
        )  # fmt: skip
        split_column = gr.Textbox(
            label=label("data.split_column"), info=label("data.split_column.help"), elem_id="dataset-split-column",
            max_lines=1,
        )  # fmt: skip
    with gr.Accordion(label("dataset.examples"), open=False, elem_id="dataset-examples"):
        gr.HTML(view.examples_html({format_.NAME: format_.EXAMPLE for format_ in KNOWN_FORMATS}))
    return Source(sample, upload, name, load_button, format_, columns, validation, test, seed, split_by, split_column)


def _sample_label(name: str) -> Any:
    key = f"dataset.sample.{name}"
    return label(key) if key in sentences(DEFAULT_LANGUAGE) else name


@lru_cache
def usable_samples() -> tuple[str, ...]:
    """Bundled samples that some task can learn from; the default one first."""

    def usable(name: str) -> bool:
        try:
            task_for(load(DataConfig(source=name)).rows[0].item)
        except DataError:
            return False
        return True

    return tuple(sorted(filter(usable, samples()), key=lambda name: (name != DataConfig().source, name)))


def _wire_source(
    session: Session, source: Source, data: gr.State, wanted: gr.State, summary: gr.HTML, unmapped: gr.State
) -> None:
    outputs = [session.selection, wanted, summary, source.format, source.upload, unmapped]
    loading = bind(load_source, session.workspace)
    events = [
        source.sample.input(
            bind(load_sample, session.workspace), [session.selection, source.sample], outputs,
            trigger_mode="always_last", **QUIET,
        ),
        source.upload.upload(
            bind(load_upload, session.workspace), [session.selection, source.upload, source.format], outputs, **QUIET
        ),
        gr.on(
            [source.load.click, source.name.submit], loading, [session.selection, source.name, source.format], outputs,
            **QUIET,
        ),
        source.format.input(
            loading, [session.selection, wanted, source.format], outputs, trigger_mode="always_last", **QUIET
        ),
    ]  # fmt: skip
    triggers = [[source.sample.input], [source.upload.upload], [source.load.click, source.name.submit]]
    for index, own in enumerate(triggers):  # whoever chooses another source no longer waits for the one before
        gr.on(own, None, None, None, cancels=[event for other, event in enumerate(events) if other != index], **QUIET)
    for event in events:
        event.failure(bind(settle, session.workspace), [data, summary], summary, **QUIET)
        event.success(None, None, None, js=CLOSE_NOTICES, **QUIET)
    shares: list[Any] = [source.validation, source.test, source.seed, source.split_by, source.split_column]
    changed = [share.input for share in shares[:-1]]
    gr.on(
        [*changed, source.split_column.submit, source.split_column.blur],
        bind(divide, session.workspace), [session.selection, *shares],
        session.selection, trigger_mode="always_last", **QUIET,
    )  # fmt: skip


def _draw_endpoint(session: Session) -> None:
    with gr.Row(visible=False):
        source = gr.Textbox(DataConfig().source, label="source")
        format_ = gr.Dropdown(list(FORMATS), value="auto", label="format")
        answer = gr.JSON()
        gr.Button().click(
            bind(load_dataset, session.workspace),
            inputs_kwargs={"selection": session.selection, "source": source, "format": format_},
            outputs=[session.selection, answer], api_name="load_dataset",
        )  # fmt: skip


def _draw_pager(noun: str) -> Pager:
    """Into the Row it is called in."""
    previous = gr.Button(label("dataset.previous"), size="sm", scale=0, min_width=80)
    number = gr.Number(
        1, minimum=1, precision=0, label=label(noun), show_label=False, container=False, scale=0, min_width=70
    )
    following = gr.Button(label("dataset.next"), size="sm", scale=0, min_width=80)
    return Pager(previous, number, following, gr.HTML(elem_classes="page-note", min_width=120))


def _draw_split() -> gr.Dropdown:
    choices = [(label(f"dataset.split.{name}"), name) for name in ("all", *SPLITS)]
    return gr.Dropdown(
        choices, value="all", label=label("dataset.split"), show_label=False, container=False, scale=0, min_width=150
    )


def _conversations_tab(session: Session, data: gr.State) -> None:
    with gr.Tab(label("dataset.conversations"), id="conversations", elem_id="dataset-conversations"):
        with gr.Row(elem_classes="pager"):
            pager = _draw_pager("dataset.page")
            part = _draw_split()
        cards = gr.HTML()
    _wire_pages(session, show_conversations, [data, part], [cards], pager, first=[data.change, part.input])


def _report_tab(session: Session) -> None:
    with gr.Tab(label("dataset.report"), id="report", elem_id="dataset-report"):
        panel = report_panel(session.workspace)
    gr.on([session.page.load, session.selection.change], query_of, session.selection, panel, **QUIET)
    panel.remedy(on_remedy, session.selection, session.selection, **QUIET)


def _raw_tab(session: Session, data: gr.State) -> None:
    with gr.Tab(label("dataset.raw"), id="raw", elem_id="dataset-raw"):
        with gr.Row(elem_classes="pager"):
            pager = _draw_pager("dataset.page")
            part = _draw_split()
        table = gr.Dataframe(interactive=False, wrap=True, show_label=False, buttons=[], max_height=640, datatype="str")
    _wire_pages(session, show_raw, [data, part], [table], pager, first=[data.change, part.input])


def _dropped_tab(session: Session, data: gr.State) -> None:
    with gr.Tab(label("dataset.dropped"), id="dropped", elem_id="dataset-dropped") as tab:
        with gr.Row(elem_classes="pager"):
            pager = _draw_pager("dataset.page")
        table = gr.HTML()
    _wire_pages(session, show_dropped, [data], [table, tab], pager, first=[data.change])


def _learnt_tab(session: Session, data: gr.State) -> None:
    with gr.Tab(label("dataset.learnt"), id="learnt", elem_id="dataset-learnt") as tab:
        opened = gr.State(False)  # inside: Gradio counts every child of Tabs as a tab
        with gr.Row(elem_classes="pager"):
            pager = _draw_pager("dataset.row")
            model = gr.Dropdown(
                ["starter"], value="starter", allow_custom_value=True, label=label("dataset.tokenizer"),
                elem_id="dataset-tokenizer", scale=0, min_width=330,
            )  # fmt: skip
        mask = gr.HighlightedText(
            label=label("dataset.mask"), combine_adjacent=False, show_legend=True, elem_id="dataset-mask",
        )  # fmt: skip
        facts = gr.HTML(elem_id="dataset-mask-facts")
    tab.select(lambda: True, None, opened, **QUIET)
    _wire_pages(
        session, show_learnt, [data, model, opened, session.selection], [mask, facts], pager, first=[data.change],
        loads=False, again=[opened.change, model.change, session.selection.change], progress=mask,
    )  # fmt: skip
    session.selection.change(_model_of, session.selection, model, **QUIET)


def _model_of(selection: Selection) -> str:
    """The Train form's model; another tokenizer may be tried here until that changes."""
    return selection.teaching.model.name


def _wire_pages(
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


# Handlers: choosing


def load_sample(workspace: Workspace, language: str, selection: Selection, sample: str) -> Iterator[tuple[Any, ...]]:
    """A bundled sample; its format is always found by itself."""
    yield from load_source(workspace, language, selection, sample, "auto")


def load_upload(
    workspace: Workspace, language: str, selection: Selection, files: Sequence[str], format: str
) -> Iterator[tuple[Any, ...]]:
    """Uploaded files, several of which are one dataset, kept in the workspace so that its run can be repeated.

    Raises DataError for two files of the same name.
    """
    paths = [Path(file) for file in files]
    names = [path.name for path in paths]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DataError("dataset.same_name", name=twice)
    kept = workspace.keep_upload(paths[0]) if len(paths) == 1 else workspace.keep_uploads(paths)
    yield from load_source(workspace, language, selection, str(kept), format)


def load_source(
    workspace: Workspace, language: str, selection: Selection, source: str, format: str
) -> Iterator[tuple[Any, ...]]:
    """(selection, source asked for, summary, format, upload, source to map), while reading and after it.

    Raises ChatGuiError when the source cannot be read; the selection then stays, and the summary says both.
    """
    source = (source or "").strip()
    if not source:
        raise DataError("dataset.name_missing")
    reading = notice(say("dataset.reading", language, source=_short(source)), READING)
    yield gr.skip(), source, reading, gr.skip(), None, ""  # the drop zone is free again
    try:
        data = _another(selection.data, source, format)
        for notice_ in _while_reading(workspace, language, data):
            yield gr.skip(), gr.skip(), notice_, gr.skip(), gr.skip(), gr.skip()
        summary = summary_html(workspace, language, data)
    except ChatGuiError as error:
        to_map = source if is_mappable(error) else gr.skip()
        error.values |= {"source": _short(source)} if "source" in error.values else {}
        stays = say("dataset.stays", language, source=_short(selection.data.source))
        failed = notice(error.text(language), FAILED, stays)
        yield gr.skip(), gr.skip(), failed, gr.skip(), gr.skip(), to_map
        raise
    yield replace(selection, data=data), source, summary, data.format, gr.skip(), gr.skip()


def _while_reading(workspace: Workspace, language: str, data: DataConfig) -> Iterator[str]:
    """Of a long file, its first rows and how far the reading is, until it is read. Raises what the reading raises."""
    path = workspace.check_source(data)
    if path is None or not path.is_file() or path.stat().st_size < LARGE_BYTES:
        return
    first = workspace.peek(data).rows[:ROWS_PREVIEWED]
    cards = view.conversations_html([(number, row, "train") for number, row in enumerate(first, start=1)], language)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(workspace.dataset, data)
        while not reading.done():
            done, total = workspace.reading.get(data.source, (0, 0))
            key = "dataset.reading_rows" if total else "dataset.reading"
            text = say(key, language, source=_short(data.source), done=f"{done:,}", total=f"{total:,}")
            yield notice(text, READING) + cards
            wait([reading], timeout=TOLD_SECONDS)
        reading.result()


def settle(workspace: Workspace, language: str, data: DataConfig, summary: str) -> Any:
    """After an unexpected failure no summary may claim that it is still reading."""
    return summary_html(workspace, language, data) if READING in (summary or "") else gr.skip()


def divide(
    workspace: Workspace, language: str, selection: Selection, validation: float, test: float, seed: float | None,
    split_by: str = "auto", split_column: str | None = None,
) -> Any:  # fmt: skip
    """Another division of the same data. Raises ConfigError for a share that is too large, DataError for no column."""
    changes = {
        "validation_fraction": validation, "test_fraction": test, "split_seed": int(seed or 0), "split_by": split_by,
        "split_column": (split_column or "").strip() or None,
    }  # fmt: skip
    data = _changed(selection.data, **changes)
    if split_by in ("column", "group", "time") and data.split_column is None:
        return gr.skip()  # the column is still to be named
    if data.split_by != selection.data.split_by or data.split_column != selection.data.split_column:
        workspace.splits(data)
    return replace(selection, data=data)


def load_dataset(
    workspace: Workspace, language: str, selection: Selection, source: str, format: str
) -> tuple[Selection, dict[str, Any]]:
    """For scripts: choose data for this session and tell what was read. Raises ChatGuiError when it cannot be."""
    data = _another(selection.data, source, format)
    dataset, splits = workspace.dataset(data), workspace.splits(data)
    dropped = [
        {"origin": row.origin, "line": row.line, "reason": row.reason.text(language)}
        for row in dataset.dropped[:MOST_LISTED]
    ]
    return replace(selection, data=data), {
        "source": source, "format": dataset.format, "encoding": dataset.encoding, "rows": dataset.read,
        "kept": len(dataset.rows), "dropped": dropped, "splits": {name: len(splits.named(name)) for name in SPLITS},
    }  # fmt: skip


def _another(data: DataConfig, source: str, format: str) -> DataConfig:
    """Another source, or format: what was said of the columns and edited in the rows of the last one is not for it."""
    edits = data.edits if source == data.source else None
    return _changed(data, source=source, format=format, columns="", label_names="", edits=edits)


def _changed(data: DataConfig, **changes: Any) -> DataConfig:
    values = {**data.model_dump(), **changes}
    return build_flat(RunConfig, {f"data.{name}": value for name, value in values.items()}).data


def _data_of(selection: Selection) -> DataConfig:
    return selection.data


def _short(source: str) -> str:
    """Of a path its last name; of anything else all."""
    return Path(source).name if source.startswith(("/", "~", ".")) else source


# Handlers: showing


def show_source(workspace: Workspace, language: str, data: DataConfig) -> tuple[str, str | None]:
    """The summary, and the sample that is chosen, if it is one."""
    try:
        summary = summary_html(workspace, language, data)
    except ChatGuiError as error:
        summary = notice(error.text(language), FAILED)
    return summary, data.source if data.source in usable_samples() else None


def summary_html(workspace: Workspace, language: str, data: DataConfig) -> str:
    """What was read and how it is divided. Raises ChatGuiError when it cannot be read."""
    dataset, splits = workspace.dataset(data), workspace.splits(data)
    numbers = {"read": dataset.read, "usable": len(dataset.rows), "dropped": len(dataset.dropped)}
    numbers |= {name: len(splits.named(name)) for name in SPLITS}
    counts = {name: f"{count:,}" for name, count in numbers.items()}
    how = " ".join(say(f"dataset.read_as.{name}", language) for name in dataset.format.split(", "))
    encoding = "" if dataset.encoding == "binary" else say("dataset.encoding", language, encoding=dataset.encoding)
    notes = "".join(f"<li>{escape(note)}</li>" for note in _notes(dataset, splits, data, language))
    return (
        f'<div class="summary"><p><b>{shown(dataset.name)}</b> {escape(how)} '
        f'<span class="whole">{escape(encoding)}</span></p>'
        f'<div class="tiles">{view.tiles_html(counts, language)}</div><ul>{notes}</ul></div>'
    )


def _notes(dataset: Dataset, splits: Splits, data: DataConfig, language: str) -> Iterator[str]:
    for row in dataset.dropped[-MOST_FILES_NAMED:]:  # where a file breaks off, its last row says so
        if row.reason.key == "data.json_rest":
            yield say("dataset.note.broken", language, origin=row.origin, line=row.line)
    own = set(source_splits(dataset.rows).tolist())
    if data.format != "auto":
        yield say("dataset.note.forced", language)
    if "test" in own:
        yield say("dataset.note.own_test", language)
    if "validation" in own:
        yield say("dataset.note.own_validation", language)
    if data.validation_fraction and not splits.validation:
        yield say("dataset.note.no_validation", language)
    if data.test_fraction and not splits.test:
        yield say("dataset.note.no_test", language)
    if any(is_weighed(row.item) for row in dataset.rows[:LOOKED_AT_ROWS]):
        yield say("dataset.note.weights", language)
    if isinstance(dataset.rows[0].item, Document):
        yield say("dataset.note.text", language)


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
