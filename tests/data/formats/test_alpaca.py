import pytest

from chatgui.data.conversation import Message
from chatgui.data.formats.alpaca import bind, convert, matches
from chatgui.errors import DataError


def test_input_stands_on_a_line_below_the_instruction() -> None:
    row = {"instruction": "Translate.", "input": "Hi", "output": "Salut"}
    assert convert(row).messages == (Message("user", "Translate.\nHi"), Message("assistant", "Salut"))


@pytest.mark.parametrize("empty", ["", None, "  \n"])
def test_without_input_no_empty_line_is_left(empty: str | None) -> None:
    assert convert({"instruction": "Sing.", "input": empty, "output": "La"}).messages[0].content == "Sing."


def test_system_and_history_come_first() -> None:
    row = {"instruction": "And you?", "output": "Well.", "system": "Be kind.", "history": [["Hi", "Hello"]]}
    assert [(message.role, message.content) for message in convert(row).messages] == [
        ("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello"), ("user", "And you?"), ("assistant", "Well."),
    ]  # fmt: skip


def test_the_reply_may_be_called_response() -> None:
    rows = [{"instruction": "Sing.", "response": "La"}]
    assert bind(rows) == {"instruction": "instruction", "output": "response"}


def test_a_context_that_never_changes_is_no_input() -> None:
    rows = [{"instruction": f"{n}?", "context": "customer support", "response": "La"} for n in range(3)]
    assert "input" not in bind(rows)
    assert bind([*rows, {**rows[0], "context": "Al did."}])["input"] == "context"


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"instruction": " ", "output": "La"}, "instruction is empty"),
        ({"instruction": "Sing.", "output": ""}, "no reply of the assistant"),
        ({"instruction": "Sing.", "output": "La", "history": ["Hi"]}, "is not a pair"),
    ],
)
def test_a_row_with_a_hole_is_refused(row: dict, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        convert(row)


def test_a_list_of_outputs_is_a_ranking() -> None:
    assert not matches({"instruction": "Sing.", "output": ["La", "Lo"]})
