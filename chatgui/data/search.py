"""Rows that hold a text, out of millions: a file's bytes are looked through, and only what may be a hit is read."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np

from chatgui.data.conversation import Row
from chatgui.data.edit import EditedRows
from chatgui.data.quality.words import text_of
from chatgui.data.rows import Part, Rows
from chatgui.data.tables import Lines, Places

READ_AT_ONCE = 200
"""Rows read between two signs of life."""
WORD = re.compile(r"[^\W_]+")

Finder = Callable[[bytes], Callable[[int], int]]
"""For some bytes, what tells from a place on where a word may stand next; -1 for nowhere."""


class Looked(NamedTuple):
    """Places of hits, in their order, found among the rows before `rows`."""

    places: list[int]
    rows: int


def search(rows: Sequence[Row], wanted: str) -> Iterator[Looked]:
    """Rows in whose text `wanted` stands, whatever its case, piece by piece as they are found.

    A long table is read only where its bytes hold the longest word of `wanted`: as UTF-8 or escaped as JSON may have
    it. (What becomes an ASCII letter by case alone, such as the Kelvin sign, is not found that way.)
    """
    folded = wanted.casefold()
    for candidates, looked in _candidates(rows, wanted):
        places = iter(candidates.tolist())
        while piece := list(islice(places, READ_AT_ONCE)):
            hits = [place for place in piece if folded in text_of(rows[place].item).casefold()]
            yield Looked(hits, piece[-1] + 1)
        yield Looked([], looked)


def _candidates(rows: Sequence[Row], wanted: str) -> Iterator[tuple[Places, int]]:
    """Places that are worth reading, and the rows looked at so far; in order."""
    find = finder(wanted)
    if isinstance(rows, EditedRows):
        yield from _beneath_edits(rows, wanted)
    elif isinstance(rows, Rows) and find is not None:
        first = 0
        for part in rows.parts:
            for places, looked in _in_part(part, find):
                yield places + first, first + looked
            first += len(part.good)
    else:
        for start in range(0, len(rows), READ_AT_ONCE):
            stop = min(start + READ_AT_ONCE, len(rows))
            yield np.arange(start, stop), stop


def _beneath_edits(rows: EditedRows, wanted: str) -> Iterator[tuple[Places, int]]:
    """What the source's own bytes cannot tell, the changed rows, is always worth reading."""
    changed = np.array(sorted(rows.changed), np.int64)
    before = 0
    for places, looked in _candidates(rows.rows, wanted):
        own = changed[(changed >= before) & (changed < looked)]
        yield rows.places_of(np.union1d(places, own)), int(np.searchsorted(rows.sources, looked))
        before = looked
    yield rows.places_of(changed[changed >= before]), len(rows)


def _in_part(part: Part, find: Finder) -> Iterator[tuple[Places, int]]:
    table = part.table.rows
    if not isinstance(table, Lines):
        yield np.arange(len(part.good)), len(part.good)
        return
    for first, last, content in table.parts():
        starts = (table.starts[first:last] - table.starts[first]).tolist()
        found, find_next = [], find(content)
        at = find_next(0)
        while at >= 0:
            index = bisect_right(starts, at) - 1
            found.append(first + index)
            at = find_next(starts[index + 1]) if index + 1 < len(starts) else -1
        lines = np.array(found, np.int64)
        places = np.searchsorted(part.good, lines)
        usable = places < len(part.good)
        usable[usable] = part.good[places[usable]] == lines[usable]
        yield places[usable], int(np.searchsorted(part.good, last))


def finder(wanted: str) -> Finder | None:
    """Looks for the longest word of a text in the bytes of JSON; None when the text has no word."""
    words = WORD.findall(wanted)
    if not words:
        return None
    word = max(words, key=lambda word: len(word.encode()))
    if word.isascii():
        lowered = word.lower().encode()
        return lambda content: partial(content.lower().find, lowered)
    if word.lower() == word.upper():  # Chinese, say
        forms = sorted(_forms(word))
        return lambda content: _first_of(content, forms)
    pattern = re.compile(b"".join(b"(?:%s)" % b"|".join(map(re.escape, sorted(_spellings(one)))) for one in word))

    def find_in(content: bytes) -> Callable[[int], int]:
        def find(start: int) -> int:
            found = pattern.search(content, start)
            return found.start() if found else -1

        return find

    return find_in


def _first_of(content: bytes, forms: Sequence[bytes]) -> Callable[[int], int]:
    following = dict.fromkeys(forms, -1)
    """Where each form stands next: what stands nowhere must not be looked for again and again."""

    def find(start: int) -> int:
        for form, at in following.items():
            if at < start:
                found = content.find(form, start)
                following[form] = found if found >= 0 else len(content)
        first = min(following.values())
        return first if first < len(content) else -1

    return find


def _spellings(character: str) -> set[bytes]:
    return {form for variant in (character.lower(), character.upper(), character) for form in _forms(variant)}


def _forms(text: str) -> set[bytes]:
    """A text as JSON may hold it: as UTF-8, or escaped with small or capital digits."""
    units = text.encode("utf-16-be", "surrogatepass").hex()
    parts = [units[at : at + 4] for at in range(0, len(units), 4)]
    escaped = ("".join(f"\\u{case(part)}" for part in parts) for case in (str.lower, str.upper))
    return {text.encode("utf-8", "surrogatepass"), *(form.encode() for form in escaped)}
