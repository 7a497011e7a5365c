import pytest

from chatgui.data.conversation import Message
from chatgui.data.formats.messages import convert
from chatgui.data.formats.turns import content_text
from chatgui.errors import DataError

REPLY = {"role": "assistant", "content": "Hello"}


def test_messages_become_turns() -> None:
    conversation = convert({"messages": [{"role": "user", "content": "Hi"}, REPLY]})
    assert conversation.messages == (Message("user", "Hi"), Message("assistant", "Hello"))


@pytest.mark.parametrize(("alias", "role"), [("developer", "system"), ("human", "user"), ("function", "tool")])
def test_other_names_of_a_role_are_known(alias: str, role: str) -> None:
    assert convert({"messages": [{"role": alias, "content": "Hi"}, REPLY]}).messages[0].role == role


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Hi", "Hi"),
        (None, ""),
        ([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}], "one\ntwo"),
        ([{"type": "text", "value": "one"}, "two"], "one\ntwo"),
    ],
)
def test_typed_content_is_text(content: object, text: str) -> None:
    assert content_text(content) == text


@pytest.mark.parametrize("content", [7, {"text": "Hi"}, [{"type": "image_url", "image_url": "a.png"}], [3]])
def test_content_that_is_no_text_is_refused(content: object) -> None:
    with pytest.raises(DataError, match="is not text"):
        content_text(content)


def test_a_tool_call_is_part_of_the_reply() -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": None, "tool_calls": [{"name": "now"}]}]
    assert convert({"messages": turns}).messages[1].content == '[{"name": "now"}]'


def test_tools_are_kept_as_json() -> None:
    row = {"messages": [{"role": "user", "content": "Hi"}, REPLY], "tools": [{"name": "now"}]}
    assert convert(row).tools == '[{"name": "now"}]'


def test_a_weight_of_zero_is_kept_with_its_reply_and_with_no_other_turn() -> None:
    turns = [
        {"role": "user", "content": "a", "weight": 0}, {"role": "assistant", "content": "b", "weight": 0},
        {"role": "user", "content": "c"}, {"role": "assistant", "content": "d", "weight": 1},
        {"role": "assistant", "content": "e", "weight": None},
    ]  # fmt: skip
    assert [message.weight for message in convert({"messages": turns}).messages] == [1, 0, 1, 1, 1]
