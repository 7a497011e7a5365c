"""Rows of data as HTML, as table cells and as pieces of tokens.

Knows nothing of gradio. Every text that comes from data passes through `shown`, so it is seen as text, never as HTML.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from chatgui.data.conversation import Row
from chatgui.data.load import Dropped
from chatgui.text import say
from chatgui.tokens.example import IGNORE_INDEX, Example
from chatgui.ui.item_view import item_html, printable, shown

CELL_CHARACTERS = 200
PIECE_TOKENS = 16
"""Most tokens joined into one piece while they do not decode cleanly."""


@dataclass(frozen=True)
class Page:
    """One page of a longer list; `number` counts from 1, `start` is the place of its first item."""

    number: int
    pages: int
    start: int
    stop: int


def page_of(count: int, number: float | None, size: int) -> Page:
    """The page asked for, moved into what there is."""
    pages = max(1, -(-count // size))
    number = min(max(int(number or 1), 1), pages)
    return Page(number, pages, (number - 1) * size, min(number * size, count))


def conversations_html(rows: Sequence[tuple[int, Row, str]], language: str) -> str:
    """Cards of rows, each with its number and its split. Says so when there are none."""
    if not rows:
        return f'<p class="nothing">{escape(say("dataset.no_rows", language))}</p>'
    return f'<div class="talks">{"".join(_card(number, row, split, language) for number, row, split in rows)}</div>'


def _card(number: int, row: Row, split: str, language: str) -> str:
    return card_html(number, row, say(f"dataset.split.{split}", language), language, kind=f"split {split}")


def card_html(number: int, row: Row, note: str, language: str, kind: str = "split") -> str:
    """One row with its number, its place in the source and a note."""
    place = say("dataset.place", language, origin=row.origin, line=row.line)
    head = f'<header><b>{number:,}</b> <span>{shown(place)}</span><span class="{kind}">{escape(note)}</span></header>'
    return f'<article class="talk">{head}{item_html(row.item, language)}</article>'


def dropped_html(rows: Sequence[Dropped], language: str) -> str:
    """A table of the rows that were left out; a plain sentence when there are none."""
    if not rows:
        return f'<p class="nothing good">{escape(say("dataset.nothing_dropped", language))}</p>'
    heads = "".join(
        f"<th>{escape(say(f'dataset.column.{name}', language))}</th>" for name in ("file", "line", "reason")
    )
    body = "".join(
        f"<tr><td>{shown(row.origin)}</td><td>{row.line:,}</td><td>{shown(row.reason.text(language)[:600])}</td></tr>"
        for row in rows
    )
    return f'<table class="dropped"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'


def cell(value: Any) -> str:
    """A raw value as the text of a table cell."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = printable(text)
    return text if len(text) <= CELL_CHARACTERS else text[:CELL_CHARACTERS] + "…"


def raw_table(rows: Sequence[Row], language: str) -> tuple[list[str], list[list[str]]]:
    """Headers and cells of the rows as they stood in the source, behind their file's name and line."""
    columns = list(dict.fromkeys(str(name) for row in rows for name in row.raw))
    headers = [say("dataset.column.file", language), say("dataset.column.line", language), *map(printable, columns)]
    cells = [
        [row.origin, str(row.line), *(cell(row.raw[name]) if name in row.raw else "" for name in columns)]
        for row in rows
    ]
    return headers, cells


def tiles_html(numbers: Mapping[str, str], language: str) -> str:
    """Numbers with their names, side by side."""
    return "".join(
        f'<div class="{name}"><b>{number}</b><span>{escape(say(f"dataset.count.{name}", language))}</span></div>'
        for name, number in numbers.items()
    )


@dataclass(frozen=True)
class Piece:
    """Readable text of one or several tokens that fare alike: `prompt`, `reply`, `end`, `silent` or `cut`."""

    text: str
    kind: str
    tokens: int = 1


def fates(example: Example, whole: Example, end_of_turn_id: int, weighed: Example | None = None) -> list[str]:
    """What becomes of each token of `whole`, the same row encoded without a limit.

    `weighed` is the row as it would be if all its replies were to be learnt: what only that one teaches is `silent`.
    """
    kinds = [
        "prompt" if label == IGNORE_INDEX else "end" if label == end_of_turn_id else "reply" for label in example.labels
    ]
    for at, label in enumerate(weighed.labels[: len(kinds)] if weighed else ()):
        if label != IGNORE_INDEX and kinds[at] == "prompt":
            kinds[at] = "silent"
    return kinds + ["cut"] * (len(whole) - len(example))


def pieces(ids: Sequence[int], kinds: Sequence[str], decode: Callable[[list[int]], str]) -> Iterator[Piece]:
    """Tokens as text. A token that is only part of a character is joined with those that complete it."""
    before: list[int] = []  # the piece before: a tokenizer that writes spaces ahead of words drops them at a start
    part: list[int] = []
    open_text = ""
    for index, (id_, kind) in enumerate(zip(ids, kinds, strict=True)):
        part.append(id_)
        text = decode(before + part)[len(decode(before)) if before else 0 :]
        clean = not text.endswith("\ufffd")
        if clean and open_text and text.startswith(open_text):  # it was no part of a character but U+FFFD itself
            yield Piece(printable(open_text), kind, len(part) - 1)
            before, part, text = part[:-1], part[-1:], text[len(open_text) :]
        last = index + 1 == len(ids) or kinds[index + 1] != kind
        if last or clean or len(part) >= PIECE_TOKENS:
            yield Piece(printable(text), kind, len(part))
            before, part, open_text = part if clean else [], [], ""
        else:
            open_text = text


def joined_html(found: Sequence[Piece], most: int) -> str:
    """Pieces that took several tokens, each once with their number: `云 (2), 雀 (3)`. Empty when there are none."""
    several = list(dict.fromkeys((piece.text, piece.tokens) for piece in found if piece.tokens > 1))
    names = [(text if text.strip() and text.isprintable() else _codes(text), tokens) for text, tokens in several]
    listed = ", ".join(f"<bdi>{shown(name)}</bdi> ({tokens})" for name, tokens in names[:most])
    return listed + (" …" if len(names) > most else "")


def _codes(text: str) -> str:
    return " ".join(f"U+{ord(character):04X}" for character in text)


def examples_html(examples: Mapping[str, Mapping[str, Any]]) -> str:
    """How a row of each format may look."""
    parts = (f"<dt>{shown(name)}</dt><dd>{shown(json.dumps(row))}</dd>" for name, row in examples.items())
    return f"<dl>{''.join(parts)}</dl>"
