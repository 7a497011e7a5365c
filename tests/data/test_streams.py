import gzip
import zipfile
from pathlib import Path

import pytest

from chatgui.data import files, streams
from chatgui.data.load import DataConfig, load
from chatgui.errors import DataError

LINE = '{"prompt": "Hi", "completion": "Hello"}\n'
WORDS = {
    "gb18030": "label,review\n1,房间很大，床有2米宽，整体感觉不错！\n0,早餐太差，服务也不好。\n",
    "gbk": "text,label\n很好,1\n房间太差,0\n",
    "big5": "text,label\n" + "這是一個測試，酒店很好，服務不錯。,1\n" * 4,
    "latin-1": "text,label\nJe suis très fâché,0\nC'est génial à souhait,1\n",
    "cp1252": "text,label\nGrüße aus München – “schön”,1\n",
    "utf-16-le": "text,label\nplain words,1\n",
    "utf-32": "text,label\n很好,1\n",
}
TOLD = {"gbk": "gb18030", "utf-16-le": "utf-16"}


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def zipped(path: Path, contents: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("encoding", WORDS)
def test_the_encoding_is_found_and_told(tmp_path: Path, encoding: str) -> None:
    table = files.read_file(write(tmp_path / "a.csv", WORDS[encoding].encode(encoding)))
    assert table.encoding == TOLD.get(encoding, encoding)


def test_the_words_survive_their_encoding(tmp_path: Path) -> None:
    for encoding, text in WORDS.items():
        rows = files.read_file(write(tmp_path / "a.csv", text.encode(encoding))).rows
        cells = [",".join(row.values()) for _, row in rows if isinstance(row, dict)]
        assert cells == text.splitlines()[1:]


def test_one_byte_that_is_no_text_costs_its_row_alone(tmp_path: Path) -> None:
    good = LINE.replace("Hi", "你好，请问几点开门？").encode()
    table = files.read_file(write(tmp_path / "a.jsonl", good + good.replace("请".encode(), b"\xe8\xaf") + good))
    sentences = {line: str(row) for line, row in table.rows if isinstance(row, DataError)}
    assert list(sentences) == [2]
    assert "the byte 0xe8 in column" in sentences[2]


def test_a_packed_file_is_read_as_what_is_in_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl.gz", gzip.compress(LINE.encode() * 3))
    assert len(files.read_file(path).rows) == 3


def test_an_archive_gives_its_data_files_with_their_splits(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {
        "set/train.jsonl": LINE * 3, "set/test.jsonl": LINE, "set/LICENSE.txt": "free", "__MACOSX/._train.jsonl": "x",
    })  # fmt: skip
    rows = load(DataConfig(source=str(path))).rows
    assert [(row.origin, row.split) for row in rows] == [
        ("a.zip/set/test.jsonl", "test"), *[("a.zip/set/train.jsonl", "train")] * 3,
    ]  # fmt: skip


def test_an_archive_without_data_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.zip: this archive holds 0 data files"):
        files.read_files(zipped(tmp_path / "a.zip", {"photo.png": "x"}))


def test_an_archive_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.zip: the file cannot be read: File is not a zip file"):
        files.read_files(write(tmp_path / "a.zip", b"PK nothing"))


def test_a_bomb_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "FREE_BYTES", 1 << 20)
    path = write(tmp_path / "a.jsonl.gz", gzip.compress(b'{"text": "' + b"a" * (64 << 20)))
    with pytest.raises(DataError, match="MiB come out of this archive"):
        files.read_file(path)


def test_a_packed_file_that_was_cut_names_the_byte(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl.gz", gzip.compress(LINE.encode() * 3)[:-12])
    with pytest.raises(DataError, match=r"a\.jsonl\.gz: the file is broken at byte"):
        files.read_file(path)


def test_another_file_packed_is_refused_by_its_inner_ending(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"files that end in \.docx cannot be read"):
        files.read_file(write(tmp_path / "a.docx.gz", gzip.compress(b"x")))


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatgui.data.readers.MOST_CHARACTERS", 1000)
    with pytest.raises(DataError, match=r"a\.jsonl, line 2: this line is longer"):
        files.read_file(write(tmp_path / "a.jsonl", LINE.encode() + b"a" * 2000))
