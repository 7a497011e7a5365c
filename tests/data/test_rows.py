import json
from pathlib import Path

import pytest

from chatgui.data import files, tables
from chatgui.data.load import DataConfig, Dataset, load, peek
from chatgui.errors import DataError

COUNT = 500


def line(number: int) -> str:
    reply = "" if number % 10 == 3 else f"Hello\u2028{number}"
    return json.dumps({"prompt": f"Hi {number} 你好，请问", "completion": reply}, ensure_ascii=False)


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """500 lines, every tenth without a reply and one broken; taken for too large to hold in memory."""
    monkeypatch.setattr(files, "LARGE_BYTES", 1000)
    monkeypatch.setattr(tables, "PART_BYTES", 777)
    lines = [line(number) for number in range(COUNT)]
    lines[77] = "{broken"
    path = tmp_path / "a.jsonl"
    path.write_text("\ufeff" + "\n".join([*lines[:9], "", "  ", *lines[9:]]), encoding="utf-8")
    return path


def read(path: Path) -> Dataset:
    return load(DataConfig(source=str(path)), path.parent / "cache")


def test_rows_of_a_large_file_are_those_of_a_small_one(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lazy = read(large)
    monkeypatch.undo()
    small = read(large)
    assert isinstance(small.rows.parts[0].table.rows, list)  # type: ignore[attr-defined]
    assert list(lazy.rows) == list(small.rows) == [small.rows[number] for number in range(len(small.rows))]
    assert [(row.line, str(row.reason)) for row in lazy.dropped] == [
        (row.line, str(row.reason)) for row in small.dropped
    ]
    assert (len(lazy.rows), len(lazy.dropped), lazy.read) == (449, 51, 500)


def test_rows_are_found_by_number_from_both_ends(large: Path) -> None:
    rows = read(large).rows
    assert rows[0].line == 1
    assert rows[-1] == rows[len(rows) - 1]
    assert [row.line for row in rows[-2:]] == [COUNT + 1, COUNT + 2]
    with pytest.raises(IndexError):
        rows[len(rows)]


def test_a_row_left_out_knows_its_line_and_reason(large: Path) -> None:
    dropped = read(large).dropped
    broken = next(row for row in dropped if row.line == 77 + 3)
    assert "this is not JSON" in str(broken.reason)
    assert dropped[0].line == 4 and "no reply of the assistant" in str(dropped[0].reason)
    assert len(dropped[:5]) == 5


@pytest.mark.parametrize("encoding", ["utf-16", "gb18030"])
def test_other_large_files_are_put_aside_once(large: Path, encoding: str) -> None:
    expected = list(read(large).rows)
    other = large.with_name("b.jsonl")
    other.write_text(large.read_text(encoding="utf-8-sig"), encoding=encoding)
    first, again = read(other), read(other)
    assert [row.item for row in first.rows] == [row.item for row in again.rows] == [row.item for row in expected]
    assert [row.line for row in first.rows] == [row.line for row in expected]
    assert len(list((large.parent / "cache").glob("*.rows"))) == 1


def test_what_was_found_out_is_remembered_until_the_file_changes(large: Path) -> None:
    told: list[tuple[int, int]] = []
    config = DataConfig(source=str(large))

    def tell(done: int, total: int) -> None:
        told.append((done, total))

    for _ in range(2):
        load(config, large.parent / "cache", tell)
    assert told == [(COUNT, COUNT)]
    large.write_text(large.read_text(encoding="utf-8") + "\n" + line(1), encoding="utf-8")
    load(config, large.parent / "cache", tell)
    assert told[-1] == (COUNT + 1, COUNT + 1)


def test_reading_can_be_stopped(large: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        load(DataConfig(source=str(large)), large.parent / "cache", stop)


def test_a_file_that_shrinks_while_it_is_open_is_told(large: Path) -> None:
    rows = read(large).rows
    large.write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="the file has changed since it was read"):
        rows[-1]


def test_a_first_look_gives_the_first_rows_and_says_that_there_are_more(large: Path) -> None:
    first = peek(DataConfig(source=str(large)), 20)
    assert (len(first.rows), len(first.dropped), first.whole) == (18, 2, False)
    assert [row.line for row in first.rows[:2]] == [1, 2]
    assert peek(DataConfig(source=str(large)), 1000).whole


def test_a_large_json_array_is_read_part_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatgui.data.readers.PART_CHARACTERS", 50)
    path = tmp_path / "a.json"
    path.write_text("[\n" + ",\n".join(line(number) for number in range(40)) + "\n]", encoding="utf-8")
    dataset = read(path)
    assert [row.line for row in dataset.rows[:3]] == [2, 3, 4]
    assert dataset.read == 40


def test_numbered_labels_of_a_parquet_file_get_their_names(tmp_path: Path) -> None:
    import datasets

    features = datasets.Features({
        "text": datasets.Value("string"), "label": datasets.ClassLabel(names=["bad", "good"]),
    })  # fmt: skip
    saved = datasets.Dataset.from_list([{"text": "Nice place", "label": 1}], features=features)
    saved.to_parquet(tmp_path / "a.parquet")
    saved.save_to_disk(tmp_path / "saved")
    for path in (tmp_path / "a.parquet", tmp_path / "saved"):
        assert read(path).rows[0].item.label == ("good",)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_both_kinds_of_arrow_are_read(tmp_path: Path, kind: str) -> None:
    import pyarrow as pa

    table = pa.Table.from_pylist([{"prompt": "Hi", "completion": "Hello"}] * 3)
    with (pa.ipc.new_file if kind == "file" else pa.ipc.new_stream)(str(tmp_path / "a.arrow"), table.schema) as writer:
        writer.write_table(table)
    assert len(read(tmp_path / "a.arrow").rows) == 3


def test_a_table_without_header_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("".join(f"it 's , well , number {n}\t{n % 2}\n" for n in range(20)), encoding="utf-8")
    dataset = read(path)
    assert (dataset.format, len(dataset.rows), dataset.rows[0].line) == ("label", 20, 1)


def test_tagged_lines_under_the_name_of_a_table_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("-DOCSTART-\tO\n\n" + "Jo\tB-PER\nleft\tO\n\n" * 5, encoding="utf-8")
    dataset = read(path)
    assert (dataset.format, len(dataset.rows), len(dataset.dropped)) == ("tags", 5, 0)
