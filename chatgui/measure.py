"""One pass over all rows: what each is and how long it becomes under a tokenizer.

Nothing of it depends on remedies or splits, so a report stays right while those are being chosen. Large data is
measured by as many processes as there are cores. `python -m chatgui.measure CONFIG.yaml FOLDER` measures in a process
of its own and says how far it is, a line of JSON at a time. Knows no page.
"""

import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chatgui.config import RunConfig, read_config
from chatgui.data.conversation import Item, Row
from chatgui.data.edit import with_edits
from chatgui.data.load import DataConfig, Dataset, load
from chatgui.data.quality import languages, privacy, roles
from chatgui.data.quality.balance import labels_of
from chatgui.data.quality.duplicates import Places, Sketches, exact_copies, key_of, near_copies, sketch
from chatgui.data.quality.words import text_of, texts_of
from chatgui.errors import DataError
from chatgui.models import load_template, spare_torch
from chatgui.prepare import length_limit
from chatgui.tokens.template import Template

FAULTS = (*roles.FAULTS, *privacy.KINDS, "special_tokens")
"""Bits of `Measures.faults`, the first one worth 1."""
FINE, REPLY_LOST, UNFIT = range(3)
CHUNK_ROWS = 200
"""Rows between two looks at whether to stop."""
PART_ROWS = 1_000
"""Rows that one process is given at a time."""
ALONE_ROWS = 20_000
"""Rows up to which one process is quicker than the start of several."""

Tell = Callable[[int, int], None]
"""Hears rows done and rows in all."""


@dataclass(frozen=True)
class Unfit:
    """A row that gives no example: its place and the error's key and values."""

    place: int
    reason: dict[str, Any]


@dataclass(frozen=True)
class Measures:
    """Columns over N rows in the order of the source."""

    exact: Places
    """The first row that holds the same; its own place where there is none."""
    near: Places
    """The earlier row that it nearly repeats; its own place where there is none."""
    language: npt.NDArray[np.int16]
    """Index into `languages`."""
    languages: tuple[str, ...]
    label: npt.NDArray[np.int32]
    """Index into `labels`."""
    labels: tuple[tuple[str, ...], ...]
    faults: npt.NDArray[np.uint16]
    """Bits in the order of FAULTS."""
    tokens: npt.NDArray[np.int32]
    """Length before cutting; 0 where it is not known."""
    cut: npt.NDArray[np.int32]
    """Tokens beyond the limit that are left out."""
    supervised: npt.NDArray[np.int32]
    """Labels that teach."""
    fate: npt.NDArray[np.uint8]
    """FINE, REPLY_LOST or UNFIT."""
    unfit: tuple[Unfit, ...]
    limit: int
    """Tokens an example may have."""
    seconds: float

    def __len__(self) -> int:
        return len(self.exact)

    def has(self, fault: str) -> npt.NDArray[np.bool_]:
        """(N,) whether a row has one of FAULTS."""
        return (self.faults >> FAULTS.index(fault)) & 1 == 1

    def save(self, folder: Path) -> None:
        """Columns and the rest, as `read` takes them."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "columns.npz", **{name: getattr(self, name) for name in COLUMNS})
        rest = {
            "languages": self.languages, "labels": self.labels, "limit": self.limit, "seconds": self.seconds,
            "unfit": [[unfit.place, unfit.reason] for unfit in self.unfit],
        }  # fmt: skip
        temporary = folder / "rest.tmp"
        temporary.write_text(json.dumps(rest, ensure_ascii=False), encoding="utf-8")
        temporary.rename(folder / "rest.json")  # last: with it the folder is whole

    @classmethod
    def read(cls, folder: Path) -> "Measures | None":
        """What `save` wrote; None when it is not there or not whole."""
        try:
            rest = json.loads((folder / "rest.json").read_text(encoding="utf-8"))
            with np.load(folder / "columns.npz") as columns:
                arrays = {name: columns[name] for name in COLUMNS}
        except (OSError, ValueError, KeyError):
            return None
        unfit = tuple(Unfit(place, reason) for place, reason in rest.pop("unfit"))
        labels = tuple(tuple(names) for names in rest.pop("labels"))
        return cls(**arrays, unfit=unfit, labels=labels, languages=tuple(rest.pop("languages")), **rest)


COLUMNS = ("exact", "near", "language", "label", "faults", "tokens", "cut", "supervised", "fate")


def measure(
    config: RunConfig, rows: Sequence[Row], tell: Tell = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Measures | None:  # fmt: skip
    """Measure all rows; None when it was stopped. Raises ModelError when the tokenizer is not there."""
    start = time.monotonic()
    total = _Columns(len(rows))
    for part in _parts(config, rows, should_stop):
        total.add(part)
        tell(len(total.keys), len(rows))
        if should_stop():
            return None
    exact = exact_copies(np.array(total.keys, np.uint64))
    near = near_copies(total.sketches, exact, lambda place: text_of(rows[place].item), should_stop)
    if should_stop():
        return None
    return Measures(
        exact=exact, near=near,
        language=np.array(total.language, np.int16), languages=tuple(total.languages),
        label=np.array(total.label, np.int32), labels=tuple(total.labels),
        faults=np.array(total.faults, np.uint16), tokens=np.array(total.tokens, np.int32),
        cut=np.array(total.cut, np.int32), supervised=np.array(total.supervised, np.int32),
        fate=np.array(total.fate, np.uint8), unfit=tuple(total.unfit), limit=length_limit(config),
        seconds=time.monotonic() - start,
    )  # fmt: skip


@dataclass
class _Part:
    """Columns of some neighbouring rows; languages and labels by name."""

    sketches: Sketches
    keys: list[int] = field(default_factory=list)
    language: list[str] = field(default_factory=list)
    label: list[tuple[str, ...]] = field(default_factory=list)
    faults: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    supervised: list[int] = field(default_factory=list)
    fate: list[int] = field(default_factory=list)
    unfit: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Places count from the part's beginning."""


