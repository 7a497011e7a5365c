import json
from pathlib import Path

import pytest

from chatgui.data.conversation import Conversation, Document, Message, Row
from chatgui.data.export import FORMATS, export
from chatgui.data.load import DataConfig, load
from chatgui.errors import DataError

TALK = Conversation(
    (
        Message("system", "Be kind."), Message("user", "Hi"), Message("assistant", "你好 🌱"), Message("user", "And?"),
        Message("assistant", "Bye\u2028."),
    )
)  # fmt: skip
SHORT = Conversation((Message("user", "a"), Message("assistant", "b")))


def of(*items: Conversation | Document) -> list[Row]:
    return [Row(item, "a.jsonl", line) for line, item in enumerate(items, start=1)]


@pytest.mark.parametrize("format_", FORMATS)
def test_what_is_exported_reads_back_as_the_same_conversations(format_: str, tmp_path: Path) -> None:
    path = tmp_path / ("out.parquet" if format_ == "parquet" else "out.jsonl")
    assert export(of(TALK, SHORT), format_, path) == 2
    dataset = load(DataConfig(source=str(path)))
    assert [row.item for row in dataset.rows] == [TALK, SHORT]
    assert dataset.format == {"parquet": "messages"}.get(format_, format_)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_tools_are_exported_in_every_form_that_knows_them(tmp_path: Path) -> None:
    tools = json.dumps([{"name": "look_up"}])
    with_tools = Conversation(SHORT.messages, tools=tools)
    for format_ in ("messages", "sharegpt", "parquet"):
        path = tmp_path / ("out.parquet" if format_ == "parquet" else f"{format_}.jsonl")
        export(of(SHORT, with_tools), format_, path)
        items = [row.item for row in load(DataConfig(source=str(path))).rows]
        assert isinstance(items[1], Conversation) and json.loads(items[1].tools) == json.loads(tools)


def test_a_row_that_the_form_cannot_hold_is_named(tmp_path: Path) -> None:
    odd = Conversation((Message("user", "a"), Message("user", "b"), Message("assistant", "c")))
    with pytest.raises(DataError, match=r"a\.jsonl, line 2: user and assistant do not take turns"):
        export(of(SHORT, odd), "alpaca", tmp_path / "out.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_a_text_is_exported_as_a_text(tmp_path: Path) -> None:
    export(of(Document("One day.")), "messages", tmp_path / "out.jsonl")
    assert load(DataConfig(source=str(tmp_path / "out.jsonl"))).rows[0].item == Document("One day.")
    with pytest.raises(DataError, match="sharegpt holds conversations, and this row is a document"):
        export(of(Document("One day.")), "sharegpt", tmp_path / "other.jsonl")


def test_an_unknown_form_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="xml is no format to export; use messages"):
        export(of(SHORT), "xml", tmp_path / "out.xml")


@pytest.mark.parametrize("format_", ["messages", "sharegpt", "parquet"])
def test_a_weight_of_zero_is_exported(format_: str, tmp_path: Path) -> None:
    weighed = Conversation((Message("user", "a"), Message("assistant", "b", 0), Message("assistant", "c")))
    path = tmp_path / ("out.parquet" if format_ == "parquet" else "out.jsonl")
    export(of(SHORT, weighed), format_, path)
    assert [row.item for row in load(DataConfig(source=str(path))).rows] == [SHORT, weighed]


def test_alpaca_cannot_say_that_a_reply_is_not_learnt(tmp_path: Path) -> None:
    weighed = Conversation((Message("user", "a"), Message("assistant", "b", 0)))
    with pytest.raises(DataError, match=r"a.jsonl, line 1: .*weight 0"):
        export(of(weighed), "alpaca", tmp_path / "out.jsonl")
