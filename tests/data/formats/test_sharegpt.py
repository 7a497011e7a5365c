import pytest

from chatgui.data.conversation import Message
from chatgui.data.formats.sharegpt import convert
from chatgui.errors import DataError

TURNS = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]


def test_speakers_become_roles() -> None:
    assert convert({"conversations": TURNS}).messages == (Message("user", "Hi"), Message("assistant", "Hello"))


def test_a_system_column_stands_first() -> None:
    assert convert({"conversations": TURNS, "system": "Be kind."}).messages[0] == Message("system", "Be kind.")


def test_a_function_call_is_the_assistants_and_its_result_the_tools() -> None:
    turns = [
        TURNS[0], {"from": "function_call", "value": "{}"}, {"from": "observation", "value": "7"}, TURNS[1],
    ]  # fmt: skip
    assert [message.role for message in convert({"conversations": turns}).messages] == [
        "user", "assistant", "tool", "assistant",
    ]  # fmt: skip


def test_tools_are_kept() -> None:
    assert convert({"conversations": TURNS, "tools": "[1]"}).tools == "[1]"


def test_exchanges_become_two_turns_each() -> None:
    turns = convert({"conversations": [{"assistant": "Hello", "human": "Hi"}]}).messages
    assert turns == (Message("user", "Hi"), Message("assistant", "Hello"))


def test_an_unknown_speaker_is_refused() -> None:
    with pytest.raises(DataError, match='role "parrot" is not known'):
        convert({"conversations": [{"from": "parrot", "value": "Hi"}]})
