"""A reply to a prompt and whether it is good (KTO): a verdict beside `messages`, `prompt, completion` or Alpaca's."""

from typing import Any

from chatgui.data.conversation import Judged, Message
from chatgui.data.formats.alpaca import before, question
from chatgui.data.formats.columns import Field, Raw
from chatgui.data.formats.turns import LISTS, content_text, listed, turns
from chatgui.errors import DataError

NAME = "kto"
EXAMPLE = {"prompt": "Do you accept cards?", "completion": "Yes, all of them.", "label": True}
FIELDS = (
    Field("messages", LISTS[1:]),
    Field("prompt", ("instruction", "question", "query", "提示")),
    Field("input"),
    Field("completion", ("output", "response", "reply", "answer")),
    Field("label", ("kto_tag", "desirable", "is_good", "good", "preferred", "thumbs_up", "accepted"), required=True),
    Field("system", ("system_prompt",)),
    Field("history"),
)
VERDICTS = {"true": True, "false": False, "yes": True, "no": False, "good": True, "bad": False, "1": True, "0": False}


def matches(row: Raw) -> bool:
    """A true or false verdict, and a reply that it is about."""
    verdict = row.get("label")
    if not isinstance(verdict, bool) and str(verdict).casefold() not in ("true", "false"):
        return False
    said = listed(row.get("messages"))
    if isinstance(said, list):
        return bool(said) and all(isinstance(turn, dict) for turn in said)
    return row.get("prompt") is not None and row.get("completion") is not None


def convert(row: Raw) -> Judged:
    """Raises DataError without a verdict, or when the last turn is not the assistant's."""
    verdict = row.get("label")
    good = verdict if isinstance(verdict, bool) else VERDICTS.get(str(verdict).strip().casefold())
    if good is None:
        raise DataError("data.no_verdict", found=str(verdict)[:40])
    said = (*_system(row), *turns(row["messages"], "user")) if row.get("messages") else _pair(row)
    if len(said) < 2 or said[-1].role != "assistant" or not said[-1].content.strip():
        raise DataError("data.no_last_reply", found=said[-1].role)
    return Judged(said[:-1], said[-1].content, good)


def _system(row: Raw) -> tuple[Message, ...]:
    return tuple(turn for turn in before(row) if turn.role == "system")


def _pair(row: Raw) -> tuple[Message, ...]:
    prompt, completion = listed(row.get("prompt")), listed(row.get("completion"))
    asked: tuple[Message, ...] = (
        turns(prompt, "user") if isinstance(prompt, list) else (Message("user", question(row, "prompt")),)
    )
    reply: Any = turns(completion, "assistant") if isinstance(completion, (list, dict)) else None
    return (*before(row), *asked, *(reply or (Message("assistant", content_text(completion)),)))
