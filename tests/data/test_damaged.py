"""Damaged files, made from real ones: whatever a file holds, the reader ends soon, with rows or with a sentence.

The number of files is CHATGUI_DAMAGED (200 unless given); `CHATGUI_DAMAGED=2000 pytest tests/data/test_damaged.py`.
"""

import gzip
import io
import os
import time
import zipfile
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from chatgui.data.load import SAMPLES, DataConfig, load, peek
from chatgui.errors import ChatGuiError
from chatgui.text import languages

FILES = int(os.environ.get("CHATGUI_DAMAGED", "200"))
MOST_SECONDS = 10
MOST_BYTES = 6000
SHARED = (
    "sst2/dev.tsv", "conll2003/test.txt", "chnsenticorp_htl/ChnSentiCorp_htl_all.csv", "banking77/test.csv",
    "crosswoz/crosswoz_val_messages.jsonl", "llamafactory_demos/kto_en_demo.json", "movielens_small/ratings.csv",
    "llamafactory_demos/dpo_zh_demo.json", "llamafactory_demos/glaive_toolcall_en_demo.json",
)  # fmt: skip
BUNDLED = (
    "support/train.jsonl", "tutor/train.json", "writing/train.csv", "sentiment/train.csv", "entities/train.jsonl",
    "recommend/train.jsonl", "preference/train.jsonl", "clinic/train.jsonl",
)  # fmt: skip
TOKENS = (
    b"\n", b"\r", b"\0", b'"', b"'", b"{", b"}", b"[", b"]", b",", b"\t", b"\\", b"\\ud83c", b"\xff", b"\xc3",
    b"\xfe\xff", b"null", b"NaN", b"1e999", b"9" * 400, b"[" * 3000, b'{"a":' * 3000, b"-DOCSTART-", b"O", b"B-",
    b"PK\x03\x04", "\u2028".encode(), "\ufeff".encode(), "\U0001f469\u200d\U0001f680".encode(), b"role",
    b"user", b" " * 300,
)  # fmt: skip


@cache
def whole(place: str) -> tuple[tuple[str, bytes], ...]:
    """Beginnings of real files under their names, and the same packed, as Parquet and as Arrow."""
    plain = [(Path(name).name, (SAMPLES / name).read_bytes()[:MOST_BYTES]) for name in BUNDLED]
    plain += [(Path(name).name, (Path(place) / name).read_bytes()[:MOST_BYTES]) for name in SHARED]
    rows = [{"text": f"row {number}", "label": number % 2} for number in range(40)]
    table = pa.Table.from_pylist(rows)
    parquet, arrow, stream, packed = (io.BytesIO() for _ in range(4))
    pq.write_table(table, parquet)
    with pa.ipc.new_file(arrow, table.schema) as writer:
        writer.write_table(table)
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in plain[:2]:
            archive.writestr(name, content)
    return (
        *plain, ("a.parquet", parquet.getvalue()), ("a.arrow", arrow.getvalue()), ("b.arrow", stream.getvalue()),
        ("a.zip", packed.getvalue()), ("a.jsonl.gz", gzip.compress(plain[0][1])),
        ("b.csv", plain[2][1].decode(errors="ignore").encode("utf-16")),
        ("c.csv", plain[2][1].decode(errors="ignore").encode("gb18030")),
    )  # fmt: skip


@st.composite
def faults(draw: st.DrawFn) -> tuple[int, list[tuple[str, float, float, bytes]], str]:
    """A file by its number, what is done to it and where (shares of its length), and another ending perhaps."""
    edit = st.tuples(
        st.sampled_from(("cut", "drop", "insert", "repeat", "flip", "swap")),
        st.floats(0, 1), st.floats(0, 0.2), st.one_of(st.sampled_from(TOKENS), st.binary(min_size=1, max_size=8)),
    )  # fmt: skip
    endings = st.sampled_from(("",) * 9 + (".json", ".jsonl", ".csv", ".tsv", ".txt", ".parquet", ".zip", ".gz"))
    return draw(st.integers(0, 23)), draw(st.lists(edit, min_size=1, max_size=4)), draw(endings)


def damaged(content: bytes, edits: list[tuple[str, float, float, bytes]]) -> bytes:
    for kind, at, share, token in edits:
        start = int(at * len(content))
        end = min(len(content), start + 1 + int(share * len(content)))
        part = content[start:end]
        changed = {
            "cut": b"", "drop": b"", "insert": token + part, "repeat": part * 3, "flip": token[:1] + part[1:],
            "swap": part[::-1],
        }[kind]  # fmt: skip
        content = content[:start] + changed + (b"" if kind == "cut" else content[end:])
    return content


def assert_is_told(error: ChatGuiError, places: tuple[str, ...]) -> None:
    for language in languages():
        sentence = error.text(language)
        assert any(place in sentence for place in places), sentence
        assert sentence != error.key and "Traceback" not in sentence


@pytest.mark.timeout(0)
def test_a_damaged_file_ends_in_rows_or_in_a_sentence_that_names_the_place(shared: Path, tmp_path: Path) -> None:
    seen = 0

    @seed(0)
    @settings(max_examples=FILES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(faults())
    def drive(fault: tuple[int, list[tuple[str, float, float, bytes]], str]) -> None:
        nonlocal seen
        seen += 1
        number, edits, ending = fault
        name, content = whole(str(shared / "data"))[number % len(whole(str(shared / "data")))]
        path = tmp_path / (name + ending)
        path.write_bytes(damaged(content, edits))
        start = time.monotonic()
        try:
            peek(DataConfig(source=str(path)))
            dataset = load(DataConfig(source=str(path)))
        except ChatGuiError as error:
            assert_is_told(error, (path.name,))
        else:
            assert len(list(dataset.rows)) == len(dataset.rows) > 0
            for dropped in dataset.dropped:
                assert dropped.origin.startswith(path.name) and dropped.line > 0
                assert dropped.reason.text("en") != dropped.reason.key
        assert time.monotonic() - start < MOST_SECONDS
        path.unlink()

    drive()
    assert seen >= FILES
