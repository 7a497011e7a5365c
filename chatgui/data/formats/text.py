"""Plain text, for pretraining: a `text` column, or documents of a text file with a blank line between them."""

from chatgui.data.conversation import Document
from chatgui.data.formats.columns import Field, Raw
from chatgui.data.formats.turns import content_text
from chatgui.errors import DataError

NAME = "text"
EXAMPLE = {"text": "One day, a little girl found a key in the garden."}
FIELDS = (Field("text", ("content", "raw_content", "document", "正文", "文本"), required=True),)


def matches(row: Raw) -> bool:
    """A text."""
    return isinstance(row.get("text"), str)


def convert(row: Raw) -> Document:
    """Raises DataError for a text without a character in it."""
    text = content_text(row.get("text"))
    if not text.strip():
        raise DataError("data.empty_field", field="text")
    return Document(text)
