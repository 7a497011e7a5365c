"""What is wrong with data and what a tokenizer makes of it, told before the run. Pure over what was measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from chatgui.config import RunConfig
from chatgui.data.conversation import Row
from chatgui.data.load import Dataset
from chatgui.data.quality import balance, languages
from chatgui.data.quality.duplicates import Places
from chatgui.data.split import NAMES, Splits, split
from chatgui.measure import FINE, REPLY_LOST, UNFIT, Measures, edited, label_counts, measure
from chatgui.prepare import fit
from chatgui.tasks import task_for
from chatgui.text import DEFAULT_LANGUAGE, say

REMEDY_OF = {
    "duplicates": "duplicates", "near_duplicates": "near_duplicates", "leaked": "leaked", "cut": "long_rows",
    "empty_turns": "empty_turns", "one_sided": "one_sided", "roles": "roles", "language": "languages",
    "email": "private", "phone": "private", "card": "private", "special_tokens": "special_tokens",
}  # fmt: skip
"""The field of `data.remedies` that mends a kind of finding; kinds without one are only told."""
NOWHERE, TRAIN, VALIDATION, TEST = range(4)
BARS = 40
"""Most of the histogram."""


@dataclass(frozen=True)
class Finding:
    """One kind of fault: the rows that have it, and of a copy the row that it repeats."""

    kind: str
    places: Places
    partners: Places | None = None
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Rows that have it."""
        return len(self.places)


@dataclass(frozen=True)
class Report:
    """Measures with their meaning under one division into splits."""

    dataset: Dataset
    config: RunConfig
    """Its task is fitted to all rows."""
    splits: Splits
    measures: Measures
    findings: tuple[Finding, ...]

    @property
    def kept(self) -> int:
        """Rows that the run will use, for training or for judging."""
        fine = self.measures.fate == FINE
        if self.config.data.remedies.long_rows == "drop":
            fine &= self.measures.cut == 0
        if self.config.data.remedies.special_tokens == "drop":
            fine &= ~self.measures.has("special_tokens")
        return int(sum(fine[self.splits.named(name).places].sum() for name in NAMES))

    @property
    def supervised_share(self) -> float:
        """Labels that teach, as a share of all tokens within the limit."""
        within = int((self.measures.tokens - self.measures.cut)[self.measures.fate == FINE].sum())
        return int(self.measures.supervised.sum()) / within if within else 0.0

    def lengths(self) -> dict[str, int]:
        """Tokens per row before cutting: median, 95th percentile, maximum; and rows over the limit."""
        tokens = np.sort(self.measures.tokens[self.measures.tokens > 0])
        if not len(tokens):
            return {"median": 0, "p95": 0, "max": 0, "over_limit": 0}
        p95 = tokens[min(len(tokens) - 1, int(0.95 * len(tokens)))]
        over = int((self.measures.cut > 0).sum())
        return {"median": round(float(np.median(tokens))), "p95": int(p95), "max": int(tokens[-1]), "over_limit": over}


@dataclass(frozen=True)
class Bar:
    """Rows whose length is at least `start` and below `stop` tokens."""

    start: int
    stop: int
    count: int


