"""Which column plays which part: a form filled with the best guess, its preview, and mappings saved and loaded.

The choosing of a source belongs to the tab; here a source that no format fits becomes one that can be learnt from.
"""

from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from chatgui.data.conversation import Item
from chatgui.data.formats import AUTO, BY_NAME
from chatgui.data.formats.columns import names
from chatgui.data.load import DataConfig, mapping_of, raw_rows, reading
from chatgui.data.mapping import (
    Mapping,
    apply,
    check,
    fields,
    from_json,
    guess_mapping,
    read_label_names,
    settings,
)
from chatgui.data.mapping import save as write_mapping
from chatgui.errors import ChatGuiError, DataError
from chatgui.fields import build
from chatgui.runs.workspace import Workspace
from chatgui.text import say
from chatgui.ui.conversation_view import cell
from chatgui.ui.dataset.rows import FAILED, notice
from chatgui.ui.item_view import item_html
from chatgui.ui.session import QUIET, Selection, Session, bind, label

MOST_FIELDS = max(len(format_.FIELDS) for format_ in BY_NAME.values())
NAMED_LABELS = ("label", "label_pairs", "tags")
"""Formats whose labels a file may give as numbers."""
MAPPABLE = ("data.format_unknown", "data.mapping_missing", "data.mapping_needs_format")
ROWS_SHOWN = 4
SAMPLE_CHARACTERS = 32
"""Of a column's first value, beside its name."""

Rows = list[dict[str, object]]


def is_mappable(error: object) -> bool:
    """Whether an error, or the reason within it, goes away once someone says which column is which."""
    return isinstance(error, ChatGuiError) and (error.key in MAPPABLE or is_mappable(error.values.get("reason")))


def mapping_form(session: Session, source: gr.State, format_: gr.Dropdown) -> None:
    """The whole form, shown while `source` names something; `format_` is the format asked for in the source's form."""
    with gr.Column(visible=False, elem_id="dataset-mapping") as panel:
        gr.Markdown(label("mapping.title"))
        with gr.Row(equal_height=False, elem_id="mapping-fields"):
            chosen = gr.Dropdown(
                [(label(f"dataset.format.{name}"), name) for name in BY_NAME], value="text",
                label=label("data.format"), elem_id="mapping-format", min_width=200,
            )  # fmt: skip
            columns = [
                gr.Dropdown([], label="", visible=False, elem_id=f"mapping-column-{number}", min_width=200)
                for number in range(MOST_FIELDS)
            ]
            label_names = gr.Textbox(
                label=label("data.label_names"), info=label("mapping.label_names.help"), max_lines=1,
                elem_id="mapping-label-names", min_width=200, visible=False,
            )  # fmt: skip
        with gr.Row(elem_classes="pager"):
            use = gr.Button(
                label("mapping.use"), variant="primary", size="sm", elem_id="mapping-use", scale=0, min_width=170
            )
            save = gr.Button(label("mapping.save"), size="sm", elem_id="mapping-save", scale=0, min_width=150)
            load = gr.UploadButton(label("mapping.load"), size="sm", elem_id="mapping-load", scale=0, min_width=150)
            close = gr.Button(label("mapping.close"), size="sm", elem_id="mapping-close", scale=0, min_width=90)
        file = gr.File(label=label("mapping.file"), visible=False, height=80, elem_id="mapping-file")
        preview = gr.HTML(elem_id="mapping-preview")
    workspace, selection = session.workspace, session.selection
    seen: list[Any] = [preview, use, save, file]
    form: list[Any] = [chosen, label_names, *columns]
    values = [source, *form]
    source.change(bind(open_form, workspace), [selection, source, format_], [panel, *form, *seen], **QUIET)
    chosen.input(bind(choose_format, workspace), [source, chosen], [*form, *seen], trigger_mode="always_last", **QUIET)
    gr.on(
        [label_names.input, *(column.input for column in columns)], bind(preview_mapping, workspace), values, seen,
        trigger_mode="always_last", **QUIET,
    )  # fmt: skip
    use.click(bind(use_mapping, workspace), [selection, *values], [selection, source, format_], **QUIET)
    save.click(bind(save_mapping, workspace), values, file, **QUIET)
    load.upload(bind(load_mapping, workspace), [source, load], [*form, *seen], **QUIET)
    close.click(lambda: "", None, source, **QUIET)


def open_form(workspace: Workspace, language: str, selection: Selection, source: str, format_: str) -> tuple[Any, ...]:
    """The form over a source, filled with what is in use for it, else with the best guess; hidden for no source.

    `format_` is the format that was asked for, or "auto".
    """
    rows = _rows(workspace, source) if source else []
    if not rows:
        return gr.update(visible=False), *[gr.skip()] * (MOST_FIELDS + 6)
    data = selection.data
    if data.source == source and data.columns:
        mapping = mapping_of(reading(rows, data, source), data)
    else:
        mapping = guess_mapping(rows, None if format_ == AUTO else format_)
    return gr.update(visible=True), *_filled(language, source, rows, mapping)


def choose_format(workspace: Workspace, language: str, source: str, format_: str) -> tuple[Any, ...]:
    """The fields of another format, with the best guess for them."""
    rows = _rows(workspace, source)
    return _filled(language, source, rows, guess_mapping(rows, format_))


