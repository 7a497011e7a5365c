from typing import Any

import pytest

from chatgui.data.conversation import Choice
from chatgui.data.formats.ranking import convert, matches
from chatgui.errors import DataError

ROW = {"history": ["A", "B"], "candidate": "C", "clicked": True}


def test_a_row_is_a_choice() -> None:
    assert convert({**ROW, "user": 7, "time": "1970-01-01T00:01:00"}) == Choice(("A", "B"), "C", True, "7", 60.0)


@pytest.mark.parametrize("history", ['["A", "B"]', "A|B", "A\nB", "A; B"])
def test_a_history_in_one_cell_is_taken_apart(history: str) -> None:
    assert convert({**ROW, "history": history}).history == ("A", "B")


@pytest.mark.parametrize("history", [None, "", []])
def test_a_history_may_be_empty(history: Any) -> None:
    assert convert({**ROW, "history": history}).history == ()


@pytest.mark.parametrize(("clicked", "taken"), [(1, True), ("0", False), ("True", True), ("no", False)])
def test_yes_and_no_are_known_under_other_names(clicked: Any, taken: bool) -> None:
    assert convert({**ROW, "clicked": clicked}).clicked is taken


@pytest.mark.parametrize(
    ("time", "seconds"),
    [(1573804522, 1573804522.0), (1573804522000, 1573804522.0), ("11/15/2019 7:55:22 AM", 1573804522.0), ("", None)],
)
def test_times_are_seconds(time: Any, seconds: float | None) -> None:
    assert convert({**ROW, "time": time}).seconds == seconds


def test_a_rating_is_no_click() -> None:
    assert not matches({"history": ["A"], "candidate": "C", "clicked": 4.5})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"candidate": ""}, "candidate is empty"),
        ({"clicked": "perhaps"}, 'clicked holds "perhaps"'),
        ({"time": "soon"}, 'the time "soon" cannot be read'),
        ({"history": 3}, "history holds a int"),
    ],
)
def test_a_row_with_a_hole_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        convert({**ROW, **change})
