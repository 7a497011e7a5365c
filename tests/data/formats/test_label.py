from typing import Any

import pytest

from chatgui.data.conversation import Labelled
from chatgui.data.formats import label, label_pairs, recognise
from chatgui.data.mapping import Mapping, apply
from chatgui.errors import DataError


def read(rows: list[dict[str, Any]]) -> list[Any]:
    found = recognise(rows, "a.csv")
    return [apply(Mapping(found.format, found.columns), row) for row in rows]


@pytest.mark.parametrize(
    ("value", "label_"),
    [
        ("spam", ("spam",)),
        (1, ("1",)),
        (2.0, ("2",)),
        (True, ("True",)),
        (["a", "b"], ("a", "b")),
        (0.5, 0.5),
        ([], ()),
    ],
)
def test_a_label_is_its_names_or_a_number(value: Any, label_: Any) -> None:
    assert label.convert({"text": "Hi", "label": value}) == Labelled("Hi", label_)


def test_a_column_of_fractions_is_predicted_as_a_number_in_every_row() -> None:
    rows = [{"text": f"row {number}", "label": str(number / 2)} for number in range(9)]
    assert [item.label for item in read(rows)] == [number / 2 for number in range(9)]


def test_a_list_of_labels_in_a_table_is_read() -> None:
    assert label.convert({"text": "Hi", "label": '["a", "b"]'}).label == ("a", "b")


def test_two_texts_are_a_pair() -> None:
    assert read([{"premise": "A", "hypothesis": "B", "label": "neutral"}]) == [Labelled("A", ("neutral",), "B")]


def test_a_long_text_is_no_label() -> None:
    rows = [{"text": f"row {number}", "category": "a whole sentence that " * 9} for number in range(9)]
    assert recognise(rows, "a.csv").format == "text"


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"text": "", "label": "a"}, "text is empty"),
        ({"text": "Hi", "label": None}, "label is empty"),
        ({"text": "Hi", "score": "high"}, 'score holds "high"'),
        ({"text": "Hi", "score": "nan"}, 'score holds "nan"'),
    ],
)
def test_a_row_with_a_hole_is_refused(row: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        label.convert(row)


def test_a_pair_with_one_text_is_refused() -> None:
    with pytest.raises(DataError, match="text_pair is empty"):
        label_pairs.convert({"text": "Hi", "text_pair": "", "label": "a"})