def load_mapping(workspace: Workspace, language: str, source: str, file: str) -> tuple[Any, ...]:
    """A saved mapping in the form. Raises DataError when it is none, or names columns that are not there."""
    mapping = from_json(Path(file).read_text(encoding="utf-8-sig", errors="replace"))
    rows = _rows(workspace, source)
    return _filled(language, source, rows, check(mapping, names(rows), Path(source).name))


def preview_mapping(
    workspace: Workspace, language: str, source: str, format_: str, label_names: str, *columns: str | None
) -> tuple[Any, ...]:
    """(preview, use, save, file) for the form as it stands."""
    return _seen(language, source, _rows(workspace, source), _mapping(format_, label_names, columns))


def use_mapping(
    workspace: Workspace, language: str, selection: Selection, source: str, format_: str, label_names: str,
    *columns: str | None,
) -> tuple[Selection, str, str]:  # fmt: skip
    """(selection, no source to map any more, format): learn from the source, read by the mapping.

    Raises DataError when a field has no column or no row can be used.
    """
    rows = _rows(workspace, source)
    mapping = check(_mapping(format_, label_names, columns), names(rows), Path(source).name)
    before = selection.data
    changes = {**settings(mapping, rows), "source": source, "edits": before.edits if before.source == source else None}
    data = build(DataConfig, {**before.model_dump(), **changes})
    workspace.splits(data)
    return replace(selection, data=data), "", format_


def save_mapping(
    workspace: Workspace, language: str, source: str, format_: str, label_names: str, *columns: str | None
) -> Any:
    """The mapping as a file to download. Raises DataError while a field has no column."""
    mapping = _mapping(format_, label_names, columns)
    check(mapping, names(_rows(workspace, source)), Path(source).name)
    folder = workspace.home / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{Path(source).stem or 'data'}-columns.json"
    write_mapping(mapping, path)
    return gr.update(value=str(path), visible=True)


def _rows(workspace: Workspace, source: str) -> Rows:
    config = DataConfig(source=source)
    workspace.check_source(config)
    return raw_rows(config)


def _mapping(format_: str, label_names: str, columns: Sequence[str | None]) -> Mapping:
    named = zip(fields(format_), columns, strict=False)  # the form has as many columns as the longest format
    return Mapping(
        format_, {field.name: column for field, column in named if column},
        read_label_names(label_names or "") if format_ in NAMED_LABELS else (),
    )  # fmt: skip


def _filled(language: str, source: str, rows: Rows, mapping: Mapping) -> tuple[Any, ...]:
    known = fields(mapping.format)
    choices = [(say("mapping.none", language), ""), *((_choice(rows, name), name) for name in names(rows))]
    columns = [
        gr.update(
            choices=choices, value=mapping.columns.get(field.name, ""), visible=True,
            label=say("mapping.needed" if field.required else "mapping.optional", language, field=field.name),
        )
        for field in known
    ]  # fmt: skip
    unused = [gr.update(visible=False, choices=choices, value="")] * (MOST_FIELDS - len(known))
    labels = gr.update(value=", ".join(mapping.label_names), visible=mapping.format in NAMED_LABELS)
    return mapping.format, labels, *columns, *unused, *_seen(language, source, rows, mapping)


def _choice(rows: Rows, name: str) -> str:
    """A column with its first value, so that a nameless one is known as well."""
    value = next((cell(row[name]) for row in rows if row.get(name) not in (None, "")), "")
    short = " ".join(value[: SAMPLE_CHARACTERS + 1].split())
    return f"{name} · {short[:SAMPLE_CHARACTERS]}{'…' if len(value) > SAMPLE_CHARACTERS else ''}"


def _seen(language: str, source: str, rows: Rows, mapping: Mapping) -> tuple[Any, ...]:
    """(preview, use, save, file): what some rows become, and whether the mapping can be used."""
    hidden = gr.update(visible=False, value=None)
    try:
        check(mapping, names(rows), Path(source).name)
    except DataError as error:
        idle = gr.update(interactive=False)
        return notice(error.text(language), FAILED), idle, idle, hidden
    outcomes = [_outcome(mapping, row) for row in rows]
    fitting = sum(not isinstance(outcome, DataError) for outcome in outcomes)
    said = say("mapping.fitting", language, fitting=f"{fitting:,}", rows=f"{len(rows):,}")
    cards = "".join(_card(number, outcome, language) for number, outcome in enumerate(outcomes[:ROWS_SHOWN], start=1))
    html = f'<p class="fitting"><b>{escape(said)}</b></p><div class="talks">{cards}</div>'
    return html, gr.update(interactive=fitting > 0), gr.update(interactive=True), hidden


def _outcome(mapping: Mapping, row: Dictionary[str, Any]) -> Item | DataError:
    try:
        return apply(mapping, row)
    except DataError as error:
        return error


def _card(number: int, outcome: Item | DataError, language: str) -> str:
    if isinstance(outcome, DataError):
        body = notice(outcome.text(language), 'class="failed"')
    else:
        body = item_html(outcome, language)
    return f'<article class="talk"><header><b>{number}</b></header>{body}</article>'
