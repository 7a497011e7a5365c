"""Files as people have them: odd, but rightly so. Each is read as what it is, or asked about in a sentence."""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatgui.data.conversation import Conversation, Judged, Labelled, Preference, Row, Tagged
from chatgui.data.load import DataConfig, Dataset, load
from chatgui.errors import DataError

ASKED, REPLIED = "Where is my order?", "It left yesterday."
TURNS = [{"role": "user", "content": ASKED}, {"role": "assistant", "content": REPLIED}]
SHAREGPT = [{"from": "human", "value": ASKED}, {"from": "gpt", "value": REPLIED}]
TOOLS = [{"type": "function", "function": {"name": "find_order", "parameters": {"type": "object", "properties": {}}}}]
CALL = '{"name": "find_order", "arguments": {"number": 15}}'
WORDS, TAGS = ["Anna", "Schmidt", "wohnt", "in", "Köln"], ["B-PER", "I-PER", "O", "O", "B-LOC"]


def lines(*rows: Any) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def many(row: dict[str, Any], count: int = 12) -> list[dict[str, Any]]:
    return [{**row, "number": number} for number in range(count)]


def table(header: list[str], *rows: list[str], delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter)
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue().encode(encoding)


def parquet(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), stream)
    return stream.getvalue()


def archive(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        for name, content in files.items():
            packed.writestr(name.replace("__", "."), content)
    return stream.getvalue()


def blocks(separator: str, *columns: list[str]) -> str:
    return "\n".join(separator.join(cells) for cells in zip(*columns, strict=True)) + "\n"


def asks(row: Row) -> tuple[str, str]:
    """What is asked in a conversation and what is replied, the last of both."""
    assert isinstance(row.item, Conversation)
    by_role = {message.role: message.content for message in row.item.messages}
    return by_role["user"], by_role["assistant"]


PAIR = (ASKED, REPLIED)
CONVERSATIONS: dict[str, tuple[str, bytes, str]] = {
    "a body around the messages": ("a.jsonl", lines(*many({"conversation": {"messages": TURNS}})), "messages"),
    "messages as json text": ("a.csv", table(["id", "messages"], *[["1", json.dumps(TURNS)]] * 9), "messages"),
    "messages as python writes them": ("a.csv", table(["", "messages"], *[["1", str(TURNS)]] * 9), "messages"),
    "a bare list a line": ("a.jsonl", lines(*[TURNS] * 9), "messages"),
    "a list of lists": ("a.json", json.dumps([TURNS] * 9).encode(), "messages"),
    "a list of lists named lines": ("a.jsonl", json.dumps([TURNS] * 9).encode(), "messages"),
    "arrays one after the other": (
        "a.json", b"".join(json.dumps(many({"messages": TURNS}, 4)).encode() + b"\n" for _ in range(3)), "messages",
    ),
    "a list under some name": (
        "a.json", json.dumps({"version": "1.1", "dialogs": many({"messages": TURNS})}).encode(), "messages",
    ),
    "conversations under conversations": (
        "a.json", json.dumps({"conversations": many({"messages": TURNS})}).encode(), "messages",
    ),
    "a name for each dialogue": (
        "a.json", json.dumps({f"dlg{n}": {"messages": TURNS, "n": n} for n in range(9)}).encode(), "messages",
    ),
    "gemini": (
        "a.jsonl",
        lines(*many({
            "systemInstruction": {"role": "system", "parts": [{"text": "Be kind."}]},
            "contents": [
                {"role": "user", "parts": [{"text": ASKED}]}, {"role": "model", "parts": [{"text": REPLIED}]},
            ],
        })), "messages",
    ),
    "bedrock": (
        "a.jsonl",
        lines(*many({
            "schemaVersion": "bedrock-conversation-2024", "system": [{"text": "Be kind."}],
            "messages": [{**turn, "content": [{"text": turn["content"]}]} for turn in TURNS],
        })), "messages",
    ),
    "cohere": (
        "a.jsonl",
        lines(*many({"messages": [{"role": "User", "content": ASKED}, {"role": "Chatbot", "content": REPLIED}]})),
        "messages",
    ),
    "openai with tools and typed content": (
        "a.jsonl",
        lines(*many({
            "messages": [
                {"role": "developer", "content": "Be kind."},
                {"role": "user", "content": [{"type": "text", "text": ASKED}]},
                {"role": "assistant", "content": None, "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "find_order", "arguments": "{}"}},
                ]},
                {"role": "tool", "tool_call_id": "1", "content": "sent"},
                {"role": "assistant", "content": REPLIED, "weight": 1},
            ],
            "tools": TOOLS, "parallel_tool_calls": False,
        })), "messages",
    ),
    "sharegpt with calls": (
        "a.json",
        json.dumps(many({
            "conversations": [
                SHAREGPT[0], {"from": "function_call", "value": CALL}, {"from": "observation", "value": "sent"},
                SHAREGPT[1],
            ],
            "system": "", "tools": json.dumps(TOOLS),
        })).encode(), "sharegpt",
    ),
    "alpaca with history": (
        "a.json",
        json.dumps(many({
            "instruction": ASKED, "input": "", "output": REPLIED, "system": "Be kind.",
            "history": [["Hello", "Hello!"], ["Are you there?", "Yes."]],
        }), indent=2).encode(), "alpaca",
    ),
    "chinese names in gb18030": (
        "问答.csv", table(["编号", "问题", "答案"], *[["1", ASKED, REPLIED]] * 9, encoding="gb18030"),
        "question_answer",
    ),
    "chinese alpaca": ("a.jsonl", lines(*many({"指令": ASKED, "输入": "", "输出": REPLIED})), "alpaca"),
    "semicolons": (
        "a.csv", table(["Question", "Answer"], *[[ASKED, REPLIED]] * 9, delimiter=";", encoding="utf-8-sig"),
        "question_answer",
    ),
    "line breaks in cells": (
        "a.csv",
        table(["id", "prompt", "completion"], *[["1", ASKED, REPLIED]] * 5, ["2", 'He said:\n"hm",\n', "a\n\nb"]),
        "prompt_completion",
    ),
    "excel's unicode text": (
        "a.tsv", table(["question", "answer"], *[[ASKED, REPLIED]] * 9, delimiter="\t", encoding="utf-16"),
        "question_answer",
    ),
    "column by column": (
        "a.json", json.dumps({"prompt": [ASKED] * 9, "completion": [REPLIED] * 9}).encode(), "prompt_completion",
    ),
    "pandas by column": (
        "a.json",
        json.dumps({
            "question": {str(n): ASKED for n in range(9)}, "answer": {str(n): REPLIED for n in range(9)},
        }).encode(), "question_answer",
    ),
    "pandas by row": (
        "a.json", json.dumps({str(n): {"question": ASKED, "answer": REPLIED} for n in range(9)}).encode(),
        "question_answer",
    ),
    "squad": (
        "a.jsonl",
        lines(*many({"id": "5", "title": "t", "question": ASKED, "answers": {"text": [REPLIED], "answer_start": [3]}})),
        "question_answer",
    ),
    "printed one after the other": (
        "a.jsonl", "\n".join(json.dumps(row, indent=2) for row in many({"messages": TURNS})).encode(), "messages",
    ),
    "capitals and a byte order mark": ("A.JSONL", b"\xef\xbb\xbf" + lines(*many({"messages": TURNS})), "messages"),
    "parquet in a zip": ("a.zip", archive(data__parquet=parquet(many({"messages": TURNS}))), "messages"),
    "gzip of gzip": ("a.jsonl.gz.gz", gzip.compress(gzip.compress(lines(*many({"messages": TURNS})))), "messages"),
    "gzip in a zip": ("a.zip", archive(a__jsonl__gz=gzip.compress(lines(*many({"messages": TURNS})))), "messages"),
}  # fmt: skip
"""Name, content and format; each asks and replies the same."""