class _Columns:
    """The parts laid end to end, names turned into numbers. Arrays and not lists: a million rows must stay small."""

    def __init__(self, count: int) -> None:
        from array import array

        self.sketches = Sketches.empty(count)
        self.keys, self.language, self.label = array("Q"), array("h"), array("i")
        self.faults, self.fate = array("H"), array("B")
        self.tokens, self.cut, self.supervised = array("i"), array("i"), array("i")
        self.languages: dict[str, int] = {}
        self.labels: dict[tuple[str, ...], int] = {}
        self.unfit: list[Unfit] = []

    def add(self, part: _Part) -> None:
        begin = len(self.keys)
        for name in ("keys", "faults", "tokens", "cut", "supervised", "fate"):
            getattr(self, name).extend(getattr(part, name))
        end = begin + len(part.keys)
        self.sketches.bands[begin:end], self.sketches.marks[begin:end] = part.sketches
        self.language.extend(self.languages.setdefault(name, len(self.languages)) for name in part.language)
        self.label.extend(self.labels.setdefault(names, len(self.labels)) for names in part.label)
        self.unfit += (Unfit(begin + place, reason) for place, reason in part.unfit)


def _parts(config: RunConfig, rows: Sequence[Row], should_stop: Callable[[], bool]) -> Iterator[_Part]:
    if len(rows) <= ALONE_ROWS:
        template, limit = load_template(config.model), length_limit(config)
        for start in range(0, len(rows), CHUNK_ROWS):
            stop = min(start + CHUNK_ROWS, len(rows))
            yield _measure([rows[place].item for place in range(start, stop)], config, template, limit)
        return
    ranges = [(start, min(start + PART_ROWS, len(rows))) for start in range(0, len(rows), PART_ROWS)]
    pool = ProcessPoolExecutor(
        os.cpu_count(),
        multiprocessing.get_context("spawn"), _open, (config,),
    )  # fmt: skip
    try:
        waiting: list[Future[_Part]] = [pool.submit(_measure_range, *ends) for ends in ranges]
        while waiting:
            yield waiting.pop(0).result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def edited(dataset: Dataset, config: DataConfig) -> Dataset:
    """The data with the corrections that its config names."""
    return dataset if config.edits is None else replace(dataset, rows=with_edits(dataset.rows, config.edits))


_opened: dict[str, Any] = {}
"""Of a worker process: config, rows, template and limit, opened once."""


def _open(config: RunConfig) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one process a core already
    spare_torch()
    rows = edited(load(config.data), config.data).rows
    _opened.update(config=config, rows=rows, template=load_template(config.model), limit=length_limit(config))


def _measure_range(start: int, stop: int) -> _Part:
    rows = _opened["rows"]
    items = [rows[place].item for place in range(start, stop)]
    return _measure(items, _opened["config"], _opened["template"], _opened["limit"])


def _measure(items: Sequence[Item], config: RunConfig, template: Template, limit: int) -> _Part:
    part = _Part(sketch(items))
    for place, item in enumerate(items):
        part.keys.append(key_of(item))
        part.language.append(languages.language_of(text_of(item)))
        part.label.append(labels_of(item))
        part.faults.append(_faults(item, template))
        _encode(part, place, item, config, template, limit)
    return part


def _faults(item: Item, template: Template) -> int:
    texts = texts_of(item)
    found = {*roles.faults(item), *privacy.kinds(texts)}
    if any(map(template.literals.found, texts)):
        found.add("special_tokens")
    return sum(1 << bit for bit, name in enumerate(FAULTS) if name in found)


def _encode(part: _Part, place: int, item: Item, config: RunConfig, template: Template, limit: int) -> None:
    try:
        example = config.task.make_example(item, template, limit)
    except DataError as error:
        lost = error.key == "data.reply_cut_away"
        length = error.values["length"] if lost else 0
        part.unfit.append((place, error.plain()))
        tokens, cut, supervised, fate = length, max(0, length - limit), 0, REPLY_LOST if lost else UNFIT
    else:
        tokens, cut, fate = len(example) + example.cut_tokens, example.cut_tokens, FINE
        supervised = example.supervised
    part.tokens.append(tokens)
    part.cut.append(cut)
    part.supervised.append(supervised)
    part.fate.append(fate)


def label_counts(measures: Measures) -> Counter[str]:
    """Rows that have each label."""
    counts: Counter[str] = Counter()
    for index, number in enumerate(np.bincount(measures.label, minlength=len(measures.labels)).tolist()):
        counts.update(dict.fromkeys(measures.labels[index], number))
    return counts


def main(arguments: list[str]) -> int:
    """Measure by a config file into a folder; progress goes to standard output."""
    spare_torch()
    config, folder = read_config(Path(arguments[0])), Path(arguments[1])
    said = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal said
        if done == total or time.monotonic() - said > 0.5:
            print(json.dumps({"done": done, "total": total}), flush=True)
            said = time.monotonic()

    measures = measure(config, edited(load(config.data), config.data).rows, tell)
    if measures is not None:
        measures.save(folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
