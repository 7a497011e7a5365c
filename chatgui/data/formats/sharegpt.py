"""ShareGPT's form: `{"conversations": [{"from": "human", "value": …}, {"from": "gpt", "value": …}]}`.

Also exchanges, one object for each: `[{"human": …, "assistant": …}, …]` (shareAI, MOSS).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from chatgui.data.conversation import Conversation, Message
from chatgui.data.formats.columns import Field, Raw
from chatgui.data.formats.turns import LISTS, as_text, checked, content_text, listed, turns
from chatgui.errors import DataError

NAME = "sharegpt"
EXAMPLE = {"conversations": [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Hello! How can I help?"}]}
FIELDS = (
    Field("conversations", ("conversation", *LISTS), required=True),
    Field("tools", ("functions",)),
    Field("system", ("system_prompt", "meta_instruction")),
)
EXCHANGE = ({"human", "assistant"}, {"Human", "MOSS"}, {"user", "assistant"}, {"Human", "Assistant"})


def matches(row: Raw) -> bool:
    """A list of objects with `from` and `value`, or of exchanges."""
    found = _turns(row)
    if not isinstance(found, list) or not found:
        return False
    return all(isinstance(turn, dict) and (_is_exchange(turn) or {"from", "value"} <= set(turn)) for turn in found)


def convert(row: Raw) -> Conversation:
    """Raises DataError for an unknown speaker or a missing assistant turn."""
    found = _turns(row)
    if not isinstance(found, list):
        raise DataError("data.no_list", field="conversations", found=type(found).__name__)
    said = turns([said for turn in found for said in _said(turn)], "user")
    system = content_text(row.get("system")).strip()
    start = (Message("system", system),) if system and not any(turn.role == "system" for turn in said) else ()
    return checked(Conversation(start + said, tools=as_text(row.get("tools"))))


def _turns(row: Raw) -> Any:
    found = listed(row.get("conversations"))
    is_moss = isinstance(found, Mapping) and bool(found) and all(str(name).startswith("turn_") for name in found)
    return list(found.values()) if is_moss else found


def _is_exchange(turn: Mapping[str, Any]) -> bool:
    return any(names <= set(turn) for names in EXCHANGE)


def _said(turn: Any) -> Iterator[Any]:
    names = next((names for names in EXCHANGE if isinstance(turn, dict) and names <= set(turn)), None)
    if names is None:
        yield turn
        return
    for name in sorted(names, key=lambda name: name.lower() not in ("human", "user")):
        role = "user" if name.lower() in ("human", "user") else "assistant"
        yield {"role": role, "content": turn[name]}
