"""Fields of a format and the columns they are read from: what goes by which name. Knows no format."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Raw = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """Something a format reads. Its own name is tried first, then the other names in their order."""

    name: str
    others: tuple[str, ...] = ()
    required: bool = False


def names(rows: Iterable[Raw]) -> tuple[str, ...]:
    """All columns of some rows, in the order they first appear."""
    return tuple(dict.fromkeys(str(name) for row in rows for name in row))


def plain(name: str) -> str:
    """A name without the differences that nobody means: `Label_Text` and `label text` are one."""
    return re.sub(r"[\W_]+", "", name.casefold())


def by_name(rows: Sequence[Raw], fields: Sequence[Field]) -> dict[str, str]:
    """Field to column, for the fields of which a column bears one of the names. No column serves two fields."""
    columns = {plain(column): column for column in reversed(names(rows))}  # the first of equals wins
    found: dict[str, str] = {}
    for field in fields:
        for name in (field.name, *field.others):
            column = columns.get(plain(name))
            if column is not None and column not in found.values():
                found[field.name] = column
                break
    return found


def renamed(row: Raw, columns: Mapping[str, str]) -> dict[str, Any]:
    """The row under the names of the fields; columns that serve no field are left out."""
    return {field: row[column] for field, column in columns.items() if column in row}
