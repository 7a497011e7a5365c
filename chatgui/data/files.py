"""Files, archives, folders and hub datasets as tables of raw rows with their line numbers. Knows no dataset format."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from chatgui.data import readers
from chatgui.data.readers import Raw, RawRow, Reader
from chatgui.data.streams import Encoding, Member, find_encoding, members, open_text
from chatgui.data.tables import Cache, Table, fingerprint_of
from chatgui.errors import ChatGuiError, DataError
from chatgui.home import home_folder
from chatgui.hub import look_for_hub

READERS: dict[str, Reader] = {
    ".jsonl": readers.read_lines, ".ndjson": readers.read_lines, ".json": readers.read_json,
    ".csv": readers.read_table, ".tsv": readers.read_table, ".txt": readers.read_documents,
    ".conll": readers.read_documents, ".bio": readers.read_documents, ".iob": readers.read_documents,
}  # fmt: skip
COLUMNAR = (".parquet", ".arrow")
CONTENT = (*READERS, *COLUMNAR)
SUFFIXES = (*CONTENT, ".zip", ".gz")
SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
LARGE_BYTES = 48 << 20
"""Files up to this size are read into memory; packed ones count eight times."""
MOST_FILES = 1000
HEAD_CHARACTERS = 1 << 16
NO_DATA = ("dataset_info.json", "dataset_infos.json", "state.json", "dataset_dict.json", "config.json")


def read_file(path: Path, cache: Path | None = None) -> Table:
    """A file that is one table. Raises DataError as `read_files` does."""
    return read_files(path, cache)[0]


def read_files(path: Path, cache: Path | None = None) -> list[Table]:
    """A file, or all data files of an archive.

    Raises DataError when the file's type is not known, or it is empty, broken or not text.
    """
    return [_table(member, _cache(cache)) for member in _members(path)]


def head(path: Path, count: int) -> Table:
    """The first rows of a file or of the first one in an archive, without reading on. Raises as `read_files`."""
    member = _members(path)[0]
    encoding, rows = _opened(member)
    return Table(member.name, encoding, list(islice(rows(), count)))


def read_folder(path: Path, cache: Path | None = None) -> list[Table]:
    """All data files of a folder, or a folder that `datasets` saved. Raises DataError when there is none.

    A file without rows (a list of names, a description) stands as a table with its `problem`.
    """
    if (path / "state.json").is_file() or (path / "dataset_dict.json").is_file():  # as `save_to_disk` leaves them
        return _read_saved(path, _cache(cache))
    tables = [table for file in data_files(path) for table in _tried(file, cache)]
    if tables and all(table.problem is not None for table in tables):
        raise tables[0].problem or DataError("data.empty_folder", source=str(path), allowed=", ".join(SUFFIXES))
    return tables


def data_files(path: Path) -> list[Path]:
    """The data files of a folder, or where it has none itself, of those in it. Raises DataError when there is none."""
    found = [file for file in sorted(path.iterdir()) if _is_data(file)]
    if not found:
        found = [file for file in islice(sorted(path.rglob("*")), 10 * MOST_FILES) if _is_data(file)][:MOST_FILES]
    tables = [file for file in found if file.suffix.lower() != ".txt"]
    found = tables or found  # beside tables, a text file is their licence or source note
    notes = [file for file in found if not re.match(r"(?i)(source|licen[cs]e|readme|notice)", file.stem)]
    if not (notes or found):
        raise DataError("data.empty_folder", source=str(path), allowed=", ".join(SUFFIXES))
    return notes or found


def _is_data(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and file.name not in NO_DATA and not file.name.startswith(".")


def _tried(file: Path, cache: Path | None) -> list[Table]:
    try:
        return [_without_rows(table) for table in read_files(file, cache)]
    except DataError as error:
        return [Table(file.name, "", [], problem=error)]


def _without_rows(table: Table) -> Table:
    """A JSON list of names (banking77's categories) is no table of broken rows."""
    first = [row for _, row in islice(table.rows, 20)]
    if first and all(isinstance(row, DataError) and row.key == "data.row_not_object" for row in first):
        return replace(table, rows=[], problem=DataError("data.no_rows", source=table.name))
    return table


def _members(path: Path) -> list[Member]:
    if path.suffix.lower() in SPREADSHEETS:
        raise DataError("data.spreadsheet", source=path.name, found=path.suffix.lower())
    if path.suffix.lower() not in SUFFIXES:
        found = path.suffix.lower() or "-"
        raise DataError("data.suffix_unknown", source=path.name, found=found, allowed=", ".join(SUFFIXES))
    inside = members(path, CONTENT)
    for member in inside:
        if member.suffix not in CONTENT:
            found = member.suffix or "-"
            raise DataError("data.suffix_unknown", source=member.name, found=found, allowed=", ".join(CONTENT))
    return inside


def _cache(folder: Path | None) -> Cache:
    return Cache(folder or home_folder() / "cache" / "data")


def _table(member: Member, cache: Cache) -> Table:
    """In memory when it is small, else where it lies or from the cache."""
    encoding, rows = _opened(member)
    size = member.size * (1 if member.is_plain and member.suffix != ".parquet" else 8)
    if size <= LARGE_BYTES:
        return Table(member.name, encoding, _filled(list(rows()), member.name))
    key = fingerprint_of(member.path) + (f"-{sha256(member.inner.encode()).hexdigest()[:8]}" if member.inner else "")
    if member.is_plain and encoding == "utf-8" and _rows_are_lines(member):
        return Table(member.name, encoding, _filled(cache.lines(key, member.path), member.name), key)
    return Table(member.name, encoding, _filled(cache.spooled(key, rows), member.name), key)


def _rows_are_lines(member: Member) -> bool:
    return member.suffix in READERS and _reader(member, find_encoding(member)) is readers.read_lines


def _filled(rows: Any, name: str) -> Any:
    if not len(rows):
        raise DataError("data.empty_file", source=name)
    return rows


def _opened(member: Member) -> tuple[str, Callable[[], Iterator[RawRow]]]:
    """How a file is encoded, and its rows from the beginning."""
    if member.suffix in COLUMNAR:
        return "binary", lambda: _columns(member)
    encoding = find_encoding(member)
    return encoding.name, lambda: _texts(member, encoding)


def _reader(member: Member, encoding: Encoding) -> Reader:
    """By the ending; but an array under the name of lines is one, and so are lines of JSON or cells named text."""
    reader = READERS[member.suffix]
    if reader not in (readers.read_lines, readers.read_documents):
        return reader
    with open_text(member, encoding) as stream:
        start = stream.read(HEAD_CHARACTERS).lstrip("\ufeff \t\r\n")
    if reader is readers.read_lines:
        is_printed = re.match(r"\{\s*\n", start)  # each object over several lines
        is_array = re.match(r"\[\s*([{\[]|$)", start) and not _are_lists(start)
        return readers.read_json if is_printed or is_array else reader
    first, *more = start.split("\n")
    if first.startswith("{") and isinstance(readers.parse_line(first), dict):
        return readers.read_lines
    tabs = {line.count("\t") for line in (first, *more[:-1])}
    return readers.read_table if len(more) > 2 and len(tabs) == 1 and tabs != {0} else reader


def _are_lists(start: str) -> bool:
    """Whether each line is an array of its own (a dialogue without a name), and not the file one array."""
    first, _, rest = start.partition("\n")
    return rest.lstrip()[:1] == "[" and isinstance(readers.parse_line(first), dict)


def _texts(member: Member, encoding: Encoding) -> Iterator[RawRow]:
    try:
        reader = _reader(member, encoding)
        with open_text(member, encoding, "" if reader is readers.read_table else "\n") as stream:
            yield from reader(stream, member.name)
    except UnicodeError as error:  # UTF-16 and its like have no way to hand a broken byte on
        raise DataError("data.bad_text", source=member.name, encoding=encoding.name) from error


def _columns(member: Member) -> Iterator[RawRow]:
    """Rows of a Parquet or Arrow file (a file or a stream), batch by batch."""
    import pyarrow as pa

    done = 0
    try:
        with member.open() as stream:
            # a Parquet file is read from its end: what is packed is unpacked first, within the bound of its stream
            source = str(member.path) if member.is_plain else pa.BufferReader(stream.read())
            batches = _parquet(source) if member.suffix == ".parquet" else _arrow(source)
            for batch in batches:
                for row in batch:
                    done += 1
                    yield done, row
    except (OSError, ValueError, pa.ArrowException) as error:
        if isinstance(error, ChatGuiError):
            raise
        reason = _first_line(error)
        raise DataError("data.broken_at_row", source=member.name, row=done + 1, reason=reason) from error


def _parquet(source: Any) -> Iterator[list[dict[str, Any]]]:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(source)
    names = _label_names(file.schema_arrow)
    for batch in file.iter_batches(batch_size=1000):
        yield _with_names(batch.to_pylist(), names)


def _arrow(source: Any) -> Iterator[list[dict[str, Any]]]:
    import pyarrow as pa

    buffer = pa.memory_map(source) if isinstance(source, str) else source
    try:
        file = pa.ipc.open_file(buffer)
        batches = (file.get_batch(number) for number in range(file.num_record_batches))
    except pa.ArrowInvalid:
        buffer.seek(0)
        file = pa.ipc.open_stream(buffer)
        batches = iter(file)
    names = _label_names(file.schema)
    for batch in batches:
        batch.validate(full=True)
        yield _with_names(batch.to_pylist(), names)


def _label_names(schema: Any) -> dict[str, list[str]]:
    """Names of the numbered labels in each column, from what `datasets` writes beside an Arrow schema."""
    if b"huggingface" not in (schema.metadata or {}):
        return {}
    import datasets

    try:
        return _names_of(datasets.Features.from_arrow_schema(schema))
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _names_of(features: Mapping[str, Any]) -> dict[str, list[str]]:
    found = {}
    for column, feature in features.items():
        inner = getattr(feature, "feature", feature)
        inner = inner[0] if isinstance(inner, list) and inner else inner
        if names := getattr(inner, "names", None):
            found[column] = list(names)
    return found


def _with_names(rows: list[dict[str, Any]], names: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    for row in rows if names else ():
        for column, known in names.items():
            row[column] = _named(row.get(column), known)
    return rows


def _named(value: Any, names: list[str]) -> Any:
    if isinstance(value, list):
        return [_named(each, names) for each in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value


def read_hub(
    name: str, subset: str | None, revision: str | None, split: str | None = None, cache: Path | None = None
) -> list[Table]:
    """A dataset of the hub, all its splits or one. Raises DataError when it is not there or there is no network."""
    import datasets

    reachable = look_for_hub()
    datasets.config.HF_HUB_OFFLINE = not reachable  # a copy it made when it was imported
    try:
        loaded = datasets.load_dataset(name, subset, split=split, revision=revision)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetGenerationError) as error:
        if not reachable:
            raise DataError("data.no_network", source=name) from error
        raise DataError("data.hub_failed", source=name, reason=_first_line(error)) from error
    return _from_datasets({split: loaded} if split else loaded, _cache(cache))


def _read_saved(path: Path, cache: Cache) -> list[Table]:
    import datasets

    try:
        return _from_datasets(datasets.load_from_disk(str(path)), cache)
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, ChatGuiError):
            raise
        raise DataError("data.unreadable", source=path.name, reason=_first_line(error)) from error


def _from_datasets(loaded: Any, cache: Cache) -> list[Table]:
    splits = loaded if isinstance(loaded, dict) else {"train": loaded}
    return [_from_dataset(name, split, cache) for name, split in splits.items()]


def _from_dataset(name: str, split: Any, cache: Cache) -> Table:
    names = _names_of(split.features)

    def rows() -> Iterator[tuple[int, Raw]]:
        for number, row in enumerate(split, start=1):
            yield number, _with_names([dict(row)], names)[0]

    if split.data.nbytes > LARGE_BYTES:
        key = f"hub-{split._fingerprint}"
        return Table(name, "binary", cache.spooled(key, rows), key)
    return Table(name, "binary", list(rows()))


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
