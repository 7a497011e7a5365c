"""Stanford Alpaca's form: `instruction`, optional `input`, `output`; also `system` and `history` pairs."""

from collections.abc import Iterator, Mapping
from typing import Any

from chatgui.data.conversation import Conversation, Message
from chatgui.data.formats.messages import checked, content_text
from chatgui.errors import DataError

NAME = "alpaca"
EXAMPLE = {"instruction": "Translate into French.", "input": "Good morning", "output": "Bonjour"}


def matches(row: Mapping[str, Any]) -> bool:
    """An instruction and one output (some files call it response); a list of outputs is a ranking, not a reply."""
    has_reply = "output" in row or "response" in row
    return "instruction" in row and has_reply and not isinstance(row.get("output", row.get("response")), list)


def convert(row: Mapping[str, Any]) -> Conversation:
    """Instruction and input become one user turn with a line between them; without input no empty line is left."""
    instruction = content_text(row.get("instruction")).strip()
    extra = content_text(row.get("input")).strip()
    question = "\n".join(part for part in (instruction, extra) if part)
    if not question:
        raise DataError("data.empty_field", field="instruction")
    reply = content_text(row.get("output", row.get("response")))
    turns = [*_earlier(row), Message("user", question), Message("assistant", reply)]
    return checked(Conversation(tuple(turns)))


def _earlier(row: Mapping[str, Any]) -> Iterator[Message]:
    if system := content_text(row.get("system")).strip():
        yield Message("system", system)
    for pair in row.get("history") or ():
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise DataError("data.bad_history", found=repr(pair)[:60])
        yield Message("user", content_text(pair[0]))
        yield Message("assistant", content_text(pair[1]))
