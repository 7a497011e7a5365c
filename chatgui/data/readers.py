"""Text as raw rows with their line numbers, read from the beginning on and never held whole.

A row that cannot be read stands as its error; a file that cannot be read on is one DataError that names the line.
Knows no dataset format.
"""

import csv
import io
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from chatgui.data.streams import ESCAPED, lines_of
from chatgui.errors import ChatGuiError, DataError

Raw = Mapping[str, Any] | ChatGuiError
RawRow = tuple[int, Raw]
Reader = Callable[[io.TextIOBase, str], Iterator[RawRow]]
MOST_CHARACTERS = 32 << 20
"""Of one row; what is longer is a file without line ends, or a quotation mark that is never closed."""
PART_CHARACTERS = 1 << 20
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
SPACE = re.compile(r"[ \t\r\n,]*")
TURNS = ({"role"}, {"from", "value"}, {"human", "assistant"}, {"Human", "Assistant"}, {"user", "assistant"})
"""Names that a turn, or an exchange, has."""
HEAD_LINES = 60
"""Of a table, to find separator and header from."""
MOST_HEADER_CHARACTERS = 100
TAGGED = re.compile(r"\S+(?:[ \t]\S+)*?[ \t](?:O|[BIESLUM]-\S+)(?:[ \t]\S+)*")
csv.field_size_limit(MOST_CHARACTERS)


def read_lines(stream: io.TextIOBase, name: str) -> Iterator[RawRow]:
    """One JSON object a line."""
    for number, line in enumerate(lines_of(stream, MOST_CHARACTERS, name), start=1):
        if line.strip():
            yield number, parse_line(line)


def parse_line(line: str | bytes) -> Raw:
    """The row of one line of JSON."""
    import orjson

    try:
        return _as_row(orjson.loads(line))
    except ValueError:  # what it refuses (NaN, half a character, bytes that are no text) has a sentence below
        return _parse_slowly(line.decode("utf-8", "surrogateescape") if isinstance(line, bytes) else line)


def _parse_slowly(line: str) -> Raw:
    if (fault := ESCAPED.search(line)) is not None:
        return DataError("data.bad_byte", byte=f"{ord(fault[0]) - 0xDC00:#x}", column=fault.start() + 1)
    try:
        return _as_row(_whole(json.loads(line), line))
    except (ValueError, RecursionError) as error:
        reason, _, column = _json_fault(error)
        return DataError("data.bad_json", reason=reason, column=column)


def read_json(stream: io.TextIOBase, name: str) -> Iterator[RawRow]:
    """A JSON array, an object that holds one, or (some files are misnamed) one object after the other."""
    buffer = _Buffer(stream, name)
    buffer.skip()
    if buffer.text[buffer.place :] in ("", "\ufeff"):
        raise DataError("data.empty_file", source=name)
    if buffer.text[buffer.place] == "[":
        buffer.place += 1
        yield from _elements(buffer, closed=True)
    elif buffer.text[buffer.place] == "{":
        yield from _objects(buffer, name)
    else:
        raise DataError("data.not_json", source=name, found=buffer.text[buffer.place : buffer.place + 20])


def _objects(buffer: "_Buffer", name: str) -> Iterator[RawRow]:
    start, line = buffer.place, buffer.line
    try:
        first = buffer.value()
    except DataError:  # its lines may still be rows, some of them broken
        rest = itertools.chain(buffer.text[start:].splitlines(keepends=True), buffer.stream)
        yield from read_lines(_Joined(rest), name)
        return
    buffer.skip()
    if buffer.place < len(buffer.text):
        yield line, _as_row(first)
        yield from _elements(buffer, closed=False)
        return
    yield from enumerate(map(_as_row, _within(first)), start=1)


def _within(whole: Any) -> list[Any]:
    """The rows that a lone JSON object holds; itself where it is a row.

    They may stand in a list under some name, under a name each (an index, as pandas has it), or column by column.
    """
    if not isinstance(whole, dict) or not whole:
        return [whole]
    values = list(whole.values())
    lists = [value for value in values if isinstance(value, list) and value and isinstance(value[0], (dict, list))]
    if len(lists) == 1:
        return [whole] if _is_turns(lists[0]) else lists[0]
    if all(isinstance(value, dict) and value for value in values):
        return _by_index(whole, values)
    lengths = {len(value) if isinstance(value, list) else -1 for value in values}
    are_words = any(name.lower() in ("tokens", "words") for name in whole)
    if len(whole) < 2 or len(lengths) > 1 or lengths == {-1} or lists or are_words:
        return [whole]
    return [dict(zip(whole, cells, strict=True)) for cells in zip(*values, strict=True)]


def _by_index(whole: dict[str, Any], values: list[dict[str, Any]]) -> list[Any]:
    """Objects under the names of rows, or of columns whose cells are numbered."""
    if all(set(value) == set(values[0]) and "0" in value for value in values):
        return [{name: column[index] for name, column in whole.items()} for index in values[0]]
    shared = set(values[0]).intersection(*values)
    return values if len(values) > 1 and shared and not shared & {"role", "from"} else [whole]


