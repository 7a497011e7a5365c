"""The forms a row of data can take once its format is known. Everything behind `formats/` speaks these only."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True)
class Message:
    """One turn. `role` is one of ROLES."""

    role: str
    content: str
    weight: Literal[0, 1] = 1
    """0 for a reply that is read, but not learnt (as OpenAI's fine-tuning format has it)."""


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


@dataclass(frozen=True)
class Preference:
    """Two replies to one prompt, of which one was preferred. The prompt's last turn is the user's."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str


@dataclass(frozen=True)
class Judged:
    """One reply to a prompt, and whether it was found good (KTO's form)."""

    prompt: tuple[Message, ...]
    reply: str
    good: bool


@dataclass(frozen=True)
class Labelled:
    """A text, or a pair of texts, and what it is: the names of its labels, or a number to be predicted."""

    text: str
    label: tuple[str, ...] | float
    text_pair: str = ""


@dataclass(frozen=True)
class Tagged:
    """Words and one tag for each, equally many; tags in BIO or BIOES form ("O" is none)."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """A text that was offered to a user after a history of others, oldest first, and whether it was taken."""

    history: tuple[str, ...]
    candidate: str
    clicked: bool
    user: str = ""
    """Who it was, so that a split can keep each user on one side; empty where the data does not say."""
    seconds: float | None = None
    """When it was offered (Unix time), so that the future does not leak into the training."""


Item = Conversation | Document | Preference | Judged | Labelled | Tagged | Choice


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


def is_weighed(item: Item) -> bool:
    """Whether a conversation has a reply that is not to be learnt."""
    return isinstance(item, Conversation) and any(message.weight == 0 for message in item.messages)


def unweighed(item: Item) -> Item:
    """The item as if all its replies were to be learnt."""
    if not isinstance(item, Conversation):
        return item
    return replace(item, messages=tuple(replace(message, weight=1) for message in item.messages))


def fields_of(item: Any) -> dict[str, Any]:
    """An item or a message as plain values, one level deep; the usual weight of a message goes without saying."""
    return {name: value for name, value in vars(item).items() if name != "weight" or value != 1}


def fingerprint(item: Item) -> str:
    """16 hex digits that are equal exactly when two items are: SHA-256 of their canonical JSON, shortened."""
    text = json.dumps(item, ensure_ascii=False, sort_keys=True, default=fields_of)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
