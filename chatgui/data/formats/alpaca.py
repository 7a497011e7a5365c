"""Stanford Alpaca's form: `instruction`, optional `input`, `output`; also `system` and `history` pairs."""

from collections.abc import Iterator, Sequence

from chatgui.data.conversation import Conversation, Message
from chatgui.data.formats.columns import Field, Raw, by_name
from chatgui.data.formats.turns import as_text, checked, content_text, listed
from chatgui.errors import DataError

NAME = "alpaca"
EXAMPLE = {"instruction": "Translate into French.", "input": "Good morning", "output": "Bonjour"}
FIELDS = (
    Field("instruction", ("指令",), required=True),
    Field("input", ("context", "输入")),
    Field("output", ("response", "completion", "answer", "输出"), required=True),
    Field("system", ("system_prompt",)),
    Field("history"),
    Field("tools"),
)


def bind(rows: Sequence[Raw]) -> dict[str, str]:
    """By name; but a `context` that is the same in every row (Bitext names the trade there) says nothing to learn."""
    found = by_name(rows, FIELDS)
    column = found.get("input", "")
    if column.casefold() == "context" and len(rows) > 2 and len({str(row.get(column)) for row in rows}) == 1:
        del found["input"]
    return found


def matches(row: Raw) -> bool:
    """An instruction and one output; a list of outputs is a ranking, not a reply."""
    return isinstance(row.get("instruction"), str) and isinstance(row.get("output"), str)


def convert(row: Raw) -> Conversation:
    """Instruction and input become one user turn with a line between them; without input no empty line is left."""
    reply = content_text(row.get("output"))
    said = (*before(row), Message("user", question(row)), Message("assistant", reply))
    return checked(Conversation(said, tools=as_text(row.get("tools"))))


def question(row: Raw, name: str = "instruction") -> str:
    """What the user asks. Raises DataError when nothing is asked."""
    asked = (content_text(row.get(name)).strip(), content_text(row.get("input")).strip())
    if not any(asked):
        raise DataError("data.empty_field", field=name)
    return "\n".join(filter(None, asked))


def before(row: Raw) -> Iterator[Message]:
    """What comes before the question: the system message and earlier exchanges."""
    if system := content_text(row.get("system")).strip():
        yield Message("system", system)
    for pair in listed(row.get("history")) or ():
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise DataError("data.bad_history", found=repr(pair)[:60])
        yield Message("user", content_text(pair[0]))
        yield Message("assistant", content_text(pair[1]))
