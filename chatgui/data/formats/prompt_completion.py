"""Two columns of text, or of messages: `prompt` and `completion`."""

from collections.abc import Mapping
from typing import Any

from chatgui.data.conversation import Conversation, Message
from chatgui.data.formats import messages
from chatgui.data.formats.messages import checked, content_text
from chatgui.errors import DataError

NAME = "prompt_completion"
EXAMPLE = {"prompt": "What are your opening hours?", "completion": "We are open from nine to six."}


def matches(row: Mapping[str, Any]) -> bool:
    """A prompt and a completion (some files call it response), and no verdict on it: bad ones must not be learnt."""
    return "prompt" in row and ("completion" in row or "response" in row) and not isinstance(row.get("label"), bool)


def convert(row: Mapping[str, Any]) -> Conversation:
    """One user turn and one reply, or the messages of both sides joined."""
    prompt, reply = row.get("prompt"), row.get("completion", row.get("response"))
    if isinstance(prompt, list) or isinstance(reply, list):
        return messages.convert({"messages": [*_turns(prompt, "user"), *_turns(reply, "assistant")]})
    if not content_text(prompt).strip():
        raise DataError("data.empty_field", field="prompt")
    return checked(Conversation((Message("user", content_text(prompt)), Message("assistant", content_text(reply)))))


def _turns(value: Any, role: str) -> list[Any]:
    return value if isinstance(value, list) else [{"role": role, "content": value}]