def read(folder: Path, name: str, content: bytes) -> Dataset:
    path = folder / name
    path.write_bytes(content)
    return load(DataConfig(source=str(path)), folder / "cache")


@pytest.mark.parametrize("case", CONVERSATIONS)
def test_a_conversation_is_read_however_it_is_written(case: str, tmp_path: Path) -> None:
    name, content, format_ = CONVERSATIONS[case]
    found = read(tmp_path, name, content)
    assert (found.format, len(found.dropped)) == (format_, 0)
    assert len(found.rows) >= 5 and asks(found.rows[0]) == PAIR


def test_what_stands_beside_the_turns_is_kept(tmp_path: Path) -> None:
    (gemini, cohere, openai, calls, alpaca) = (
        read(tmp_path, *CONVERSATIONS[case][:2]).rows[0].item
        for case in (
            "gemini", "bedrock", "openai with tools and typed content", "sharegpt with calls", "alpaca with history",
        )
    )  # fmt: skip
    for item in (gemini, cohere, openai, alpaca):
        assert isinstance(item, Conversation) and item.messages[0].content == "Be kind."
    assert isinstance(openai, Conversation) and isinstance(calls, Conversation) and isinstance(alpaca, Conversation)
    assert json.loads(openai.tools) == json.loads(calls.tools) == TOOLS
    assert [message.role for message in calls.messages] == ["user", "assistant", "tool", "assistant"]
    assert "find_order" in openai.messages[2].content and calls.messages[1].content == CALL
    assert [message.content for message in alpaca.messages[1:4]] == ["Hello", "Hello!", "Are you there?"]


