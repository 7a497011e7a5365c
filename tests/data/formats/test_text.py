import pytest

from chatgui.data.conversation import Document
from chatgui.data.formats.text import convert
from chatgui.errors import DataError


def test_a_text_is_a_document() -> None:
    assert convert({"text": "One day."}) == Document("One day.")


def test_a_text_without_a_character_is_refused() -> None:
    with pytest.raises(DataError, match="text is empty"):
        convert({"text": " \n"})
