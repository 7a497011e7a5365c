"""Long tables of raw rows that stay on the disk: by row number or from the beginning, never all in memory.

A file of JSON lines is read where it lies, by the places its lines begin at. Anything else that is large is written
once as such a file into the cache. Nothing is mapped into memory, so that a large file does not count as the program's.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, overload
from weakref import finalize

import numpy as np
import numpy.typing as npt

from chatgui.data.readers import Raw, RawRow, parse_line
from chatgui.errors import ChatGuiError, DataError

Places = npt.NDArray[np.int64]
PART_BYTES = 8 << 20
EDGE_BYTES = 1 << 20
KEPT_BYTES = 20 << 30
"""Of the cache; what was used longest ago makes room."""
VERSION = "1"
"""Of the files in the cache."""


@dataclass(frozen=True)
class Table:
    """One file's rows; a row that could not be read stands as its error."""

    name: str
    encoding: str
    rows: Sequence[RawRow]
    print: str | None = None
    """Fingerprint of a large file, to remember things about it by."""
    problem: ChatGuiError | None = field(default=None, compare=False)
    """Why a file among others holds no rows."""


class Lines(Sequence[RawRow]):
    """Rows of a file with one a line. Reading is safe from several threads."""

    def __init__(
        self, path: Path, starts: Places, ends: Places, numbers: Places, parse: Callable[[bytes], Any]
    ) -> None:
        self.path, self.starts, self.ends, self.numbers, self._parse = path, starts, ends, numbers, parse

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> RawRow: ...
    @overload
    def __getitem__(self, index: slice) -> list[RawRow]: ...
    def __getitem__(self, index: int | slice) -> RawRow | list[RawRow]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        start, end = int(self.starts[index]), int(self.ends[index])
        content = os.pread(self._file, end - start, start)
        if len(content) < end - start:
            raise DataError("data.file_changed", source=self.path.name)
        return self._row(index % len(self), content)

    def __iter__(self) -> Iterator[RawRow]:
        for first, last, part in self.parts():
            base = int(self.starts[first])
            for index in range(first, last):
                yield self._row(index, part[int(self.starts[index]) - base : int(self.ends[index]) - base])

    def parts(self) -> Iterator[tuple[int, int, bytes]]:
        """Neighbouring rows as they lie in the file: the first one, the one behind the last, and all their bytes."""
        first = 0
        while first < len(self):
            base = int(self.starts[first])
            last = max(first + 1, int(np.searchsorted(self.ends, base + PART_BYTES)))
            yield first, last, os.pread(self._file, int(self.ends[last - 1]) - base, base)
            first = last

    def _row(self, index: int, content: bytes) -> RawRow:
        parsed = self._parse(content)
        return parsed if isinstance(parsed, tuple) else (int(self.numbers[index]), parsed)

    @cached_property
    def _file(self) -> int:
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise DataError("data.unreadable", source=self.path.name, reason=error.strerror or str(error)) from error
        finalize(self, os.close, descriptor)
        return descriptor


def lines_of_file(path: Path, parse: Callable[[bytes], Any] = parse_line) -> Lines:
    """The lines of a UTF-8 file that are not blank. (N,) places of 8 bytes each are all that is kept."""
    return Lines(path, **line_places(path), parse=parse)


def line_places(path: Path) -> dict[str, Places]:
    """Where the lines that are not blank start and end, in bytes, and their numbers from 1; each (N,)."""
    starts: list[Places] = []
    at = 0
    first = 3 if _begins_with_mark(path) else 0
    with path.open("rb") as stream:
        while part := stream.read(PART_BYTES):
            starts.append(np.flatnonzero(np.frombuffer(part, np.uint8) == 10).astype(np.int64) + at + 1)
            at += len(part)
    begins = np.concatenate([np.array([first], np.int64), *starts])
    ends = np.append(begins[1:], at)
    keep = ends - begins > 1
    for place in np.flatnonzero(keep & (ends - begins < 64)):  # short enough to be nothing but spaces
        keep[place] = bool(_content(path, int(begins[place]), int(ends[place])).strip())
    return {"starts": begins[keep], "ends": ends[keep], "numbers": np.flatnonzero(keep) + 1}


