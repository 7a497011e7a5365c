"""Plain text, for pretraining: a `text` column, or documents of a text file with a blank line between them."""

from collections.abc import Mapping
from typing import Any

from chatgui.data.conversation import Document
from chatgui.data.formats.messages import content_text
from chatgui.errors import DataError

NAME = "text"
EXAMPLE = {"text": "One day, a little girl found a key in the garden."}


def matches(row: Mapping[str, Any]) -> bool:
    """A text and no label beside it."""
    return isinstance(row.get("text"), str) and "label" not in row


def convert(row: Mapping[str, Any]) -> Document:
    """Raises DataError for a text without a character in it."""
    text = content_text(row.get("text"))
    if not text.strip():
        raise DataError("data.empty_field", field="text")
    return Document(text)
