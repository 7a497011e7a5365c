import pytest

from chatgui.data.conversation import Message
from chatgui.data.formats.prompt_completion import convert
from chatgui.errors import DataError


def test_prompt_and_completion_become_two_turns() -> None:
    assert convert({"prompt": "Hi", "completion": "Hello"}).messages == (
        Message("user", "Hi"), Message("assistant", "Hello"),
    )  # fmt: skip


def test_messages_on_both_sides_are_joined() -> None:
    row = {
        "prompt": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}],
        "completion": "Hello",
    }
    assert [message.role for message in convert(row).messages] == ["system", "user", "assistant"]


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(DataError, match="prompt is empty"):
        convert({"prompt": " ", "completion": "Hello"})
