"""OpenAI's form: `{"messages": [{"role": …, "content": …}, …]}`, content as text or as typed parts.

Also turns as bare strings, which alternate (UltraChat's `data`).
"""

from chatgui.data.conversation import Conversation, Message
from chatgui.data.formats.columns import Field, Raw
from chatgui.data.formats.turns import LISTS, as_text, checked, content_text, is_marked, listed, turns
from chatgui.errors import DataError

NAME = "messages"
EXAMPLE = {
    "messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello! How can I help?"}]
}
FIELDS = (
    Field("messages", (*LISTS[1:], "text"), required=True),
    Field("tools", ("functions",)),
    Field("system", ("system_prompt", "system_instruction")),
)


def matches(row: Raw) -> bool:
    """A list of objects with a role, or a text with marks before each turn."""
    found = listed(row.get("messages"))
    if not isinstance(found, list) or not found:
        return is_marked(found)
    if len(found) > 1 and all(isinstance(turn, str) for turn in found):
        return True
    return all(isinstance(turn, dict) and "role" in turn for turn in found)


def convert(row: Raw) -> Conversation:
    """Raises DataError for an unknown role, a missing assistant turn or content that is not text."""
    found = listed(row.get("messages"))
    if not isinstance(found, list) and not is_marked(found):
        raise DataError("data.no_list", field="messages", found=type(found).__name__)
    said = turns(found, "user")
    told = row.get("system")
    system = content_text(told["parts"] if isinstance(told, dict) and "parts" in told else told).strip()
    if system and not any(message.role == "system" for message in said):
        said = (Message("system", system), *said)
    return checked(Conversation(said, tools=as_text(row.get("tools"))))
