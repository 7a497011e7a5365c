"""Rows out again, as files that other programs read: messages, ShareGPT, Alpaca, or a Parquet table of messages."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from chatgui.data.conversation import Conversation, Item, Message, Row
from chatgui.data.edit import item_values
from chatgui.errors import DataError

FORMATS = ("messages", "sharegpt", "alpaca", "parquet")
BATCH_ROWS = 2_000
SPEAKERS = {"user": "human", "assistant": "gpt", "system": "system", "tool": "observation"}


def export(rows: Iterable[Row], format_: str, path: Path) -> int:
    """Write rows to a file and count them. Raises DataError when the format cannot hold a row, naming the row."""
    if format_ not in FORMATS:
        raise DataError("export.unknown_format", found=format_, allowed=", ".join(FORMATS))
    temporary = path.with_name(f".{path.name}.part")
    try:
        if format_ == "parquet":
            count = _write_parquet(_converted(rows, as_messages), temporary)
        else:
            count = _write_lines(_converted(rows, CONVERTERS[format_]), temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _converted(rows: Iterable[Row], convert: Callable[[Item], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        try:
            yield convert(row.item)
        except DataError as error:
            raise DataError("export.row", origin=row.origin, line=row.line, reason=error) from error


def as_messages(item: Item) -> dict[str, Any]:
    """OpenAI's form; what is no conversation keeps its own fields."""
    if not isinstance(item, Conversation):
        values = item_values(item)
        del values["kind"]
        return {name: value for name, value in values.items() if value not in ("", None)}
    tools = _tools(item.tools)
    turns = [{**turn, **_weight(message)} for turn, message in zip(item.as_dicts(), item.messages, strict=True)]
    return {"messages": turns, **({"tools": tools} if tools else {})}


def as_sharegpt(item: Item) -> dict[str, Any]:
    """`{"conversations": [{"from": "human", "value": …}, …]}`. Raises DataError for what is no conversation."""
    conversation = _conversation(item, "sharegpt")
    turns = [
        {"from": SPEAKERS[message.role], "value": message.content, **_weight(message)}
        for message in conversation.messages
    ]
    return {"conversations": turns, **({"tools": conversation.tools} if conversation.tools else {})}


def as_alpaca(item: Item) -> dict[str, Any]:
    """Instruction and output of the last exchange, the earlier ones as history.

    Raises DataError when user and assistant do not take turns or a reply is not to be learnt, which the form cannot
    say.
    """
    messages = _conversation(item, "alpaca").messages
    if any(message.weight == 0 for message in messages):
        raise DataError("export.no_weights", format="alpaca")
    system = [message.content for message in messages if message.role == "system"]
    turns = [message for message in messages if message.role != "system"]
    if [message.role for message in turns] != ["user", "assistant"] * (len(turns) // 2) or not turns:
        raise DataError("export.no_turns", format="alpaca")
    pairs = [[ask.content, reply.content] for ask, reply in _pairs(turns)]
    row: dict[str, Any] = {"instruction": pairs[-1][0], "input": "", "output": pairs[-1][1]}
    return {
        **row,
        **({"system": "\n".join(system)} if system else {}),
        **({"history": pairs[:-1]} if pairs[1:] else {}),
    }


CONVERTERS = {"messages": as_messages, "sharegpt": as_sharegpt, "alpaca": as_alpaca}


def _weight(message: Message) -> dict[str, int]:
    return {} if message.weight else {"weight": 0}


def _pairs(turns: Sequence[Message]) -> Iterator[tuple[Message, Message]]:
    return zip(turns[::2], turns[1::2], strict=True)


def _conversation(item: Item, format_: str) -> Conversation:
    if not isinstance(item, Conversation):
        raise DataError("export.no_conversation", format=format_, found=type(item).__name__.lower())
    return item


def _tools(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def _write_lines(values: Iterable[dict[str, Any]], path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as stream:
        for row in values:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def _write_parquet(values: Iterable[dict[str, Any]], path: Path) -> int:
    """Columns are those of the first rows; tools are JSON text, for no two of them have the same fields."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = iter(values)
    count, writer = 0, None
    try:
        while batch := list(islice(rows, BATCH_ROWS)):
            told = [_parquet_row(row) if "messages" in row else row for row in batch]
            if writer is None:
                names = dict.fromkeys(name for row in told for name in row)
                table = pa.Table.from_pylist([{name: row.get(name) for name in names} for row in told])
                if "tools" in names:  # none in these rows, but a later one may have some
                    table = table.set_column(list(names).index("tools"), "tools", table["tools"].cast(pa.string()))
                writer = pq.ParquetWriter(path, table.schema)
            else:
                table = pa.Table.from_pylist(told, writer.schema)
            writer.write_table(table)
            count += len(batch)
    finally:
        if writer is not None:
            writer.close()
    return count


def _parquet_row(row: dict[str, Any]) -> dict[str, Any]:
    """With a weight in every turn: the schema is made from the first rows."""
    turns = [{"weight": 1, **turn} for turn in row["messages"]]
    return {**row, "messages": turns, "tools": _tools_text(row.get("tools"))}


def _tools_text(tools: Any) -> str | None:
    return tools if tools is None or isinstance(tools, str) else json.dumps(tools, ensure_ascii=False)
