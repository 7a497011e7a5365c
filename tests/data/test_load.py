import json
from pathlib import Path

import pytest

from chatgui.data.conversation import Conversation
from chatgui.data.load import DataConfig, Dataset, find, load
from chatgui.errors import DataError

GOOD = '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}'
CHAT_FILES = {
    "alpaca_en_demo.json": "alpaca",
    "alpaca_zh_demo.json": "alpaca",
    "identity.json": "alpaca",
    "glaive_toolcall_en_demo.json": "sharegpt",
    "glaive_toolcall_zh_demo.json": "sharegpt",
    "reason_tool_use_demo_50.jsonl": "messages",
    "v1_sft_demo.jsonl": "messages",
    "c4_demo.jsonl": "text",
    "wiki_demo.txt": "text",
}


def read(path: Path, *lines: str) -> Dataset:
    path.write_text("\n".join(lines), encoding="utf-8")
    return load(DataConfig(source=str(path)))


def refusal(source: str | Path) -> str:
    with pytest.raises(DataError) as caught:
        load(DataConfig(source=str(source)))
    return str(caught.value)


@pytest.mark.parametrize(("name", "format_"), CHAT_FILES.items())
def test_a_file_of_llama_factory_is_recognised_and_used_whole(shared: Path, name: str, format_: str) -> None:
    dataset = load(DataConfig(source=str(shared / "data" / "llamafactory_demos" / name)))
    assert (dataset.format, len(dataset.dropped)) == (format_, 0)


def test_conversations_are_read_in_order(conversations: Path) -> None:
    dataset = load(DataConfig(source=str(conversations)))
    assert (dataset.format, dataset.encoding, len(dataset.rows), dataset.read) == ("messages", "utf-8", 24, 24)
    assert [row.line for row in dataset.rows] == list(range(1, 25))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"messages": [', "this is not JSON"),
        (GOOD.replace('"user"', '"customer"'), 'role "customer" is not known; use system, user, assistant, tool.'),
        (
            '{"messages": [{"role": "user", "content": "Hi"}]}',
            "no reply of the assistant to learn from (roles found: user)",
        ),
        (GOOD.replace("Hello", "  "), "no reply of the assistant"),
        ('{"messages": []}', "there is no message in it"),
        ('{"messages": "Hi"}', "messages holds a str"),
        ('{"messages": ["Hi"]}', "this one is a str"),
        (GOOD.replace('"Hello"', "7"), "content of the type int is not text"),
        ('{"other": 1}', "messages holds a NoneType"),
        ('"Hi"', "this one is a str"),
    ],
)
def test_a_bad_row_in_the_middle_is_left_out_with_line_and_reason(tmp_path: Path, line: str, reason: str) -> None:
    dataset = read(tmp_path / "a.jsonl", GOOD, GOOD, line, GOOD)
    assert [row.line for row in dataset.rows] == [1, 2, 4]
    assert [(dropped.origin, dropped.line) for dropped in dataset.dropped] == [("a.jsonl", 3)]
    assert reason in str(dataset.dropped[0].reason)


def test_a_file_of_broken_lines_says_what_is_wrong_with_the_first(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\nHi\nHello\n", encoding="utf-8")
    assert "none of its 2 rows can be used; the first one (line 2): this is not JSON" in refusal(path)


def test_columns_that_fit_no_format_are_named_with_the_formats_known(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("ask,say\nHi,Hello\n", encoding="utf-8")
    assert "columns found (ask, say); known formats are preference, kto, messages" in refusal(path)


def test_a_table_of_a_header_only_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("prompt,completion\n", encoding="utf-8")
    assert "the file is empty" in refusal(path)


def test_a_chosen_format_is_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "One day", "prompt": "Hi", "completion": "Hello"}\n', encoding="utf-8")
    assert load(DataConfig(source=str(path))).format == "prompt_completion"
    assert load(DataConfig(source=str(path), format="text")).format == "text"


def test_half_a_character_becomes_a_replacement_character(tmp_path: Path) -> None:
    dataset = read(tmp_path / "a.jsonl", GOOD.replace("Hello", r"Hello \ud83c"))
    item = dataset.rows[0].item
    assert isinstance(item, Conversation)
    assert item.messages[1].content == "Hello \ufffd"


def test_files_named_after_splits_keep_their_split(tmp_path: Path) -> None:
    for name in ("train.jsonl", "dev.jsonl", "test-00000-of-00001.jsonl", "extra.jsonl"):
        (tmp_path / name).write_text(GOOD, encoding="utf-8")
    rows = load(DataConfig(source=str(tmp_path))).rows
    assert {row.origin: row.split for row in rows} == {
        "train.jsonl": "train", "dev.jsonl": "validation", "test-00000-of-00001.jsonl": "test", "extra.jsonl": None,
    }  # fmt: skip


def test_the_raw_row_stays_with_the_item(tmp_path: Path) -> None:
    assert read(tmp_path / "a.jsonl", GOOD).rows[0].raw == json.loads(GOOD)


@pytest.mark.parametrize("source", ["./nowhere", "nowhere.jsonl", "~/nowhere", "/nowhere/at/all", " "])
def test_a_path_to_nothing_is_told_with_the_samples(source: str) -> None:
    assert "no such file, folder or sample" in refusal(source)


def test_a_name_of_the_hub_is_no_path() -> None:
    assert find("openai/gsm8k") is None


def test_the_hub_without_a_network_is_one_sentence() -> None:
    assert "the hub cannot be reached" in refusal("chatgui-tests/no-such-dataset")


def test_rows_before_a_break_in_a_json_list_are_used_and_the_break_is_named(tmp_path: Path) -> None:
    row = '{"prompt": "a", "completion": "b"}'
    path = tmp_path / "middle.json"
    for rest, key in ((f'{{"prompt": oops}},\n{row}]', "data.json_broken"), ('{"prompt": "cut', "data.json_broken")):
        path.write_text("[" + f"{row},\n" * 20 + rest)
        dataset = load(DataConfig(source=str(path)))
        assert len(dataset.rows) == 20 and [row.line for row in dataset.dropped] == [21]
        assert dataset.dropped[0].reason.values["reason"].key == key
        assert "line 21" in dataset.dropped[0].reason.text() and "第 21 行" in dataset.dropped[0].reason.text("zh")
    path.write_text("[" + f"{row},\n" * 20)
    assert [row.reason.values["reason"].key for row in load(DataConfig(source=str(path))).dropped] == ["data.json_cut"]


def test_a_list_broken_at_its_first_row_is_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "start.json"
    path.write_text('[\n{"prompt": oops}, {"prompt": "a", "completion": "b"}]')
    with pytest.raises(DataError, match="line 2: the JSON is broken here"):
        load(DataConfig(source=str(path)))


def test_tables_that_belong_together_by_a_number_are_told_to_be_joined(tmp_path: Path) -> None:
    (tmp_path / "films.csv").write_text("filmId,title,year\n" + "".join(f"{n},Film {n},2000\n" for n in range(9)))
    (tmp_path / "ratings.csv").write_text("userId,filmId,rating\n" + "".join(f"{n},{n % 3},4.0\n" for n in range(9)))
    with pytest.raises(DataError, match=r"films\.csv and ratings\.csv belong together by their column “filmId”"):
        load(DataConfig(source=str(tmp_path)))
