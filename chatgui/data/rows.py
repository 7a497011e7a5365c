"""Rows of one or several tables as items, made when they are asked for. What they are made from is in `tables`."""

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import accumulate, islice
from typing import NamedTuple, overload

import numpy as np

from chatgui.data.conversation import Row
from chatgui.data.formats import SAMPLE_ROWS
from chatgui.data.mapping import Mapping, apply
from chatgui.data.readers import Raw, RawRow
from chatgui.data.selected import Selected
from chatgui.data.tables import Cache, Places, Table
from chatgui.errors import ChatGuiError, DataError

Progress = Callable[[int, int], object]
TOLD_ROWS = 5000
MOST_BROKEN = 20_000
"""Rows looked through for one from which a format could be told."""


class Scan(NamedTuple):
    """Which raw rows of a table are usable, and which are not; places counted from 0."""

    good: Places
    bad: Places


@dataclass(frozen=True)
class Dropped:
    """A row that cannot be used, and why."""

    origin: str
    line: int
    reason: ChatGuiError


@dataclass(frozen=True)
class Part:
    """A table, how its rows become items, and which of them can."""

    table: Table
    mapping: Mapping
    split: str | None
    good: Places
    bad: Places

    def row(self, raw: RawRow) -> Row:
        """Raises DataError when the row cannot be used."""
        line, content = raw
        if isinstance(content, ChatGuiError):
            raise content
        return Row(apply(self.mapping, content), self.table.name, line, self.split, content)


class Rows(Sequence[Row]):
    """The usable rows of all parts, in the order of the source."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = tuple(part for part in parts if len(part.good))
        self._ends = list(accumulate(len(part.good) for part in self.parts))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Selected: ...
    def __getitem__(self, index: int | slice) -> Row | Selected:
        if isinstance(index, slice):
            return Selected(self, np.arange(len(self))[index])
        part, place = _find(self._ends, index)
        found = self.parts[part]
        return found.row(found.table.rows[int(found.good[place])])

    def __iter__(self) -> Iterator[Row]:
        for part in self.parts:
            yield from map(part.row, _at(part.table, part.good))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(Row.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]


class DroppedRows(Sequence[Dropped]):
    """The rows left out; their reasons are found out again when they are asked for, so that a million cost nothing."""

    def __init__(self, parts: Sequence[Part], files: Sequence[Dropped] = ()) -> None:
        self._files = tuple(files)
        self._parts = tuple(part for part in parts if len(part.bad))
        self._ends = list(accumulate([len(files), *(len(part.bad) for part in self._parts)]))

    def __len__(self) -> int:
        return self._ends[-1]

    @overload
    def __getitem__(self, index: int) -> Dropped: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Dropped, ...]: ...
    def __getitem__(self, index: int | slice) -> Dropped | tuple[Dropped, ...]:
        if isinstance(index, slice):
            return tuple(self[place] for place in range(*index.indices(len(self))))
        number, place = _find(self._ends, index)
        if number == 0:
            return self._files[place]
        part = self._parts[number - 1]
        return _reason(part, part.table.rows[int(part.bad[place])])

    def __iter__(self) -> Iterator[Dropped]:
        yield from self._files
        for part in self._parts:
            for raw in _at(part.table, part.bad):
                yield _reason(part, raw)


def _find(ends: Sequence[int], index: int) -> tuple[int, int]:
    """Which part a row is in, and which of its rows it is."""
    count = ends[-1] if ends else 0
    index = index + count if index < 0 else index
    if not 0 <= index < count:
        raise IndexError(index)
    part = bisect_right(ends, index)
    return part, index - (ends[part - 1] if part else 0)


def _at(table: Table, places: Places) -> Iterator[RawRow]:
    """The raw rows at some places: one after the other when they are most of them, by number when they are few."""
    if len(places) == len(table.rows):
        return iter(table.rows)
    if 4 * len(places) < len(table.rows):
        return (table.rows[place] for place in places.tolist())
    wanted = np.zeros(len(table.rows), bool)
    wanted[places] = True
    return (raw for raw, keep in zip(table.rows, wanted, strict=True) if keep)


def _reason(part: Part, raw: RawRow) -> Dropped:
    try:
        part.row(raw)
    except ChatGuiError as error:
        return Dropped(part.table.name, raw[0], error)
    return Dropped(part.table.name, raw[0], DataError("data.file_changed", source=part.table.name))


def first_rows(table: Table) -> list[dict[str, object]]:
    """The first rows that could be read, for a format to be told from them; none when there is none."""
    good = (row for _, row in islice(table.rows, MOST_BROKEN) if not isinstance(row, ChatGuiError))
    return list(map(dict, islice(good, SAMPLE_ROWS)))


def scan(table: Table, mapping: Mapping, tell: Progress | None = None) -> Scan:
    """Try every row once."""
    usable = np.zeros(len(table.rows), bool)
    for place, (_, content) in enumerate(table.rows):
        usable[place] = _is_usable(mapping, content)
        if tell is not None and (place + 1) % TOLD_ROWS == 0:
            tell(place + 1, len(usable))
    if tell is not None:
        tell(len(usable), len(usable))
    return Scan(np.flatnonzero(usable), np.flatnonzero(~usable))


def _is_usable(mapping: Mapping, content: Raw) -> bool:
    if isinstance(content, ChatGuiError):
        return False
    try:
        apply(mapping, content)
    except DataError:
        return False
    return True


def remembered_scan(table: Table, mapping: Mapping, cache: Cache, tell: Progress | None = None) -> Scan:
    """The same; that of a large file is remembered in the cache."""
    if table.print is None:
        return scan(table, mapping, tell)
    how = sha256(json.dumps(asdict(mapping), sort_keys=True).encode()).hexdigest()[:12]
    found = cache.remembered(f"{table.print}-{how}", lambda: scan(table, mapping, tell)._asdict())
    return Scan(found["good"], found["bad"])
