"""Which rows are trained on, which are watched, and which nobody may see before the end.

Here the remedies are applied as well: the preview and the run divide by the same function, so both see the same rows.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from chatgui.data.conversation import Choice, Item, Row, fingerprint
from chatgui.data.edit import EditedRows, with_edits
from chatgui.data.load import SPLIT_NAMES, DataConfig
from chatgui.data.quality import languages
from chatgui.data.quality.balance import labels_of
from chatgui.data.quality.duplicates import Places, copies_of
from chatgui.data.quality.remedies import dropped_faults, looks_at_rows, mends, unwanted
from chatgui.data.quality.words import text_of
from chatgui.data.rows import Rows
from chatgui.data.selected import Selected
from chatgui.errors import DataError

NAMES = ("train", "validation", "test")
COPIES_TOGETHER = 20_000
"""Rows up to which copies and near copies are kept on one side by themselves; above, the report names the leaks."""


@dataclass(frozen=True)
class Splits:
    """Rows of each split, in the order of the source."""

    train: Selected
    validation: Selected
    test: Selected

    def named(self, name: str) -> Selected:
        """Rows of `train`, `validation` or `test`. Raises DataError for another name."""
        if name not in NAMES:
            raise DataError("data.split_unknown", found=name, allowed=", ".join(NAMES))
        return getattr(self, name)

    def fingerprints(self) -> dict[str, list[str]]:
        """Fingerprint of every row by split, as it goes into `splits.json`."""
        return self._fingerprints

    @cached_property
    def _fingerprints(self) -> dict[str, list[str]]:
        return {name: [fingerprint(row.item) for row in self.named(name)] for name in NAMES}


class Known(Protocol):
    """What a report measured of the rows: it saves reading them again."""

    @property
    def exact(self) -> Places: ...
    @property
    def near(self) -> Places: ...
    @property
    def language(self) -> npt.NDArray[np.int16]: ...
    @property
    def languages(self) -> tuple[str, ...]: ...
    def has(self, fault: str) -> npt.NDArray[np.bool_]:
        """(N,) whether a row has a fault of `roles` or `privacy`."""
        ...


def split(rows: Sequence[Row], config: DataConfig, known: Known | None = None) -> Splits:
    """Clean by the remedies and divide by seed, column, group, label or time.

    A split that the source assigns itself is kept as it is, and no rows are taken for it. Copies of a row stay on one
    side. At least one row stays for training: raises DataError when the source leaves none, and when a column that
    the division needs is not there.
    """
    cleaning = _Cleaning(rows, config, known)
    kept = cleaning.kept()
    assigned = _assigned(cleaning.rows, config)[kept]
    parts = {name: kept[assigned == name] for name in NAMES}
    pool = kept[(assigned == "") | (assigned == "train")]
    if not len(pool):
        raise DataError("data.no_train", rows=len(rows))
    config = _decided(cleaning, pool, config)
    taken = _take(cleaning, pool, config, {name for name in NAMES if len(parts[name])})
    held = {name: np.sort(np.concatenate([parts[name], taken[name]])) for name in ("validation", "test")}
    train = np.setdiff1d(pool, np.concatenate(list(taken.values())), assume_unique=True)
    if config.remedies.leaked == "drop":
        train = cleaning.without_leaks(train, np.concatenate(list(held.values())))
        held["validation"] = cleaning.without_leaks(held["validation"], held["test"])
    return Splits(*(cleaning.select(places) for places in (train, held["validation"], held["test"])))


class _Cleaning:
    """The remedies over one sequence of rows; what several of them need is found once."""

    def __init__(self, rows: Sequence[Row], config: DataConfig, known: Known | None) -> None:
        self.config = config
        self.remedies = config.remedies
        rows = with_edits(rows, config.edits)
        self.rows = Selected(rows, np.arange(len(rows)), mends(config.remedies))
        self._known = None if self.rows.mends else known  # rows were measured before they were mended

    @cached_property
    def items(self) -> Sequence[Item]:
        return _Items(self.rows)

    @cached_property
    def copies(self) -> tuple[Places, Places]:
        """Of every row the earlier one that it repeats, exactly and nearly; places as in `rows`."""
        return copies_of(self.items) if self._known is None else (self._known.exact, self._known.near)

    def kept(self) -> Places:
        """Places of the rows that no remedy drops."""
        places = np.arange(len(self.rows))
        if not looks_at_rows(self.remedies):
            return places
        keep = np.ones(len(places), bool)
        if dropped_faults(self.remedies):
            keep &= ~self._faulty()
        if self.remedies.duplicates == "drop":
            keep &= self.copies[0] == places
        if self.remedies.near_duplicates == "drop":
            keep &= self.copies[1] == places
        if self.remedies.languages == "drop":
            keep &= ~self._strange()
        return places[keep]

    def _faulty(self) -> npt.NDArray[np.bool_]:
        """(N,) whether a row is dropped for what stands in it alone."""
        if self._known is not None:
            return np.any([self._known.has(fault) for fault in dropped_faults(self.remedies)], axis=0)
        is_unwanted = unwanted(self.remedies)
        return np.fromiter((is_unwanted(item) for item in self.items), bool, len(self.rows))

    def _strange(self) -> npt.NDArray[np.bool_]:
        """(N,) whether a row's language is not the data's own."""
        if self._known is not None:
            codes = np.array(self._known.languages)[self._known.language]
        else:
            codes = np.array([languages.language_of(text_of(item)) for item in self.items])
        return np.isin(codes, list(languages.strangers(codes.tolist())))

    def groups(self, places: Places) -> Places:
        """(N,) for each of some places the first row of its copies."""
        exact, near = self.copies
        return near[exact[places]]

    def without_leaks(self, train: Places, held: Places) -> Places:
        """Places that repeat nothing of what is held back."""
        return train[~np.isin(self.groups(train), self.groups(held))]

    def select(self, places: Places) -> Selected:
        return Selected(self.rows.rows, places, self.rows.mends)


class _Items(Sequence[Item]):
    """The items of rows, read one by one."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Item:  # type: ignore[override]
        return self._rows[index].item

    def __iter__(self) -> Iterator[Item]:
        return (row.item for row in self._rows)