def _is_turns(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(turn, dict) and any(names <= set(turn) for names in TURNS) for turn in value
    )


def _elements(buffer: "_Buffer", *, closed: bool) -> Iterator[RawRow]:
    """Element by element, so that each row knows the line it begins on; to a bracket, if there is one.

    Where it breaks, the rows before it stand, and one says from where on nothing was read.
    """
    any_row = False
    while True:
        buffer.skip()
        line = buffer.line
        if buffer.place >= len(buffer.text) and not closed:
            return
        if closed and buffer.text[buffer.place : buffer.place + 1] == "]":
            buffer.place += 1
            buffer.skip()
            if buffer.text[buffer.place : buffer.place + 1] == "[":  # several arrays, one after the other
                buffer.place += 1
                continue
            if buffer.place < len(buffer.text):
                found = buffer.text[buffer.place : buffer.place + 20]
                yield buffer.line, DataError("data.json_after", found=found)
            return
        try:
            if buffer.place >= len(buffer.text):
                raise DataError("data.json_cut", source=buffer.name, line=line)
            row = _as_row(buffer.value())
        except DataError as error:
            if not any_row:
                raise
            yield line, DataError("data.json_rest", reason=error)
            return
        any_row = any_row or not isinstance(row, ChatGuiError)
        yield line, row


class _Joined(io.TextIOBase):
    """Lines as a stream."""

    def __init__(self, lines: Iterator[str]) -> None:
        super().__init__()
        self._lines = lines

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        return next(self._lines, "")


class _Buffer:
    """A window on a long JSON text; `line` is that of `place`."""

    def __init__(self, stream: io.TextIOBase, name: str) -> None:
        self.stream, self.name = stream, name
        self.text, self.place, self.line = "", 0, 1
        self._counted = 0
        self._decoder = json.JSONDecoder()
        self._more()

    def skip(self) -> None:
        """Over spaces and commas."""
        while True:
            found = SPACE.match(self.text, self.place)
            self.place = found.end() if found else self.place
            if self.place < len(self.text) or not self._more():
                break
        self._count()

    def value(self) -> Any:
        """The JSON value at the place. Raises DataError that names its line when there is none."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self.text, self.place)
            except (ValueError, RecursionError) as error:
                lines = self.text.count("\n", self.place, getattr(error, "pos", self.place))
                if len(self.text) - self.place > MOST_CHARACTERS or not self._more():
                    reason, _, _ = _json_fault(error)
                    broken = DataError("data.json_broken", source=self.name, line=self.line + lines, reason=reason)
                    raise broken from error
                continue
            source = self.text[self.place : end]
            self.place = end
            return _whole(value, source) if (fault := ESCAPED.search(source)) is None else self._bad_byte(fault[0])

    def _bad_byte(self, byte: str) -> DataError:
        return DataError("data.bad_byte_at", byte=f"{ord(byte) - 0xDC00:#x}")

    def _more(self) -> bool:
        """Takes in the next part and lets go of what was read; more at once for a value that is long."""
        self._count()
        part = self.stream.read(max(PART_CHARACTERS, len(self.text) - self.place))
        self.text, self.place, self._counted = self.text[self.place :] + part, 0, 0
        return bool(part)

    def _count(self) -> None:
        self.line += self.text.count("\n", self._counted, self.place)
        self._counted = self.place


def _json_fault(error: Exception) -> tuple[str, int, int]:
    """Reason, line and column; line 0 when it is not known (too deep a nesting, a number of thousands of digits)."""
    if isinstance(error, json.JSONDecodeError):
        return error.msg, error.lineno, error.colno
    return ("nested too deeply" if isinstance(error, RecursionError) else str(error).split("\n")[0][:200]), 0, 1


def _whole(value: Any, source: str) -> Any:
    """Half a character (`\\ud83c` alone, of an emoji somebody cut) becomes U+FFFD: no encoding could write it out."""
    if not SURROGATE.search(source):
        return value
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))


def _as_row(value: Any) -> Raw:
    """An object, or a bare list of turns as the messages of one."""
    if isinstance(value, (dict, ChatGuiError)):
        return value
    if value and _is_turns(value):
        return {"messages": value}
    return DataError("data.row_not_object", found=type(value).__name__)


def read_table(stream: io.TextIOBase, name: str) -> Iterator[RawRow]:
    """Comma- or tab-separated rows and their like, with a header or without; or CoNLL's blocks under such a name."""
    head = list(itertools.islice(lines_of(stream, MOST_CHARACTERS, name), HEAD_LINES))
    lines = itertools.chain(head, lines_of(stream, MOST_CHARACTERS, name))
    if _is_blocks(head):
        yield from read_documents(_Joined(iter(lines)), name)
        return
    yield from _cells(lines, _shape(head, name), name)


