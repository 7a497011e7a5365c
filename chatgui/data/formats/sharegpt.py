"""ShareGPT's form: `{"conversations": [{"from": "human", "value": …}, {"from": "gpt", "value": …}]}`."""

from collections.abc import Mapping
from typing import Any

from chatgui.data.conversation import Conversation, Message
from chatgui.data.formats.messages import checked, content_text
from chatgui.errors import DataError

NAME = "sharegpt"
EXAMPLE = {"conversations": [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Hello! How can I help?"}]}
SPEAKERS = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant",
    "bing": "assistant", "bard": "assistant", "model": "assistant", "function_call": "assistant", "system": "system",
    "observation": "tool", "tool": "tool", "function_response": "tool",
}  # fmt: skip


def matches(row: Mapping[str, Any]) -> bool:
    """A list of objects with `from` and `value`, and no separate chosen and rejected reply."""
    turns = row.get("conversations", row.get("conversation"))
    return (
        isinstance(turns, list)
        and bool(turns)
        and all(isinstance(turn, dict) and "from" in turn and "value" in turn for turn in turns)
        and "chosen" not in row
    )


def convert(row: Mapping[str, Any]) -> Conversation:
    """Raises DataError for an unknown speaker or a missing assistant turn."""
    turns = row.get("conversations", row.get("conversation"))
    if not isinstance(turns, list):
        raise DataError("data.no_list", field="conversations", found=type(turns).__name__)
    system = row.get("system")
    start = (Message("system", system),) if isinstance(system, str) and system else ()
    tools = row.get("tools")
    return checked(Conversation(start + tuple(map(_message, turns)), tools=tools if isinstance(tools, str) else ""))


def _message(turn: Any) -> Message:
    if not isinstance(turn, dict):
        raise DataError("data.turn_not_object", found=type(turn).__name__)
    speaker = str(turn.get("from")).lower()
    if speaker not in SPEAKERS:
        raise DataError("data.role_unknown", role=speaker, allowed=", ".join(SPEAKERS))
    return Message(SPEAKERS[speaker], content_text(turn.get("value")))