def _assigned(rows: Selected, config: DataConfig) -> npt.NDArray[np.str_]:
    """(N,) the split that the source names for each row, in the way the config says; empty where it names none."""
    if config.split_by != "column":
        return source_splits(rows.rows)
    values = (str(_value(row, config.split_column)).strip().lower() for row in rows)
    return np.array([SPLIT_NAMES.get(value, "") for value in values])


def source_splits(rows: Sequence[Row]) -> npt.NDArray[np.str_]:
    """(N,) the split that the files of a source stand for; no row is read for it where that can be helped."""
    if isinstance(rows, EditedRows):
        own = source_splits(rows.rows)
        return np.concatenate([own, np.full(int(rows.sources.max(initial=-1)) + 1, "", own.dtype)])[rows.sources]
    if isinstance(rows, Rows):
        return np.repeat([part.split or "" for part in rows.parts], [len(part.good) for part in rows.parts])
    return np.array([row.split or "" for row in rows])


def _decided(cleaning: _Cleaning, pool: Places, config: DataConfig) -> DataConfig:
    """The config with a way to divide, where it leaves that open.

    A later row of a user holds in its history what an earlier one asks for: divided by chance, it would give away the
    answers of the test.
    """
    if config.split_by != "auto":
        return config
    way: str = "random"
    if isinstance(cleaning.rows[int(pool[0])].item, Choice):
        choices = [item for place in pool.tolist() if isinstance(item := cleaning.rows[place].item, Choice)]
        timed, named = all(item.seconds is not None for item in choices), any(item.user for item in choices)
        way = "time" if timed else "group" if named else "random"
    return config.model_copy(update={"split_by": way})


def _value(row: Row, column: str | None) -> object:
    if column is None or column not in row.raw:
        raise DataError("data.no_column", column=column or "-", columns=", ".join(map(str, row.raw)))
    return row.raw[column]


