"""Where the data comes from and how it is divided: samples, uploads, names, formats and shares."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import gradio as gr

from chatgui.config import RunConfig
from chatgui.data.files import LARGE_BYTES
from chatgui.data.formats import FORMATS as KNOWN_FORMATS
from chatgui.data.load import DataConfig
from chatgui.data.split import NAMES as SPLITS
from chatgui.errors import ChatGuiError, DataError
from chatgui.fields import build_flat
from chatgui.runs.workspace import Workspace
from chatgui.text import DEFAULT_LANGUAGE, say, sentences
from chatgui.ui import conversation_view as view
from chatgui.ui.dataset.mapping import is_mappable
from chatgui.ui.dataset.rows import FAILED, notice
from chatgui.ui.dataset.summary import summary_html, usable_samples
from chatgui.ui.session import QUIET, Selection, Session, bind, label

SPLITS_BY = get_args(DataConfig.model_fields["split_by"].annotation)
FORMATS = get_args(DataConfig.model_fields["format"].annotation)
MOST_LISTED = 1000
"""Left-out rows that the endpoint lists."""
ROWS_PREVIEWED = 3
"""Of a long file while it is still being read."""
TOLD_SECONDS = 0.7
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


def draw_source() -> Source:
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


def wire_source(
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


def draw_endpoint(session: Session) -> None:
    with gr.Row(visible=False):
        source = gr.Textbox(DataConfig().source, label="source")
        format_ = gr.Dropdown(list(FORMATS), value="auto", label="format")
        answer = gr.JSON()
        gr.Button().click(
            bind(load_dataset, session.workspace),
            inputs_kwargs={"selection": session.selection, "source": source, "format": format_},
            outputs=[session.selection, answer], api_name="load_dataset",
        )  # fmt: skip


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


def _short(source: str) -> str:
    """Of a path its last name; of anything else all."""
    return Path(source).name if source.startswith(("/", "~", ".")) else source