MEANINGS: dict[str, tuple[str, bytes, str, Callable[[Any], bool]]] = {
    "openai's preferences": (
        "a.jsonl",
        lines(*many({
            "input": {"messages": TURNS[:1], "tools": [], "parallel_tool_calls": True},
            "preferred_output": TURNS[1:], "non_preferred_output": [{"role": "assistant", "content": "Who knows."}],
        })), "preference", lambda item: item == Preference(item.prompt, REPLIED, "Who knows.")
        and item.prompt[0].content == ASKED,
    ),
    "ranked answers": (
        "a.jsonl",
        lines(*many({"prompt": ASKED, "responses": [
            {"response": "Who knows.", "rank": 3}, {"response": REPLIED, "rank": 1}, {"response": "Hm.", "rank": 2},
        ]})), "preference", lambda item: (item.chosen, item.rejected) == (REPLIED, "Who knows."),
    ),
    "ranked texts": (
        "a.json", json.dumps(many({"instruction": ASKED, "input": "", "output": [REPLIED, "Who knows."]})).encode(),
        "preference", lambda item: (item.chosen, item.rejected) == (REPLIED, "Who knows."),
    ),
    "kto in messages": (
        "a.jsonl", lines(*many({"messages": TURNS, "label": False})), "kto",
        lambda item: item == Judged(item.prompt, REPLIED, False),
    ),
    "kto in a table": (
        "a.csv", table(["prompt", "completion", "label"], *[[ASKED, REPLIED, "True"], [ASKED, "No.", "False"]] * 5),
        "kto", lambda item: item == Judged(item.prompt, REPLIED, True),
    ),
    "a label of another name": (
        "a.csv",
        table(["Nachricht", "Rubrik"], *[[f"Ich habe eine Frage zu Nummer {n}", ["Lob", "Tadel", "Bitte"][n % 3]]
                                         for n in range(30)]),
        "label", lambda item: item == Labelled("Ich habe eine Frage zu Nummer 0", ("Lob",)),
    ),
    "chinese text and label": (
        "a.csv", table(["文本", "标签"], *[["房间很干净，服务也好", "好评"], ["隔音太差，睡不着觉", "差评"]] * 6),
        "label",
        lambda item: item == Labelled("房间很干净，服务也好", ("好评",)),
    ),
    "several labels": (
        "a.jsonl", lines(*many({"text": "Great, but slow to arrive", "labels": ["praise", "delivery"]})), "label",
        lambda item: item.label == ("praise", "delivery"),
    ),
    "a table without header": (
        "a.tsv", "".join(f"{n % 2}\tthis one was number {n} of many films\n" for n in range(40)).encode(), "label",
        lambda item: item == Labelled("this one was number 0 of many films", ("0",)),
    ),
    "an index column": (
        "a.csv", table(["", "text", "label"], *[[str(n), f"remark {n}", "ab"[n % 2]] for n in range(20)]), "label",
        lambda item: item == Labelled("remark 0", ("a",)),
    ),
    "words and tags column by column": (
        "a.json", json.dumps({"tokens": WORDS, "tags": TAGS}).encode(), "tags",
        lambda item: item == Tagged(tuple(WORDS), tuple(TAGS)),
    ),
    "conll with four columns": (
        "a.conll",
        ("-DOCSTART- -X- -X- O\n\n" + f"{blocks(' ', WORDS, ['NN'] * 5, ['B-NP'] * 5, TAGS)}\n" * 6).encode(), "tags",
        lambda item: item == Tagged(tuple(WORDS), tuple(TAGS)),
    ),
    "conll with tabs named text": (
        "a.txt", (f"{blocks(chr(9), WORDS, TAGS)}\n" * 6).encode(), "tags",
        lambda item: item == Tagged(tuple(WORDS), tuple(TAGS)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MEANINGS)
def test_other_rows_are_read_however_they_are_written(case: str, tmp_path: Path) -> None:
    name, content, format_, is_right = MEANINGS[case]
    found = read(tmp_path, name, content)
    assert (found.format, len(found.dropped)) == (format_, 0)
    assert is_right(found.rows[0].item), found.rows[0].item


def test_files_that_are_written_differently_are_one_dataset_of_conversations(tmp_path: Path) -> None:
    content = archive(
        a__jsonl=lines(*many({"messages": TURNS})), b__csv=table(["question", "answer"], *[[ASKED, REPLIED]] * 9),
        c__json=json.dumps(many({"conversations": SHAREGPT, "source": "x"})).encode(),
    )  # fmt: skip
    found = read(tmp_path, "all.zip", content)
    assert found.format == "messages, question_answer, sharegpt"
    assert len(found.rows) == 33 and {asks(row) for row in found.rows} == {PAIR}


SENTENCES: dict[str, tuple[str, bytes, str]] = {
    "a spreadsheet": ("a.xlsx", b"PK\x03\x04", r"a\.xlsx: a spreadsheet \(\.xlsx\).* save the sheet as CSV"),
    "a letter": ("a.docx", b"PK\x03\x04", r"files that end in \.docx cannot be read; use .*\.jsonl"),
    "a tar": ("a.tar.gz", gzip.compress(b"x" * 600), r"\.tar cannot be read"),
    "rating and title": (
        "a.csv", table(["userId", "movieId", "rating"], *[["1", str(n), "4.5"] for n in range(20)]), "table of ratings",
    ),
    "columns that nobody knows": (
        "a.jsonl", lines(*[{"left": {"a": n}, "right": [n]} for n in range(20)]), r"columns found \(left, right\)",
    ),
    "only questions": ("a.jsonl", lines(*many({"messages": TURNS[:1]})), "no reply of the assistant"),
    "an unknown speaker": (
        "a.jsonl", lines(*many({"messages": [TURNS[0], {"role": "bot", "content": REPLIED}]})), r'role "bot"|role bot',
    ),
    "different tasks": (
        "a.zip", archive(a__jsonl=lines(*many({"messages": TURNS})),
                         b__csv=table(["text", "label"], *[["Good and cheap", "yes"], ["No good", "no"]] * 9)),
        "for different tasks",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SENTENCES)
def test_what_cannot_be_read_is_asked_about_in_a_sentence(case: str, tmp_path: Path) -> None:
    name, content, sentence = SENTENCES[case]
    with pytest.raises(DataError, match=sentence):
        read(tmp_path, name, content)


def test_what_stands_behind_the_end_of_a_list_is_told(tmp_path: Path) -> None:
    found = read(tmp_path, "a.json", json.dumps(many({"messages": TURNS})).encode() + b"\n{}")
    assert len(found.rows) == 12
    assert [row.reason.text() for row in found.dropped] == [
        "behind the end of the list stands more, which was not read: {} Put all rows into one list, or one a line."
    ]