def histogram(measures: Measures) -> list[Bar]:
    """Lengths in at most BARS bars of one width; what the limit cuts and what it does not share no bar."""
    tokens = measures.tokens[measures.tokens > 0]
    if not len(tokens):
        return []
    width = max(1, -(-int(np.percentile(tokens, 99.5)) // BARS))
    edges = sorted({*range(0, width * BARS + 1, width), measures.limit + 1, int(tokens.max()) + 1})
    edges = [edge for edge in edges if edge <= int(tokens.max()) + 1]
    counts, _ = np.histogram(tokens, [*edges[:-1], edges[-1] - 0.5])
    return [Bar(edges[at], edges[at + 1], int(count)) for at, count in enumerate(counts)]


def prepared_config(config: RunConfig, dataset: Dataset) -> RunConfig:
    """The config with a task that the rows are for, fitted to them."""
    item = dataset.rows[0].item
    task = config.task if isinstance(item, config.task.ACCEPTS) else task_for(item)
    return fit(config.model_copy(update={"task": task}), dataset.rows)


def report(dataset: Dataset, config: RunConfig, splits: Splits, measures: Measures) -> Report:
    """The findings among measured rows."""
    sides = _sides(dataset.rows, config, splits, measures)
    findings = [
        *_copies(measures, sides),
        Finding("cut", np.flatnonzero((measures.cut > 0) & (measures.fate == FINE)), values={"limit": measures.limit}),
        Finding("reply_lost", np.flatnonzero(measures.fate == REPLY_LOST), values={"limit": measures.limit}),
        Finding("unfit", np.flatnonzero(measures.fate == UNFIT)),
        *(Finding(name, np.flatnonzero(measures.has(name))) for name in ("empty_turns", "one_sided", "roles")),
        _language(measures),
        *(Finding(name, np.flatnonzero(measures.has(name))) for name in ("email", "phone", "card", "special_tokens")),
        _imbalance(measures),
    ]
    return Report(dataset, config, splits, measures, tuple(finding for finding in findings if finding.count))


def _sides(rows: Sequence[Row], config: RunConfig, splits: Splits, measures: Measures) -> npt.NDArray[np.uint8]:
    """(N,) the split of each row as it would be without remedies, so that a leak stays told once it is mended."""
    if config.data.remedies != type(config.data.remedies)():
        plain = config.data.model_copy(update={"remedies": type(config.data.remedies)()})
        splits = split(rows, plain, measures)
    sides = np.full(len(measures), NOWHERE, np.uint8)
    for side, name in enumerate(NAMES, start=TRAIN):
        sides[splits.named(name).places] = side
    return sides


def _copies(measures: Measures, sides: npt.NDArray[np.uint8]) -> list[Finding]:
    """Copies within a split are duplicates; a copy of what is held back is a leak."""
    own = np.arange(len(measures))
    exact_first = _first_of(measures.exact, sides)
    is_copy = exact_first != own
    groups = measures.near[measures.exact]
    near_first = _first_of(groups, sides)
    is_near = (near_first != own) & ~is_copy
    held = [np.where(sides == side, own, -1) for side in (VALIDATION, TEST)]
    partner = np.full(len(measures), -1, np.int64)
    for places, beneath in zip(held, ([TRAIN], [TRAIN, VALIDATION]), strict=True):
        first = np.full(len(measures), -1, np.int64)
        taken = places[places >= 0][::-1]
        first[groups[taken]] = taken  # reversed, so that the first of a group is written last
        leaks = np.isin(sides, beneath) & (first[groups] >= 0)
        partner[leaks] = first[groups][leaks]
    found = []
    for kind, mask, partners in (
        ("duplicates", is_copy, exact_first), ("near_duplicates", is_near, near_first),
        ("leaked", partner >= 0, partner),
    ):  # fmt: skip
        places = np.flatnonzero(mask)
        found.append(Finding(kind, places, partners[places]))
    return found


def _first_of(groups: Places, sides: npt.NDArray[np.uint8]) -> Places:
    """(N,) the first row of the same group on the same side."""
    _, first, inverse = np.unique(groups * 4 + sides, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)


def _language(measures: Measures) -> Finding:
    counts = np.bincount(measures.language, minlength=len(measures.languages)).tolist()
    names = [name for name, count in zip(measures.languages, counts, strict=True) for _ in range(count)]
    strange = languages.strangers(names)
    numbers = [index for index, name in enumerate(measures.languages) if name in strange]
    places = np.flatnonzero(np.isin(measures.language, numbers))
    return Finding("language", places, values={"languages": ", ".join(sorted(strange))})


def _imbalance(measures: Measures) -> Finding:
    counts = label_counts(measures)
    rare = balance.rare(counts)
    numbers = [index for index, names in enumerate(measures.labels) if rare.intersection(names)]
    places = np.flatnonzero(np.isin(measures.label, numbers))
    listed = ", ".join(f"{name} ({counts[name]})" for name in sorted(rare, key=lambda name: counts[name])[:12])
    return Finding("imbalance", places, values={"labels": listed})


def remedy(finding: Finding, config: RunConfig) -> tuple[str, tuple[str, ...]] | None:
    """What is done about a finding now, and everything that could be; None when it can only be told."""
    name = REMEDY_OF.get(finding.kind)
    if name is None:
        return None
    from typing import get_args

    choices = get_args(type(config.data.remedies).model_fields[name].annotation)
    return getattr(config.data.remedies, name), choices


def full_report(config: RunConfig, dataset: Dataset) -> Report:
    """Measure and report, in one go. Raises DataError or ModelError with the sentence to show."""
    dataset = edited(dataset, config.data)
    config = prepared_config(config, dataset)
    measures = measure(config, dataset.rows)
    if measures is None:
        raise RuntimeError("nobody asked it to stop")
    return report(dataset, config, split(dataset.rows, config.data, measures), measures)


def as_row(found: Report, language: str = DEFAULT_LANGUAGE) -> dict[str, Any]:
    """What `chatgui data --json` prints, in plain values."""
    dataset, measures = found.dataset, found.measures
    dropped = [
        *({"origin": row.origin, "line": row.line, "reason": row.reason.text(language)} for row in dataset.dropped),
        *_unfit(found, language),
    ]
    counts = label_counts(measures)
    spoken = np.bincount(measures.language, minlength=len(measures.languages)).tolist()
    return {
        "format": dataset.format, "encoding": dataset.encoding, "rows": dataset.read, "kept": found.kept,
        "dropped": dropped, "splits": {name: len(found.splits.named(name)) for name in NAMES},
        "lengths": {**found.lengths(), "limit": measures.limit}, "supervised_share": round(found.supervised_share, 4),
        "histogram": [[bar.start, bar.stop, bar.count] for bar in histogram(measures)],
        "languages": {name or "unknown": count for name, count in zip(measures.languages, spoken, strict=True)},
        "labels": dict(counts.most_common()), "task": found.config.task.kind,
        "findings": [_finding_row(finding, found) for finding in found.findings],
    }  # fmt: skip


def _unfit(found: Report, language: str) -> Iterable[dict[str, Any]]:
    for unfit in found.measures.unfit:
        row = found.dataset.rows[unfit.place]
        reason = say(unfit.reason["key"], language, **unfit.reason["values"])
        yield {"origin": row.origin, "line": row.line, "reason": reason}


def _finding_row(finding: Finding, found: Report) -> dict[str, Any]:
    rows = [found.dataset.rows[place] for place in finding.places.tolist()]
    row: dict[str, Any] = {"kind": finding.kind, "count": finding.count, "rows": [row.line for row in rows]}
    origins = [row.origin for row in rows]
    if len(set(origins)) > 1 or any(row.split for row in rows):
        row["files"] = origins
    if finding.partners is not None:
        partners = [found.dataset.rows[place] for place in finding.partners.tolist()]
        row["repeats"] = [partner.line for partner in partners]
        if "files" in row:
            row["repeats_files"] = [partner.origin for partner in partners]
    if (chosen := remedy(finding, found.config)) is not None:
        row |= {"remedy": chosen[0], "remedies": list(chosen[1])}
    return {**row, **finding.values}
