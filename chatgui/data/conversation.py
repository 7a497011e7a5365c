"""The forms a row of data can take once its format is known. Everything behind `formats/` speaks these only."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True)
class Message:
    """One turn. `role` is one of ROLES."""

    role: str
    content: str


@dataclass(frozen=True)
class Conversation:
    """Turns in order; at least one is the assistant's. `tools` is the JSON text of the tools on offer, or empty."""

    messages: tuple[Message, ...]
    tools: str = ""

    def as_dicts(self) -> list[dict[str, str]]:
        """The messages as chat templates take them."""
        return [{"role": message.role, "content": message.content} for message in self.messages]


@dataclass(frozen=True)
class Document:
    """Plain text to continue from, for pretraining."""

    text: str


Item = Conversation | Document


@dataclass(frozen=True)
class Row:
    """An item and where it came from."""

    item: Item
    origin: str
    """Name of the file or split it was read from."""
    line: int
    """Line of the file, counted from 1; the row's number where a source has no lines."""
    split: str | None = None
    """Split the source itself assigns (`train`, `validation`, `test`), if it does."""
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """The row as it stood in the source."""


def fingerprint(item: Item) -> str:
    """16 hex digits that are equal exactly when two items are: SHA-256 of their canonical JSON, shortened."""
    text = json.dumps(asdict(item), ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