def _cells(lines: Iterator[str], shape: tuple[dict[str, Any], list[str], bool], name: str) -> Iterator[RawRow]:
    dialect, header, has_header = shape
    reader = csv.reader(lines, strict=True, **dialect)
    line = 1
    wants_header = has_header
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, DataError("data.bad_csv", reason=str(error))
            line = reader.line_num + 1
            continue
        is_blank = len(cells) < 2 and not "".join(cells).strip()
        if wants_header and not is_blank:
            wants_header = False
        elif not is_blank:
            yield line, _row(cells, header)
        line = reader.line_num + 1


def _row(cells: list[str], header: list[str]) -> Raw:
    if len(cells) != len(header):
        return DataError("data.bad_columns", found=len(cells), expected=len(header))
    for name, cell in zip(header, cells, strict=True):
        if not cell.isascii() and (fault := ESCAPED.search(cell)) is not None:
            return DataError("data.bad_byte_in", byte=f"{ord(fault[0]) - 0xDC00:#x}", field=name)
    return dict(zip(header, cells, strict=True))


def _shape(head: Sequence[str], name: str) -> tuple[dict[str, Any], list[str], bool]:
    """How a table's cells are written (for `csv.reader`), its header, and whether that stands in its first line."""
    tried = [(dialect, _parsed(head, dialect)) for dialect in _dialects(head)]
    own = "\t" if ".tsv" in name.lower() else ","
    dialect, rows = max(tried, key=lambda each: _regularity(each[1], each[0]["delimiter"] == own))
    if not rows:
        raise DataError("data.empty_file", source=name)
    first = [cell.lstrip("\ufeff").strip() for cell in rows[0]]
    if _is_header(first, rows[1:]):
        return dialect, _distinct(first), True
    return dialect, [f"column_{number}" for number in range(1, len(first) + 1)], False


def _dialects(head: Sequence[str]) -> Iterator[dict[str, Any]]:
    for delimiter in ",\t;|":
        if any(delimiter in line for line in head):
            yield {"delimiter": delimiter}
            if delimiter == "\t":  # GLUE's tables have quotation marks that quote nothing
                yield {"delimiter": delimiter, "quoting": csv.QUOTE_NONE}
    yield {"delimiter": "\x1f"}  # one column


def _parsed(head: Sequence[str], dialect: dict[str, Any]) -> list[list[str]]:
    rows: list[list[str]] = []
    reader = csv.reader(iter(head), strict=True, **dialect)
    while True:
        try:
            row = next(reader)
            if "".join(row).strip() or len(row) > 1:
                rows.append(row)
        except StopIteration:
            return rows
        except csv.Error:
            rows.append([])


def _regularity(rows: list[list[str]], is_own: bool) -> tuple[float, bool, int]:
    """Share of the rows as wide as the first one, worth something from two columns on; then what the ending says."""
    width = len(rows[0]) if rows else 0
    whole = rows[:-1] if len(rows) > 1 else rows  # the last one may go on beyond the head
    share = sum(len(row) == width for row in whole) / max(1, len(whole))
    return (round(share, 1) if width > 1 else 0.3), is_own, width


def _is_header(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Names are short, differ, are no numbers, and do not come again below."""
    named = [cell for cell in first if cell]
    if not named or len(set(named)) < len(named) or len(named) < len(first) - 1:
        return False
    if any(len(cell) > MOST_HEADER_CHARACTERS or re.fullmatch(r"[-+]?[\d.,]+%?", cell) for cell in named):
        return False
    return not any(
        cell and any(len(row) > index and row[index].strip() == cell for row in rows)
        for index, cell in enumerate(first)
    )


def _distinct(header: Sequence[str]) -> list[str]:
    return [name or f"column_{number}" for number, name in enumerate(header, start=1)]


def _is_blocks(head: Sequence[str]) -> bool:
    """Whether it looks like CoNLL: lines that end in a tag, with blank lines between the sentences."""
    lines = [line.strip() for line in head]
    filled = [line for line in lines if line and not line.startswith(("#", "-DOCSTART-"))]
    tagged = sum(TAGGED.fullmatch(line) is not None for line in filled)
    return "" in lines and len(filled) > 1 and tagged >= 0.9 * len(filled)


def read_documents(stream: io.TextIOBase, name: str) -> Iterator[RawRow]:
    """Documents with blank lines between them; CoNLL's -DOCSTART- is such a border too."""
    lines: list[str] = []
    start = size = 0
    for number, line in enumerate(itertools.chain(lines_of(stream, MOST_CHARACTERS, name), [""]), start=1):
        is_border = not line.strip() or line.startswith("-DOCSTART-")
        if lines and (is_border or size > MOST_CHARACTERS):
            yield start, _document(lines)
            lines, size = [], 0
        if not is_border:
            start = start if lines else number
            lines.append(line.rstrip("\r\n"))
            size += len(line)


def _document(lines: list[str]) -> Raw:
    text = "\n".join(lines)
    if not text.isascii() and (fault := ESCAPED.search(text)) is not None:
        return DataError("data.bad_byte_at", byte=f"{ord(fault[0]) - 0xDC00:#x}")
    return {"text": text}
