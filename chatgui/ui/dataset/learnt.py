"""What is learnt of a row, token by token: the training's own labels, told apart by colour and by text."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from html import escape
from typing import Any

import gradio as gr

from chatgui.config import ModelConfig, RunConfig, TrainingConfig
from chatgui.data.conversation import Row, is_weighed, unweighed
from chatgui.data.load import DataConfig
from chatgui.data.quality.remedies import Remedies
from chatgui.encode import make_example
from chatgui.errors import ChatGuiError, DataError
from chatgui.prepare import fit, length_limit
from chatgui.runs.workspace import Workspace
from chatgui.tasks import task_for
from chatgui.text import say
from chatgui.tokens.example import Example
from chatgui.tokens.template import Template
from chatgui.ui import conversation_view as view
from chatgui.ui.dataset.rows import FAILED, chosen, notice
from chatgui.ui.item_view import shown
from chatgui.ui.session import DEFAULT_TEACHING, Selection, Teaching

MOST_PIECES = 1500
"""Of one row in the token view; the browser needs a second for 2,000."""
MOST_JOINED = 24
COLOURS = {"prompt": "#94a3b8", "reply": "#22c55e", "end": "#a855f7", "silent": "#0ea5e9", "cut": "#f97316"}


def show_learnt(
    workspace: Workspace,
    language: str,
    data: DataConfig,
    number: int,
    model: str,
    opened: bool,
    selection: Selection | None = None,
) -> tuple[Any, Any, view.Page | None, str]:
    """One row, token by token, as the training sees it. Nothing before the sub-tab was opened: it loads a tokenizer."""
    if not opened:
        return gr.skip(), gr.skip(), None, ""
    rows = chosen(workspace, data)
    page = view.page_of(len(rows), number, 1)
    if not rows:
        return [], "", page, ""
    _, row, part = rows[page.start]
    note = say(
        "dataset.row_note", language, count=f"{len(rows):,}", origin=row.origin, line=row.line,
        split=say(f"dataset.split.{part}", language),
    )  # fmt: skip
    teaching = selection.teaching if selection else DEFAULT_TEACHING
    try:
        mask, facts = learnt(workspace, language, data, row, model or "starter", teaching)
    except ChatGuiError as error:
        mask, facts = _mask([], language), notice(error.text(language), FAILED)
    return mask, facts, page, shown(note)


@lru_cache(maxsize=16)
def _limit(model: ModelConfig, max_length_tokens: int | None) -> int:
    training = TrainingConfig(max_length_tokens=max_length_tokens)
    return length_limit(
        RunConfig(model=model, training=training)
    )  # a hub name would be asked for again at each turn of a page


def learnt(
    workspace: Workspace, language: str, data: DataConfig, row: Row, model: str, teaching: Teaching = DEFAULT_TEACHING
) -> tuple[Any, str]:  # fmt: skip
    """The label mask of a row and the facts under it. Raises ModelError or DataError."""
    task = teaching.task if isinstance(row.item, teaching.task.ACCEPTS) else task_for(row.item)
    chosen = teaching.model if teaching.model.name == model else ModelConfig(name=model)
    config = fit(RunConfig(task=task, data=data, model=chosen), workspace.dataset(data).rows)
    template = workspace.template(config)
    limit = _limit(config.model, teaching.max_length_tokens)
    plain = config.model_copy(update={"data": data.model_copy(update={"remedies": Remedies()})})
    whole, weighed = make_example(plain, row, template, 2**31), None
    if is_weighed(row.item):
        weighed = make_example(plain, replace(row, item=unweighed(row.item)), template, 2**31)
    warning = ""
    try:
        example = make_example(config, row, template, limit)
    except DataError as error:  # its reply begins behind the limit: the training leaves the row out
        example = replace(whole, input_ids=whole.input_ids[:limit], labels=whole.labels[:limit])
        warning = say("dataset.row_left_out", language, reason=error.text(language))

    def decode(ids: list[int]) -> str:
        return template.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)

    kinds = view.fates(example, whole, template.end_of_turn_id, weighed)
    found = list(view.pieces(whole.input_ids, kinds, decode))
    facts = _learnt_facts(language, example.supervised, len(example), len(whole), limit)
    notes = [shown(note) for note in (warning, *_learnt_notes(language, template, task, found)) if note]
    if several := view.joined_html(found, MOST_JOINED):
        notes.append(f"{escape(say('dataset.note.several_tokens', language))} {several}")
    notes.append(ids_link(exact_ids(example, kinds, row), language))
    lines = "".join(f"<li>{note}</li>" for note in notes)
    return _mask(found, language), f'{facts}<ul class="notes">{lines}</ul>'


def exact_ids(example: Example, kinds: list[str], row: Row) -> dict[str, Any]:
    """What the batch holds of a row, in plain values: ids, labels (-100 teaches nothing) and what each token is."""
    told = {
        "origin": row.origin, "line": row.line, "input_ids": list(example.input_ids), "labels": list(example.labels),
        "kinds": kinds[: len(example.input_ids)], "cut_tokens": example.cut_tokens,
    }  # fmt: skip
    if example.target:
        told["target"] = list(example.target)
    if example.rivals:
        told["rivals"] = [{"input_ids": list(one.input_ids), "labels": list(one.labels)} for one in example.rivals]
    return told


def ids_link(ids: dict[str, Any], language: str) -> str:
    """A link that downloads them; it carries its content, so that nothing is left on the server."""
    content = base64.b64encode(json.dumps(ids).encode()).decode()
    name = escape(say("dataset.download_ids", language))
    return f'<a download="row-{ids["line"]}.json" href="data:application/json;base64,{content}">{name}</a>'


def _mask(found: list[view.Piece], language: str) -> Any:
    names = {kind: say(f"dataset.piece.{kind}", language) for kind in COLOURS}
    value = [(piece.text.replace("\n", "↵\n"), names[piece.kind]) for piece in found[:MOST_PIECES]]
    return gr.update(value=value, color_map={names[kind]: colour for kind, colour in COLOURS.items()})


def _learnt_facts(language: str, learnt_tokens: int, tokens: int, whole: int, limit: int) -> str:
    share = learnt_tokens / tokens if tokens else 0
    numbers = {
        "tokens": f"{tokens:,}", "learnt": f"{learnt_tokens:,}", "share": f"{share:.0%}", "limit": f"{limit:,}",
        "cut": f"{whole - tokens:,}",
    }  # fmt: skip
    return f'<div class="tiles">{view.tiles_html(numbers, language)}</div>'


def _learnt_notes(language: str, template: Template, task: Any, found: list[view.Piece]) -> Iterator[str]:
    if task.NOTE:
        yield say(task.NOTE, language)
    elif template.is_plain:
        yield say("dataset.note.plain", language)
    elif not template.has_marks:
        yield say("dataset.note.no_marks", language)
    if len(found) > MOST_PIECES:
        yield say("dataset.note.first_pieces", language, shown=f"{MOST_PIECES:,}", count=f"{len(found):,}")
