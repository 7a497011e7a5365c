import csv
import json
from pathlib import Path

import pytest

from chatgui.data import files
from chatgui.errors import ChatGuiError, DataError

ROW = {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "您好，请讲。"}]}
LINE = json.dumps(ROW, ensure_ascii=False)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        files.read_file(path)
    return str(caught.value)


def test_a_type_that_cannot_be_read_is_refused_with_those_that_can(tmp_path: Path) -> None:
    sentence = refusal(write(tmp_path / "letters.docx", "PK"))
    assert sentence.startswith("letters.docx: files that end in .docx cannot be read; use .jsonl")


def test_a_file_without_ending_is_refused(tmp_path: Path) -> None:
    assert "letters" in refusal(write(tmp_path / "letters", "hello"))


@pytest.mark.parametrize("content", ["", "\n\n  \n", "\ufeff"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.txt"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str, content: str) -> None:
    assert refusal(write(tmp_path / name, content)) == f"{name}: the file is empty; it needs at least one row."


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    assert "not a text file" in refusal(write(tmp_path / "a.jsonl", b"\x89PNG\0\0\0\x0d" * 9))


def test_a_broken_line_in_the_middle_costs_only_itself(tmp_path: Path) -> None:
    table = files.read_file(write(tmp_path / "a.jsonl", f'{LINE}\n{{"messages": [\n{LINE}\n'))
    assert [line for line, _ in table.rows] == [1, 2, 3]
    assert [isinstance(row, ChatGuiError) for _, row in table.rows] == [False, True, False]
    assert "this is not JSON" in str(table.rows[1][1])


def test_a_line_nested_without_end_costs_only_itself(tmp_path: Path) -> None:
    table = files.read_file(write(tmp_path / "a.jsonl", f"{LINE}\n{'[' * 100_000}\n"))
    assert isinstance(table.rows[1][1], DataError)


def test_a_line_that_is_no_object_says_what_it_is(tmp_path: Path) -> None:
    table = files.read_file(write(tmp_path / "a.jsonl", f"{LINE}\n[1]\n"))
    assert "this one is a list" in str(table.rows[1][1])


def test_a_line_separator_inside_a_string_ends_no_line(tmp_path: Path) -> None:
    table = files.read_file(write(tmp_path / "a.jsonl", '{"text": "one\u2028two\x85three"}\n{"text": "four"}\n'))
    assert [row for _, row in table.rows] == [{"text": "one\u2028two\x85three"}, {"text": "four"}]


def test_windows_line_ends_are_read(tmp_path: Path) -> None:
    table = files.read_file(write(tmp_path / "a.jsonl", f"{LINE}\r\n{LINE}\r\n"))
    assert [row for _, row in table.rows] == [ROW, ROW]


@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-16", "utf-16"), ("utf-16-be", "utf-16"),
        ("gb18030", "gb18030"),
    ],
)  # fmt: skip
def test_text_is_read_in_the_encoding_it_has(tmp_path: Path, encoding: str, told: str) -> None:
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    table = files.read_file(write(tmp_path / "a.jsonl", mark + LINE.encode(encoding)))
    assert (table.encoding, table.rows[0][1]) == (told, ROW)


def test_each_row_of_an_array_knows_its_line(tmp_path: Path) -> None:
    table = files.read_file(write(tmp_path / "a.json", f"[\n  {LINE},\n\n  {LINE}\n]\n"))
    assert table.rows == [(2, ROW), (4, ROW)]


@pytest.mark.parametrize(
    ("text", "kept", "line"),
    [
        (f"[\n{LINE},\n{LINE},\n", [2, 3], 4), (f"[\n{LINE},\n{LINE[:-9]}", [2], 3),
        (f"[\n{LINE},\n{{'a': 1}},\n{LINE}]", [2], 3),
    ],
)  # fmt: skip
def test_an_array_that_breaks_keeps_the_rows_before_and_names_the_line(
    tmp_path: Path, text: str, kept: list[int], line: int
) -> None:
    *rows, (broken, reason) = files.read_file(write(tmp_path / "a.json", text)).rows
    assert rows == [(number, ROW) for number in kept]
    assert broken == line and isinstance(reason, DataError) and "nothing was read" in str(reason)


def test_an_object_around_the_array_is_opened(tmp_path: Path) -> None:
    table = files.read_file(write(tmp_path / "a.json", json.dumps({"version": "1.0", "data": [ROW, ROW]})))
    assert [row for _, row in table.rows] == [ROW, ROW]


def test_one_conversation_alone_is_one_row(tmp_path: Path) -> None:
    assert files.read_file(write(tmp_path / "a.json", json.dumps(ROW, indent=1))).rows == [(1, ROW)]


def test_lines_of_json_under_the_name_of_json_are_read(tmp_path: Path) -> None:
    assert len(files.read_file(write(tmp_path / "a.json", f"{LINE}\n{LINE}\n")).rows) == 2


