"""Two columns of text, or of messages: `prompt` and `completion`."""

from typing import Any

from chatgui.data.conversation import Conversation, Message
from chatgui.data.formats.columns import Field, Raw
from chatgui.data.formats.turns import as_text, checked, content_text, listed, turns

NAME = "prompt_completion"
EXAMPLE = {"prompt": "What are your opening hours?", "completion": "We are open from nine to six."}
FIELDS = (
    Field("prompt", ("input", "inputs", "source", "提示"), required=True),
    Field("completion", ("response", "target", "targets", "output", "reply", "chosen_response", "补全"), required=True),
    Field("system", ("system_prompt",)),
    Field("tools"),
)


def matches(row: Raw) -> bool:
    """A prompt and a completion, each a text or messages."""
    return all(_is_said(listed(row.get(name))) for name in ("prompt", "completion"))


def _is_said(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(turn, dict) and ("role" in turn or "from" in turn) for turn in value)
    return isinstance(value, str)


def convert(row: Raw) -> Conversation:
    """One user turn and one reply, or the messages of both sides joined."""
    prompt = turns(row.get("prompt"), "user", field="prompt")
    completion = listed(row.get("completion"))
    is_list = isinstance(completion, (list, dict))
    reply = turns(completion, "assistant") if is_list else (Message("assistant", content_text(completion)),)
    system = content_text(row.get("system")).strip()
    start = (Message("system", system),) if system else ()
    return checked(Conversation((*start, *prompt, *reply), tools=as_text(row.get("tools"))))
