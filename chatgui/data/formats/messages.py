"""OpenAI's form: `{"messages": [{"role": …, "content": …}, …]}`, content as text or as typed parts."""

import json
from collections.abc import Mapping
from typing import Any

from chatgui.data.conversation import ROLES, Conversation, Message
from chatgui.errors import DataError

NAME = "messages"
EXAMPLE = {
    "messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello! How can I help?"}]
}
ALIASES = {"developer": "system", "function": "tool", "human": "user", "model": "assistant"}


def matches(row: Mapping[str, Any]) -> bool:
    """A list of objects with a role, and no verdict on the reply beside it: bad replies must not be learnt."""
    turns = row.get("messages")
    if not isinstance(turns, list) or not turns or isinstance(row.get("label"), bool):
        return False
    return all(isinstance(turn, dict) and "role" in turn for turn in turns)


def convert(row: Mapping[str, Any]) -> Conversation:
    """Raises DataError for an unknown role, a missing assistant turn or content that is not text."""
    turns = row.get("messages")
    if not isinstance(turns, list):
        raise DataError("data.no_list", field="messages", found=type(turns).__name__)
    converted = tuple(_message(turn) for turn in turns)
    return checked(Conversation(converted, tools=_as_text(row.get("tools"))))


def checked(conversation: Conversation) -> Conversation:
    """The conversation itself. Raises DataError when nothing in it can be taught."""
    if not conversation.messages:
        raise DataError("data.empty_conversation")
    if not any(message.role == "assistant" and message.content.strip() for message in conversation.messages):
        roles = ", ".join(dict.fromkeys(message.role for message in conversation.messages))
        raise DataError("data.no_assistant", found=roles)
    return conversation


def content_text(content: Any) -> str:
    """Text of a content that is a string, null, or a list of typed parts (`{"type": "text", "text": …}`).

    Raises DataError when a part is neither text nor an object with text.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(text for part in content if (text := _part_text(part)))
    raise DataError("data.content_not_text", found=type(content).__name__)


def _part_text(part: Any) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict):
        for name in ("text", "value", "content"):
            if name in part:
                return _as_text(part[name])
        raise DataError("data.content_not_text", found=str(part.get("type", "object")))
    raise DataError("data.content_not_text", found=type(part).__name__)


def _message(turn: Any) -> Message:
    if not isinstance(turn, dict):
        raise DataError("data.turn_not_object", found=type(turn).__name__)
    role = str(turn.get("role"))
    role = ALIASES.get(role, role)
    if role not in ROLES:
        raise DataError("data.role_unknown", role=role, allowed=", ".join(ROLES))
    content = content_text(turn.get("content"))
    calls = _as_text(turn.get("tool_calls"))
    return Message(role, f"{content}\n{calls}".strip() if calls else content)


def _as_text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)
