"""Turns in all the ways that files write them, and replies as text. What the formats with conversations share."""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

from chatgui.data.conversation import ROLES, Conversation, Message
from chatgui.errors import DataError

SPEAKERS = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "bing": "assistant", "bard": "assistant",
    "model": "assistant", "chatbot": "assistant", "function_call": "assistant", "tool_call": "assistant",
    "tool": "tool", "function": "tool", "observation": "tool", "function_response": "tool", "tool_response": "tool",
    "tool_result": "tool", "tool_results": "tool", "ipython": "tool",
}  # fmt: skip
"""Roles under all names known. A name that may mean either side (bot, agent, customer) is refused, not guessed."""
LISTS = (
    "messages", "conversations", "conversation", "dialogue", "dialog", "turns", "chat", "data", "contents", "对话",
)  # fmt: skip
"""Names of columns that hold turns."""
MOST_LITERAL = 1 << 18
"""Characters of a list written by Python that are read; its parser is slow."""
MARKS = re.compile(r"(?:^|\n\s*\n|\n?###\s*)(Human|Assistant|User):")
SPOKEN = {"Human": "user", "User": "user", "Assistant": "assistant"}


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
            if part.get(name) is not None:
                return as_text(part[name])
        raise DataError("data.content_not_text", found=str(part.get("type", "object")))
    raise DataError("data.content_not_text", found=type(part).__name__)


def as_text(value: Any) -> str:
    """A string as it is, nothing as an empty one, anything else as its JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, default=str)


def listed(value: Any) -> Any:
    """A list that a table holds as its JSON text or as Python writes it, or that an object holds under a name for
    turns; anything else as it is."""
    if isinstance(value, dict):
        return next((value[name] for name in LISTS if isinstance(value.get(name), list)), value)
    if isinstance(value, str) and value.lstrip()[:1] == "[":
        found = _parsed(value)
        return found if isinstance(found, list) else value
    return value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text.strip()) if len(text) < MOST_LITERAL and "'" in text else None
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def message(turn: Any) -> Message:
    """A turn with role and content, or with from and value. Raises DataError for an unknown role."""
    if not isinstance(turn, dict):
        raise DataError("data.turn_not_object", found=type(turn).__name__)
    if len(turn) == 2 and type(turn.get("role")) is type(turn.get("content")) is str and turn["role"] in SPEAKERS:
        return Message(SPEAKERS[turn["role"]], turn["content"])  # nearly all there are, in half the time
    speaker, content = (turn["from"], turn.get("value")) if "from" in turn else (turn.get("role"), turn.get("content"))
    content = turn.get("parts") if content is None else content  # Gemini's name for it
    role = SPEAKERS.get(str(speaker).lower())
    if role is None:
        raise DataError("data.role_unknown", role=speaker, allowed=", ".join(ROLES))
    text = content_text(content)
    calls = as_text(turn.get("tool_calls") or turn.get("function_call"))
    is_silent = role == "assistant" and turn.get("weight") == 0
    return Message(role, f"{text}\n{calls}".strip() if calls else text, 0 if is_silent else 1)


def turns(value: Any, role: str, *, field: str = "messages") -> tuple[Message, ...]:
    """Messages of a list of turns, of one turn, or of a text, which is then said by `role`.

    A text with the marks of Anthropic's HH ("\\n\\nHuman: … \\n\\nAssistant: …") is taken apart at them.
    """
    value = listed(value)
    if isinstance(value, dict):
        return (message(value),)
    if isinstance(value, list):
        if len(value) > 1 and all(isinstance(turn, str) for turn in value):
            return tuple(Message(("user", "assistant")[index % 2], turn) for index, turn in enumerate(value))
        return tuple(map(message, value))
    text = content_text(value)
    if is_marked(text):
        return tuple(marked(text))
    if not text.strip():
        raise DataError("data.empty_field", field=field)
    return (Message(role, text),)


def is_marked(text: Any) -> bool:
    """Whether a text begins like a dialogue in Anthropic's marks, or in those of Guanaco ("### Human: …")."""
    return isinstance(text, str) and bool(re.match(r"\s*(?:### ?)?Human: ", text)) and "Assistant:" in text


def marked(text: str) -> Iterator[Message]:
    """The turns of a marked text."""
    parts = MARKS.split(text.lstrip())
    for speaker, said in zip(parts[1::2], parts[2::2], strict=True):
        yield Message(SPOKEN[speaker], said.strip())
