from types import ModuleType
from typing import Any

import pytest

from chatgui.data.formats import FORMATS, recognise
from chatgui.errors import DataError


@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.NAME)
def test_the_example_of_a_format_is_recognised_as_it(format_: ModuleType) -> None:
    assert recognise([format_.EXAMPLE], "a.jsonl") is format_


@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.NAME)
def test_the_example_of_a_format_can_be_converted(format_: ModuleType) -> None:
    assert format_.convert(format_.EXAMPLE)


@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.NAME)
def test_a_row_of_another_form_does_not_match(format_: ModuleType) -> None:
    assert not format_.matches({"title": "A row", "year": 1999})


def test_a_few_broken_rows_do_not_hide_the_format() -> None:
    rows: list[dict[str, Any]] = [{"text": "one"}, {"text": None}, {"text": "three"}]
    assert recognise(rows, "a.jsonl").NAME == "text"


def test_no_rows_have_no_format() -> None:
    with pytest.raises(DataError):
        recognise([], "a.jsonl")
