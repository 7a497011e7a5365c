"""Corrections made by hand: a small journal beside the home, laid over the rows; the source is never changed.

A journal is named by the fingerprint of its content, so a run's config that names it always means the same rows.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from chatgui.data.conversation import (
    ROLES,
    Choice,
    Conversation,
    Document,
    Item,
    Judged,
    Labelled,
    Preference,
    Row,
    Tagged,
    fields_of,
    fingerprint,
)
from chatgui.errors import DataError

ADDED = "added by hand"
KINDS: dict[str, type[Item]] = {
    kind.__name__.lower(): kind for kind in (Conversation, Document, Preference, Judged, Labelled, Tagged, Choice)
}


@dataclass(frozen=True)
class Edit:
    """One correction. `place` counts in the rows as the edits before it left them."""

    act: Literal["replace", "delete", "add"]
    place: int
    was: str = ""
    """Fingerprint of the item it was made on: the source may have changed since."""
    item: Item | None = None

    def to_line(self) -> str:
        """A line of the journal."""
        item = None if self.item is None else item_values(self.item)
        return json.dumps({"act": self.act, "place": self.place, "was": self.was, "item": item}, ensure_ascii=False)


class EditedRows(Sequence[Row]):
    """Rows of a source with edits laid over them."""

    def __init__(self, rows: Sequence[Row], edits: Sequence[Edit]) -> None:
        """Raises DataError when the source no longer holds what an edit was made on."""
        self.rows = rows
        self.changed: dict[int, Item] = {}
        """Items put in by hand, by the place in `rows` they stand for; new rows count on from its end."""
        self.sources = np.arange(len(rows), dtype=np.int64)
        """(N,) the place in `rows` that each row stands for; it grows with the row."""
        for number, edit in enumerate(edits):
            self._apply(edit, len(rows) + number)

    def _apply(self, edit: Edit, new: int) -> None:
        if edit.act == "add" and edit.item is not None:
            self.changed[new] = edit.item
            self.sources = np.append(self.sources, new)
            return
        if not 0 <= edit.place < len(self) or fingerprint(self[edit.place].item) != edit.was:
            raise DataError("edit.other_source", row=edit.place + 1)
        if edit.act == "delete":
            self.sources = np.delete(self.sources, edit.place)
        elif edit.item is not None:
            self.changed[int(self.sources[edit.place])] = edit.item

    def places_of(self, sources: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Where some places of `rows` stand now, without those that were deleted; all in order."""
        places = np.searchsorted(self.sources, sources)
        there = places < len(self.sources)
        there[there] = self.sources[places[there]] == sources[there]
        return places[there]

    def __len__(self) -> int:
        return len(self.sources)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = int(self.sources[index])
        if place >= len(self.rows):
            return Row(self.changed[place], ADDED, place - len(self.rows) + 1)
        row = self.rows[place]
        return replace(row, item=self.changed[place]) if place in self.changed else row


def with_edits(rows: Sequence[Row], journal: str | None) -> Sequence[Row]:
    """The rows as the journal leaves them; rows that are edited already stay as they are."""
    if journal is None or isinstance(rows, EditedRows):
        return rows
    return EditedRows(rows, read_journal(Path(journal)))


def read_journal(path: Path) -> list[Edit]:
    """Raises DataError when it is gone, or is not what its name says."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError("edit.gone", path=str(path), reason=error.strerror or str(error)) from error
    if _name(text) != path.name:
        raise DataError("edit.changed", path=str(path))
    return [_edit(json.loads(line)) for line in text.splitlines()]


def write_journal(folder: Path, edits: Sequence[Edit]) -> str | None:
    """Path of the journal with these edits; None when there are none. Older journals stay: runs may name them."""
    if not edits:
        return None
    text = "".join(f"{edit.to_line()}\n" for edit in edits)
    path = folder / _name(text)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    return str(path)


def _name(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16] + ".jsonl"


def _edit(values: Mapping[str, Any]) -> Edit:
    item = None if values["item"] is None else item_from(values["item"])
    return Edit(values["act"], values["place"], values["was"], item)


def item_values(item: Item) -> dict[str, Any]:
    """An item as plain values, its kind among them."""
    return {"kind": type(item).__name__.lower(), **json.loads(json.dumps(item, default=fields_of))}


def item_from(values: Any) -> Item:
    """The item that `item_values` wrote, perhaps corrected by hand since. Raises DataError that says what is wrong."""
    if not isinstance(values, dict) or values.get("kind") not in KINDS:
        found = values.get("kind") if isinstance(values, dict) else type(values).__name__
        raise DataError("edit.bad_kind", found=str(found), allowed=", ".join(KINDS))
    kind = KINDS[values["kind"]]
    try:
        item: Item = TypeAdapter(kind).validate_python({key: value for key, value in values.items() if key != "kind"})
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or values["kind"]
        raise DataError("edit.bad_value", place=place, reason=fault["msg"]) from error
    _check(item)
    return item


def _check(item: Item) -> None:
    if isinstance(item, Conversation):
        for message in item.messages:
            if message.role not in ROLES:
                raise DataError("data.role_unknown", role=message.role, allowed=", ".join(ROLES))
        if not any(message.role == "assistant" and message.content.strip() for message in item.messages):
            raise DataError("data.no_assistant", found=", ".join(message.role for message in item.messages) or "-")
    if isinstance(item, Tagged) and len(item.words) != len(item.tags):
        raise DataError("edit.tags_differ", words=len(item.words), tags=len(item.tags))