def test_json_that_is_neither_list_nor_object_is_refused(tmp_path: Path) -> None:
    assert "a.json: a JSON file begins with [ or {" in refusal(write(tmp_path / "a.json", '"hello"'))


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_the_separator_of_a_table_is_found(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=delimiter).writerows([["prompt", "completion"], ["Hi, you", "Hello; you\nthere"]])
    assert files.read_file(path).rows == [(2, {"prompt": "Hi, you", "completion": "Hello; you\nthere"})]


def test_a_table_row_with_a_wrong_number_of_columns_is_told(tmp_path: Path) -> None:
    table = files.read_file(write(tmp_path / "a.csv", "prompt,completion\nHi,Hello\nHi\nHi,Hello,there\nHi,Hello\n"))
    sentences = [str(row) for _, row in table.rows if isinstance(row, ChatGuiError)]
    assert [line for line, row in table.rows if isinstance(row, ChatGuiError)] == [3, 4]
    assert [sentence.split(";")[0] for sentence in sentences] == [
        "1 columns where the header names 2", "3 columns where the header names 2",
    ]  # fmt: skip


def test_a_text_file_is_cut_into_documents_at_empty_lines(tmp_path: Path) -> None:
    table = files.read_file(write(tmp_path / "a.txt", "One\nday\n\n\nTwo\n"))
    assert table.rows == [(1, {"text": "One\nday"}), (5, {"text": "Two"})]


def test_a_parquet_file_is_read(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist([ROW, ROW]), tmp_path / "a.parquet")
    assert [row for _, row in files.read_file(tmp_path / "a.parquet").rows] == [ROW, ROW]


def test_a_broken_parquet_file_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(write(tmp_path / "a.parquet", b"PAR1 and then nothing"))


def test_a_folder_gives_all_its_data_files(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", LINE)
    write(tmp_path / "test.jsonl", LINE)
    write(tmp_path / "notes.md", "not data")
    assert [table.name for table in files.read_folder(tmp_path)] == ["test.jsonl", "train.jsonl"]


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data file"):
        files.read_folder(tmp_path)


def test_a_dataset_saved_to_disk_is_read_with_its_splits(tmp_path: Path) -> None:
    import datasets

    saved = datasets.DatasetDict({name: datasets.Dataset.from_list([ROW]) for name in ("train", "test")})
    saved.save_to_disk(tmp_path / "saved")
    assert [table.name for table in files.read_folder(tmp_path / "saved")] == ["train", "test"]


def test_an_emoji_written_as_two_escapes_stays_whole(tmp_path: Path) -> None:
    table = files.read_file(write(tmp_path / "a.json", r'[{"text": "\ud83c\udf31 \ud83c"}]'))
    assert table.rows == [(1, {"text": "\U0001f331 \ufffd"})]


def test_a_hub_dataset_is_read_by_its_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "hub").mkdir()
    for name in ("train", "test"):
        write(tmp_path / "hub" / f"{name}.jsonl", f"{LINE}\n" * 2)
    name = str(tmp_path / "hub")  # a folder of the same layout stands in for the hub
    assert [table.name for table in files.read_hub(name, None, None)] == ["train", "test"]
    only = files.read_hub(name, None, None, "test")
    assert [(table.name, table.rows) for table in only] == [("test", [(1, ROW), (2, ROW)])]


def test_a_list_of_names_in_a_folder_is_no_table_of_broken_rows(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", LINE)
    write(tmp_path / "categories.json", '["card_arrival", "card_linking"]')
    problems = {table.name: table.problem for table in files.read_folder(tmp_path)}
    assert problems["train.jsonl"] is None
    assert "holds a list, but no rows" in str(problems["categories.json"])


def test_the_parts_of_a_dataset_in_folders_are_found(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "train-00000-of-00002.jsonl", LINE)
    write(tmp_path / "data" / "train-00001-of-00002.jsonl", LINE)
    assert len(files.read_folder(tmp_path)) == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", f"[{LINE},\n{LINE}]"),
        ("a.jsonl", f"[\n  {LINE},\n  {LINE}\n]"),
        ("a.txt", f"{LINE}\n{LINE}\n"),
        ("a.json", f"{LINE}\n{LINE}\n"),
    ],
)
def test_json_is_read_under_any_ending(tmp_path: Path, name: str, content: str) -> None:
    assert [row for _, row in files.read_file(write(tmp_path / name, content)).rows] == [ROW, ROW]


def test_cells_under_the_name_of_text_are_read(tmp_path: Path) -> None:
    rows = files.read_file(write(tmp_path / "a.txt", "ham\tSee you\nspam\tFree!\nham\tOk then\nham\tSoon\n")).rows
    assert rows[0] == (1, {"column_1": "ham", "column_2": "See you"})


def test_a_broken_utf_16_file_is_told(tmp_path: Path) -> None:
    assert "begins as utf-16" in refusal(write(tmp_path / "a.txt", "\ufeffHello".encode("utf-16-le") + b"a"))