def _take(cleaning: _Cleaning, pool: Places, config: DataConfig, given: set[str]) -> dict[str, Places]:
    """Places for test and validation; nothing for a split that the source gives."""
    counts = {
        name: 0 if name in given or config.split_by == "column" else round(len(pool) * fraction)
        for name, fraction in (("test", config.test_fraction), ("validation", config.validation_fraction))
    }
    if not any(counts.values()):
        return {name: pool[:0] for name in counts}
    order = list(range(len(pool)))
    random.Random(config.split_seed).shuffle(order)
    if config.split_by == "time":
        seconds = [_seconds(cleaning.rows[place], config) for place in pool.tolist()]
        order = sorted(range(len(pool)), key=lambda at: (-seconds[at], pool[at]))
    units = _units(cleaning, pool, config)
    if config.split_by == "label":
        return _take_by_label(cleaning, pool, order, units, counts)
    found = _take_in_order(order, units, counts, may_pass=config.split_by != "time")
    return {name: pool[sorted(places)] for name, places in found.items()}


def _take_in_order(
    order: Sequence[int], units: dict[int, list[int]], counts: dict[str, int], *, may_pass: bool = True
) -> dict[str, list[int]]:
    """The first of an order, units whole; one row at least is left over.

    A unit is passed over, where it `may_pass`, when it would take more than twice what is still wanted; when nothing
    else is there, the smallest one is taken.
    """
    taken: dict[str, list[int]] = {name: [] for name in counts}
    used: set[int] = set()
    for name, count in counts.items():
        passed: list[list[int]] = []
        for at in order:
            wanted = count - len(taken[name])
            if wanted <= 0:
                break
            unit = units.get(at, [at])
            if at in used or len(used) + len(unit) >= len(order):
                continue
            if len(unit) <= 2 * wanted or not may_pass:
                taken[name] += unit
                used.update(unit)
            else:
                passed.append(unit)
        if passed and not taken[name]:
            smallest = min(passed, key=len)
            taken[name] += smallest
            used.update(smallest)
    return taken


def _take_by_label(
    cleaning: _Cleaning, pool: Places, order: Sequence[int], units: dict[int, list[int]], counts: dict[str, int]
) -> dict[str, Places]:
    """Of each label the same share. What has several labels, or none, counts by all of them together."""
    members: dict[tuple[str, ...], list[int]] = {}
    for at in order:
        members.setdefault(labels_of(cleaning.rows[int(pool[at])].item), []).append(at)
    taken: dict[str, list[int]] = {name: [] for name in counts}
    shares = {name: count / len(pool) for name, count in counts.items()}
    owed = dict.fromkeys(counts, 0.0)  # what rounding left over goes to the next label, so that the sums come right
    for label in sorted(members):
        wanted = {name: shares[name] * len(members[label]) + owed[name] for name in counts}
        for name, places in _take_in_order(members[label], units, {n: round(w) for n, w in wanted.items()}).items():
            taken[name] += places
            owed[name] = wanted[name] - len(places)
    return {name: pool[sorted(set(places))] for name, places in taken.items()}


def _units(cleaning: _Cleaning, pool: Places, config: DataConfig) -> dict[int, list[int]]:
    """Places within the pool that must stay together, by each of their members; those that stand alone are left out."""
    keys: list[object] = []
    if config.split_by == "time":  # what comes later must stay out of what is learnt, copies or not
        keys = [_moment(cleaning.rows[place].item, place) for place in pool.tolist()]
    elif config.split_by == "group":
        keys = [_group(cleaning.rows[place], config) for place in pool.tolist()]
    elif len(cleaning.rows) <= COPIES_TOGETHER:
        keys = cleaning.groups(pool).tolist()
    members: dict[object, list[int]] = {}
    for at, key in enumerate(keys):
        members.setdefault(key, []).append(at)
    return {at: unit for unit in members.values() if len(unit) > 1 for at in unit}


def _moment(item: Item, place: int) -> object:
    """What was offered to one user at one time stays together; other rows stand alone."""
    return (item.user, item.history, item.seconds) if isinstance(item, Choice) else place


def _group(row: Row, config: DataConfig) -> object:
    if not config.split_column and isinstance(row.item, Choice):
        return row.item.user
    return str(_value(row, config.split_column))


def _seconds(row: Row, config: DataConfig) -> float:
    """When a row was made, as a number that grows with time: Unix seconds, or a date in ISO 8601."""
    from datetime import datetime

    if not config.split_column and isinstance(row.item, Choice) and row.item.seconds is not None:
        return row.item.seconds
    value = str(_value(row, config.split_column))
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(value).timestamp()
    except ValueError as error:
        raise DataError(
            "data.not_a_time", column=config.split_column or "-", found=value[:40], line=row.line
        ) from error
