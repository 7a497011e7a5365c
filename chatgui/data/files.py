"""Files, folders and hub datasets as tables of raw rows with their line numbers. Knows no dataset format."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatgui.errors import ChatGuiError, DataError
from chatgui.hub import look_for_hub

RawRow = tuple[int, Mapping[str, Any] | ChatGuiError]
SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt", ".parquet", ".arrow")
ENCODINGS = ("utf-8-sig", "gb18030")
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
csv.field_size_limit(2**31 - 1)


@dataclass(frozen=True)
class Table:
    """One file's rows; a row that could not be read stands as its error."""

    name: str
    encoding: str
    rows: list[RawRow]


def read_file(path: Path) -> Table:
    """Raises DataError when the file's type is not known, or it is empty, broken or not text."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError("data.suffix_unknown", source=path.name, found=suffix or "-", allowed=", ".join(SUFFIXES))
    if suffix in (".parquet", ".arrow"):
        return Table(path.name, "binary", list(_read_columns(path, suffix[1:])))
    text, encoding = _read_text(path)
    if not text.strip():
        raise DataError("data.empty_file", source=path.name)
    readers = {".csv": _read_csv, ".tsv": _read_csv, ".txt": _read_documents, ".json": _read_json}
    return Table(path.name, encoding, list(readers.get(suffix, _read_lines)(text, path.name)))


def read_folder(path: Path) -> list[Table]:
    """All data files of a folder, or a folder that `datasets` saved. Raises DataError when there is none."""
    if (path / "state.json").is_file() or (path / "dataset_dict.json").is_file():  # as `save_to_disk` leaves them
        return _read_saved(path)
    names = sorted(
        file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.name != "dataset_info.json"
    )
    tables = [file for file in names if file.suffix.lower() != ".txt"]
    names = tables or names  # beside tables, a text file is their licence or source note
    if not names:
        raise DataError("data.empty_folder", source=str(path), allowed=", ".join(SUFFIXES))
    return [read_file(file) for file in names]


def read_hub(name: str, subset: str | None, revision: str | None) -> list[Table]:
    """A dataset of the hub, all its splits. Raises DataError when it is not there or there is no network."""
    import datasets

    reachable = look_for_hub()
    datasets.config.HF_HUB_OFFLINE = not reachable  # a copy it made when it was imported
    try:
        loaded = datasets.load_dataset(name, subset, revision=revision)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetGenerationError) as error:
        if not reachable:
            raise DataError("data.no_network", source=name) from error
        raise DataError("data.hub_failed", source=name, reason=_first_line(error)) from error
    return _from_datasets(loaded)


def _read_saved(path: Path) -> list[Table]:
    import datasets

    try:
        return _from_datasets(datasets.load_from_disk(str(path)))
    except (OSError, ValueError) as error:
        raise DataError("data.unreadable", source=path.name, reason=_first_line(error)) from error


def _from_datasets(loaded: Any) -> list[Table]:
    splits = loaded if isinstance(loaded, dict) else {"train": loaded}
    return [Table(name, "binary", list(enumerate(map(dict, split), start=1))) for name, split in splits.items()]


def _read_columns(path: Path, kind: str) -> Iterator[RawRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path) if kind == "parquet" else pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
    except (OSError, ValueError) as error:
        raise DataError("data.unreadable", source=path.name, reason=_first_line(error)) from error
    yield from enumerate(table.to_pylist(), start=1)


def _read_text(path: Path) -> tuple[str, str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError("data.unreadable", source=path.name, reason=error.strerror or str(error)) from error
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        candidates: tuple[str, ...] = ("utf-16",)
    elif b"\0" in content[:4096]:
        raise DataError("data.not_text", source=path.name)
    else:
        candidates = ENCODINGS
    for encoding in candidates:
        try:
            return content.decode(encoding), encoding.removesuffix("-sig")
        except UnicodeDecodeError:
            continue
    raise DataError("data.not_text", source=path.name)


def _read_lines(text: str, name: str) -> Iterator[RawRow]:
    # split("\n") and not splitlines(): JSON strings may hold U+2028 and its like, which splitlines would break at
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, _as_row(_whole(json.loads(line), line))
            except (ValueError, RecursionError) as error:
                reason, _, column = _json_fault(error)
                yield number, DataError("data.bad_json", reason=reason, column=column)


def _read_json(text: str, name: str) -> Iterator[RawRow]:
    """A JSON array, an object that holds one, or (some files are misnamed) one object a line."""
    start = len(text) - len(text.lstrip())
    if text[start] == "{":
        try:
            whole = _whole(json.loads(text), text)
        except (ValueError, RecursionError):
            yield from _read_lines(text, name)
            return
        lists = [value for value in whole.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
        is_row = any(key in whole for key in ("messages", "conversations"))
        rows = [whole] if is_row or len(lists) != 1 else lists[0]
        yield from enumerate(map(_as_row, rows), start=1)
    elif text[start] == "[":
        yield from _read_array(text, start + 1, name)
    else:
        raise DataError("data.not_json", source=name, found=text[start : start + 20])


def _read_array(text: str, position: int, name: str) -> Iterator[RawRow]:
    """Element by element, so that each row knows the line it begins on."""
    decoder = json.JSONDecoder()
    line, counted = 1, 0
    while True:
        while position < len(text) and text[position] in " \t\r\n,":
            position += 1
        line, counted = line + text.count("\n", counted, position), position
        if position >= len(text):
            raise DataError("data.json_cut", source=name, line=line)
        if text[position] == "]":
            return
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            reason, at, _ = _json_fault(error)
            raise DataError("data.json_broken", source=name, line=at or line, reason=reason) from error
        yield line, _as_row(_whole(value, text[position:end]))
        position = end


def _json_fault(error: Exception) -> tuple[str, int, int]:
    """Reason, line and column; line 0 when it is not known (too deep a nesting, a number of thousands of digits)."""
    if isinstance(error, json.JSONDecodeError):
        return error.msg, error.lineno, error.colno
    return ("nested too deeply" if isinstance(error, RecursionError) else _first_line(error)), 0, 1


def _whole(value: Any, source: str) -> Any:
    """Half a character (`\\ud83c` alone, of an emoji somebody cut) becomes U+FFFD: no encoding could write it out."""
    if not SURROGATE.search(source):
        return value
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))


def _as_row(value: Any) -> Mapping[str, Any] | ChatGuiError:
    return value if isinstance(value, dict) else DataError("data.row_not_object", found=type(value).__name__)


def _read_csv(text: str, name: str) -> Iterator[RawRow]:
    header = text.split("\n", 1)[0]
    delimiter = max(",\t;|", key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    width = len(reader.fieldnames or ())
    line = 2
    try:
        for row in reader:
            if None in row or any(value is None for value in row.values()):
                found = sum(value is not None for key, value in row.items() if key) + len(row.get(None) or ())
                yield line, DataError("data.bad_columns", found=found, expected=width)
            else:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        yield line, DataError("data.bad_csv", reason=str(error))


def _read_documents(text: str, name: str) -> Iterator[RawRow]:
    lines: list[str] = []
    start = 1
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        if line.strip():
            start = start if lines else number
            lines.append(line.rstrip("\r"))
        elif lines:
            yield start, {"text": "\n".join(lines)}
            lines = []


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
