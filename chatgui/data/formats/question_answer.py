"""Columns `question` and `answer`, with a `context` to answer from when there is one (SQuAD and its kin)."""

from typing import Any

from chatgui.data.conversation import Conversation, Message
from chatgui.data.formats.columns import Field, Raw
from chatgui.data.formats.turns import checked, content_text
from chatgui.errors import DataError

NAME = "question_answer"
EXAMPLE = {"question": "Where is the shop?", "answer": "At 12 Mill Road."}
FIELDS = (
    Field("question", ("query", "q", "ask", "问题", "提问"), required=True),
    Field(
        "answer", ("answers", "response", "reply", "a", "best_answer", "final_answer", "回答", "答案"), required=True
    ),
    Field("context", ("passage", "背景")),
    Field("system", ("system_prompt",)),
)  # fmt: skip


def matches(row: Raw) -> bool:
    """A question and an answer in words; the number of a choice is none."""
    return isinstance(row.get("question"), str) and isinstance(row.get("answer"), (str, list, dict))


def convert(row: Raw) -> Conversation:
    """The context, if there is one, stands above the question. Of several answers the first is taught."""
    question = content_text(row.get("question")).strip()
    if not question:
        raise DataError("data.empty_field", field="question")
    asked = "\n\n".join(filter(None, (content_text(row.get("context")).strip(), question)))
    system = content_text(row.get("system")).strip()
    start = (Message("system", system),) if system else ()
    reply = Message("assistant", _first(row.get("answer")))
    return checked(Conversation((*start, Message("user", asked), reply)))


def _first(answer: Any) -> str:
    if isinstance(answer, dict):  # SQuAD: {"text": [...], "answer_start": [...]}
        answer = answer.get("text", answer.get("value"))
    if isinstance(answer, list):
        answer = answer[0] if answer else ""
    return content_text(answer)
