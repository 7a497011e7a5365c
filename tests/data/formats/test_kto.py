from typing import Any

import pytest

from chatgui.data.conversation import Judged, Message
from chatgui.data.formats.kto import convert, matches
from chatgui.errors import DataError

HI = Message("user", "Hi")
SAID = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": SAID, "label": False},
        {"prompt": "Hi", "completion": "Hello", "label": "false"},
        {"prompt": SAID[:1], "completion": SAID[1:], "label": 0},
    ],
)
def test_every_form_becomes_a_judged_reply(row: dict[str, Any]) -> None:
    assert convert(row) == Judged((HI,), "Hello", False)


def test_a_system_column_stands_first() -> None:
    assert convert({"messages": SAID, "label": True, "system": "Be kind."}).prompt == (
        Message("system", "Be kind."), HI,
    )  # fmt: skip


@pytest.mark.parametrize("label", ["positive", None, 2, 1])
def test_a_label_that_is_no_verdict_makes_no_kto(label: Any) -> None:
    assert not matches({"prompt": "Hi", "completion": "Hello", "label": label})


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"messages": SAID, "label": "perhaps"}, 'the verdict "perhaps"'),
        ({"messages": SAID[:1], "label": True}, "the last turn is of the role"),
        ({"messages": SAID[1:], "label": True}, "has a turn before it"),
        ({"prompt": "Hi", "completion": "", "label": True}, "must be about a reply"),
    ],
)
def test_a_row_without_verdict_or_reply_is_refused(row: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        convert(row)
