"""Which column plays which part, when no format goes by its own names: guessed, corrected by hand, saved, reused.

Pure functions over rows. A mapping travels as JSON, and in a run's config as `data.format`, `data.columns` and
`data.label_names`, so that the run can be repeated.
"""

import json
import re
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chatgui.data.conversation import Item, Labelled, Tagged
from chatgui.data.formats import BY_NAME, ENOUGH, SAMPLE_ROWS, bind, candidates, tried
from chatgui.data.formats.columns import Field, names, renamed
from chatgui.errors import ConfigError, DataError

PAIR = re.compile(r"\s*(\w+)\s*=\s*(\"(?:[^\"\\]|\\.)*\"|[^,\"=][^,=]*?)\s*(?:,|$)")
VERDICTS = ("label", "tags", "clicked")
"""Fields that hold one of a few values."""


@dataclass(frozen=True)
class Mapping:
    """A format and the column that each of its fields is read from."""

    format: str
    columns: Dictionary[str, str] = field(default_factory=dict)
    """Field to column; fields that stand in no column are left out."""
    label_names: tuple[str, ...] = ()
    """Names of labels or tags that the file gives as numbers, in order from 0."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Fields that the format cannot do without and that have no column yet."""
        return tuple(each.name for each in fields(self.format) if each.required and each.name not in self.columns)

    def to_json(self) -> str:
        """As it is saved."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n"


def fields(format_: str) -> tuple[Field, ...]:
    """What a format reads, for a form to offer. Raises DataError for an unknown format."""
    if format_ not in BY_NAME:
        raise DataError("data.mapping_format", found=format_, allowed=", ".join(BY_NAME))
    return BY_NAME[format_].FIELDS


def guess_mapping(rows: Sequence[Dictionary[str, Any]], format_: str | None = None) -> Mapping:
    """The best guess for some rows, complete or not; for one format, or for the one that comes nearest.

    Nearest is the one that most rows fit already, else the one that goes by some of its names and needs the fewest
    guesses, else what the columns look like: two of sentences are questions and answers, one beside few values is a
    text and its label.
    """
    sample = rows[:SAMPLE_ROWS]
    found = [each for each in candidates(sample) if format_ in (None, each.format)]
    if not found:
        raise DataError("data.mapping_format", found=str(format_), allowed=", ".join(BY_NAME))
    nearest = max(found, key=lambda each: (each.confidence, -len(Mapping(each.format, each.columns).missing)))
    if nearest.confidence >= ENOUGH or format_ is not None:
        return _filled(Mapping(nearest.format, dict(nearest.columns)), sample)
    named = [Mapping(each.format, dict(each.columns)) for each in found if each.columns]
    fits = {number: fitting(_filled(mapping, sample), sample) for number, mapping in enumerate(named)}
    best = max(fits, key=lambda number: (fits[number], -len(named[number].missing)), default=None)
    if best is None or fits[best] < ENOUGH:
        return _filled(Mapping(_looks_like(sample)), sample)
    return _filled(named[best], sample)


def _looks_like(rows: Sequence[Dictionary[str, Any]]) -> str:
    """The format that columns of unknown names suggest."""
    different = {name: len({str(row.get(name)) for row in rows}) for name in names(rows)}
    telling = [name for name, count in different.items() if count > 1 or len(rows) == 1]
    sentences = [name for name in telling if _is_sentences(rows, name)]
    if len(sentences) > 1:
        return "question_answer"
    few = [name for name in telling if name not in sentences and different[name] * 3 <= len(rows)]
    return "label" if sentences and few else "text"


def _is_sentences(rows: Sequence[Dictionary[str, Any]], column: str) -> bool:
    values = [row.get(column) for row in rows]
    return sum(isinstance(value, str) and (" " in value or len(value) >= 8) for value in values) * 2 > len(values)


def apply(mapping: Mapping, row: Dictionary[str, Any]) -> Item:
    """The item of one row. Raises DataError that says what is wrong with the row."""
    item: Item = BY_NAME[mapping.format].convert(renamed(row, mapping.columns))
    return _named(item, mapping.label_names) if mapping.label_names else item


def fitting(mapping: Mapping, rows: Sequence[Dictionary[str, Any]]) -> float:
    """Share of some rows that the mapping fits, from 0 to 1."""
    return tried(BY_NAME[mapping.format], rows, mapping.columns).confidence


def check(mapping: Mapping, columns: Sequence[str], source: str) -> Mapping:
    """The mapping itself. Raises DataError for an unknown format, field or column, or a field left without one."""
    known = [each.name for each in fields(mapping.format)]
    format_ = DataError(f"dataset.format.{mapping.format}")  # its name in the reader's language
    there = ", ".join(columns[:20])
    for name, column in mapping.columns.items():
        if name not in known:
            raise DataError("data.mapping_field", found=name, format=format_, allowed=", ".join(known))
        if column not in columns:
            raise DataError("data.mapping_column", source=source, found=column, allowed=there)
    if mapping.missing:
        missing = ", ".join(mapping.missing)
        raise DataError("data.mapping_missing", source=source, format=format_, missing=missing, columns=there)
    return mapping


def from_json(text: str) -> Mapping:
    """A saved mapping. Raises DataError that says what is wrong with it."""
    try:
        values = json.loads(text)
        columns = {str(name): str(column) for name, column in values["columns"].items()}
        mapping = Mapping(str(values["format"]), columns, tuple(map(str, values.get("label_names", ()))))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError("data.mapping_broken") from error
    fields(mapping.format)
    return mapping


def save(mapping: Mapping, path: Path) -> None:
    """Write it to a file, for other data of the same form."""
    path.write_text(mapping.to_json(), encoding="utf-8")


def settings(mapping: Mapping, rows: Sequence[Dictionary[str, Any]]) -> dict[str, str]:
    """`format`, `columns` and `label_names` of the config that reads a source beginning with these rows so.

    A field that goes by its name but is to be left out gets an empty column.
    """
    left_out = [name for name in bind(BY_NAME[mapping.format], rows) if name not in mapping.columns]
    columns = {**dict.fromkeys(left_out, ""), **mapping.columns}
    names_given = ", ".join(mapping.label_names)
    return {"format": mapping.format, "columns": write_columns(columns), "label_names": names_given}


def read_label_names(text: str) -> tuple[str, ...]:
    """Names separated by commas, as the config holds them."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def write_columns(columns: Dictionary[str, str]) -> str:
    """`{"text": "review", "label": "star rating"}` -> `text=review, label=star rating`, as the config holds it."""
    return ", ".join(f"{name}={_quoted(column)}" for name, column in columns.items())


