"""The dataset formats, one file each. FORMATS is the table of contents, in the order they are tried.

A format has NAME, EXAMPLE, FIELDS (what it reads, and by which names columns go), `matches(row)` and `convert(row)`,
both on a row under the names of its fields; and, where names alone do not tell which column is which, `bind(rows)`
(field to column) or `guess(rows)` (the same from the values, asked only when no format goes by its names).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import ModuleType
from typing import Any

from chatgui.data.formats import (
    alpaca,
    kto,
    label,
    label_pairs,
    messages,
    preference,
    prompt_completion,
    question_answer,
    ranking,
    sharegpt,
    tags,
    text,
)  # fmt: skip
from chatgui.data.formats.columns import by_name, names, renamed
from chatgui.errors import DataError
from chatgui.text import DEFAULT_LANGUAGE, say

FORMATS: tuple[ModuleType, ...] = (
    preference, kto, messages, sharegpt, alpaca, question_answer, prompt_completion, tags, ranking, label_pairs, label,
    text,
)  # fmt: skip
BY_NAME = {format_.NAME: format_ for format_ in FORMATS}
AUTO = "auto"
SAMPLE_ROWS = 200
ENOUGH = 0.5
"""Share of the sampled rows that must match; a few broken rows must not hide the format of the rest."""


@dataclass(frozen=True)
class Recognition:
    """A format, the columns its fields are read from, and how many of the rows looked at fit it."""

    format: str
    columns: Mapping[str, str]
    """Field of the format to column of the file."""
    fitting: int
    looked_at: int

    @property
    def confidence(self) -> float:
        """Share of the rows looked at that fit, from 0 to 1."""
        return self.fitting / self.looked_at if self.looked_at else 0.0

    def reason(self, language: str = DEFAULT_LANGUAGE) -> str:
        """Why it is this format, as a sentence to show."""
        columns = ", ".join(self.columns.values())
        return say("data.recognised", language, fitting=self.fitting, rows=self.looked_at, columns=columns)


def bind(format_: ModuleType, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Field to column for one format: by its own rule, or by name."""
    return format_.bind(rows) if hasattr(format_, "bind") else by_name(rows, format_.FIELDS)


def tried(format_: ModuleType, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> Recognition:
    """How well a format fits some rows, given the columns."""
    fitting = sum(bool(format_.matches(renamed(row, columns))) for row in rows)
    return Recognition(format_.NAME, columns, fitting, len(rows))


def candidates(rows: Sequence[Mapping[str, Any]]) -> list[Recognition]:
    """Every format with what speaks for it, the best first; of equals the first one in FORMATS."""
    found = [tried(format_, rows, bind(format_, rows)) for format_ in FORMATS]
    if all(each.confidence < ENOUGH for each in found):
        found += [tried(format_, rows, format_.guess(rows)) for format_ in FORMATS if hasattr(format_, "guess")]
    return sorted(found, key=lambda each: -each.confidence)


def recognise(rows: Iterable[Mapping[str, Any]], source: str) -> Recognition:
    """The format that fits most of the first rows.

    Raises DataError that names the columns found and the formats known when none fits at least half of them.
    """
    sample = list(islice(rows, SAMPLE_ROWS))
    best = candidates(sample)[0] if sample else None
    if best is None or best.confidence < ENOUGH:
        columns = ", ".join(names(sample)[:12])
        if rated := _rated(names(sample)):
            raise DataError("data.ratings", source=source, columns=", ".join(rated))
        raise DataError("data.format_unknown", source=source, columns=columns, known=", ".join(BY_NAME))
    return best


def _rated(columns: Sequence[str]) -> tuple[str, ...]:
    """The columns of a table of ratings (MovieLens and its kin), if it is one: who, what, how much."""
    lower = {column.casefold().replace("_", ""): column for column in columns}
    who = [lower[name] for name in ("userid", "user") if name in lower]
    much = [lower[name] for name in ("rating", "ratings") if name in lower]
    what = [lower[name] for name in ("movieid", "itemid", "id", "item", "bookid", "asin") if name in lower]
    return (who[0], what[0], much[0]) if who and much and what else ()