def _begins_with_mark(path: Path) -> bool:
    return _content(path, 0, 3) == b"\xef\xbb\xbf"


def _content(path: Path, start: int, end: int) -> bytes:
    with path.open("rb") as stream:
        stream.seek(start)
        return stream.read(end - start)


class Cache:
    """Files that can be made again, in one folder; a temporary one when that cannot be written."""

    def __init__(self, folder: Path) -> None:
        self._wanted = folder

    @cached_property
    def folder(self) -> Path:
        """Made when something is put into it."""
        try:
            self._wanted.mkdir(parents=True, exist_ok=True)
            if os.access(self._wanted, os.W_OK):
                return self._wanted
        except OSError:
            pass
        folder = Path(tempfile.mkdtemp(prefix="chatgui-"))
        finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def lines(self, key: str, path: Path) -> Lines:
        """The lines of a file where it lies; their places are remembered."""
        return Lines(path, **self.remembered(f"{key}-lines", lambda: line_places(path)), parse=parse_line)

    def spooled(self, key: str, rows: Callable[[], Iterable[RawRow]]) -> Lines:
        """Rows as a file of lines, written unless they have been. Raises DataError when the disk is full."""
        path = self.folder / f"{key}.rows"
        if not path.exists():
            self._write(path, rows())
        os.utime(path)
        return lines_of_file(path, _unframed)

    def _write(self, path: Path, rows: Iterable[RawRow]) -> None:
        import orjson

        self._make_room()
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            with part.open("wb") as stream:
                for line, row in rows:
                    content = {"error": row.plain()} if isinstance(row, ChatGuiError) else {"row": row}
                    stream.write(orjson.dumps([line, content], default=str, option=orjson.OPT_NON_STR_KEYS))
                    stream.write(b"\n")
            part.replace(path)
        except OSError as error:
            if isinstance(error, ChatGuiError):
                raise
            raise DataError("data.cache_full", path=str(self.folder), reason=error.strerror or str(error)) from error
        finally:
            part.unlink(missing_ok=True)

    def remembered(self, key: str, make: Callable[[], dict[str, npt.NDArray[Any]]]) -> dict[str, npt.NDArray[Any]]:
        """Arrays that took long to make."""
        path = self.folder / f"{key}.npz"
        try:
            with np.load(path, allow_pickle=False) as found:
                return dict(found)
        except (OSError, ValueError, KeyError, EOFError):
            pass
        arrays = make()
        part = path.with_suffix(f".{os.getpid()}.part.npz")
        try:
            np.savez(part, **arrays)  # type: ignore[arg-type]
            part.replace(path)
        except OSError:  # a full disk costs only the memory of it
            part.unlink(missing_ok=True)
        return arrays

    def _make_room(self) -> None:
        files = sorted(self.folder.glob("*"), key=lambda file: file.stat().st_mtime, reverse=True)
        size = 0
        for file in files:
            size += file.stat().st_size
            if size > KEPT_BYTES and time.time() - file.stat().st_mtime > 3600:
                file.unlink(missing_ok=True)


def _unframed(content: bytes) -> tuple[int, Raw]:
    import orjson

    line, framed = orjson.loads(content)
    if "row" in framed:
        return line, framed["row"]
    return line, _error(framed["error"])


def _error(plain: dict[str, Any]) -> DataError:
    return DataError(plain["key"], **plain["values"])


def fingerprint_of(path: Path) -> str:
    """Of a file by size, time of change, and the bytes at both of its ends: a gigabyte need not be read for it."""
    stat = path.stat()
    edges = _content(path, 0, EDGE_BYTES) + _content(path, max(0, stat.st_size - EDGE_BYTES), stat.st_size)
    return sha256(f"{VERSION} {stat.st_size} {stat.st_mtime_ns} ".encode() + edges).hexdigest()[:24]