def read_columns(text: str) -> dict[str, str]:
    """The opposite of `write_columns`. Raises ConfigError for a text of another form."""
    found: dict[str, str] = {}
    place = 0
    while place < len(text.rstrip()):
        pair = PAIR.match(text, place)
        if pair is None:
            raise ConfigError("data.columns_broken", field="data.columns", found=text[place : place + 40])
        name, column = pair.groups()
        found[name] = json.loads(column) if column.startswith('"') else column
        place = pair.end()
    return found


def _quoted(column: str) -> str:
    is_plain = column and column == column.strip() and not re.search(r'[,="\\\s]', column.replace(" ", ""))
    return column if is_plain else json.dumps(column, ensure_ascii=False)


def _filled(mapping: Mapping, rows: Sequence[Dictionary[str, Any]]) -> Mapping:
    """Fields that are still missing get columns that nothing else uses.

    A verdict gets the one that says the fewest different things; the others get the longest texts, as they stand in
    the file: what is asked comes before what is answered.
    """
    free = [name for name in names(rows) if name not in mapping.columns.values() and _length(rows, name)]
    columns = dict(mapping.columns)
    for name in mapping.missing:
        if name in VERDICTS and free:
            columns[name] = min(free, key=lambda column: _variety(rows, column))
            free.remove(columns[name])
    texts = [name for name in mapping.missing if name not in VERDICTS]
    longest = sorted(free, key=lambda column: -_length(rows, column))[: len(texts)]
    columns |= dict(zip(texts, (column for column in free if column in longest), strict=False))
    return Mapping(mapping.format, columns, mapping.label_names)


def _length(rows: Sequence[Dictionary[str, Any]], column: str) -> float:
    lengths = [len(str(row[column])) for row in rows if row.get(column) is not None]
    return sum(lengths) / len(lengths) if lengths else 0.0


def _variety(rows: Sequence[Dictionary[str, Any]], column: str) -> tuple[bool, int, float]:
    """Smallest for a column of few different values; one that is always the same says nothing and comes last."""
    different = len({str(row.get(column)) for row in rows})
    return different < 2, different, _length(rows, column)


def _named(item: Item, label_names: tuple[str, ...]) -> Item:
    if isinstance(item, Labelled) and isinstance(item.label, tuple):
        return Labelled(item.text, tuple(_name(each, label_names) for each in item.label), item.text_pair)
    if isinstance(item, Tagged):
        return Tagged(item.words, tuple(_name(each, label_names) for each in item.tags))
    return item


def _name(label: str, label_names: tuple[str, ...]) -> str:
    if not label.lstrip("-").isdigit():
        return label
    if not 0 <= int(label) < len(label_names):
        raise DataError("data.label_unnamed", found=label, known=len(label_names))
    return label_names[int(label)]
