"""Files as text: compression, members of an archive, encoding. Knows no table and no format."""

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from chatgui.errors import DataError

SAMPLE_BYTES = 1 << 20
"""Looked at to find the encoding."""
MOST_MEMBERS = 1000
MOST_EXPANSION = 250
"""Bytes that one compressed byte may become; text reaches 20, a bomb 1,000."""
FREE_BYTES = 256 << 20
"""So much may come out of any archive, whatever its size."""
BROKEN_SHARE = 0.1
"""Of all characters beyond ASCII, those that may be no UTF-8 before it is taken for another encoding."""
WESTERN = frozenset("àâäæãåáçéèêëîïíìñôöœøóòõùûüúÿßÀÂÄÆÃÅÁÇÉÈÊËÎÏÍÌÑÔÖŒØÓÒÕÙÛÜÚ“”‘’–—…€£§°·«»¿¡ºª„\xa0®©™²³½")
ESCAPED = re.compile("[\udc80-\udcff]")
"""A byte that is no text, as `surrogateescape` hands it on."""
CHINESE, KOREAN = "gb18030", ("cp949", "euc_kr", "johab")
ARCHIVE_FAULTS = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError)
"""What the libraries raise for archives that are broken, locked or of a kind they do not know."""


@dataclass(frozen=True)
class Member:
    """A file, or one of those in an archive."""

    name: str
    """For sentences: `data.zip/train.jsonl`."""
    suffix: str
    """Of what is in it, in small letters: `.jsonl` for `a.jsonl.gz`."""
    gzipped: int
    """How many times over it is packed by gzip."""
    path: Path
    size: int
    """Bytes on disk."""
    inner: str | None = None
    """Name within a .zip."""

    @property
    def is_plain(self) -> bool:
        """Whether its bytes lie on the disk as they are."""
        return self.inner is None and not self.gzipped

    def open(self) -> IO[bytes]:
        """Its bytes, unpacked. Raises DataError, also while reading, for what is broken or swells without end."""
        if self.is_plain:
            return cast(IO[bytes], _guarded(self, lambda: [self.path.open("rb")], None))
        most = max(FREE_BYTES, MOST_EXPANSION * self.size)
        return cast(IO[bytes], _guarded(self, self._unpacked, most))

    def _unpacked(self) -> list[Any]:
        """A stream for each wrapping, the last one of the content."""
        streams = [self._wrapped()]
        for _ in range(self.gzipped):
            streams += [gzip.GzipFile(mode="rb", fileobj=streams[-1])]
        return streams

    def _wrapped(self) -> Any:
        if self.inner is None:
            return self.path.open("rb")
        return zipfile.ZipFile(self.path).open(self.inner)


def members(path: Path, suffixes: tuple[str, ...]) -> list[Member]:
    """The file itself, or all files of known endings in a .zip.

    Raises DataError for a broken archive, or one without data.
    """
    suffix = path.suffix.lower()
    try:
        size = path.stat().st_size
        if suffix == ".gz":
            return [Member(path.name, *_ending(path.name), path, size)]
        if suffix != ".zip":
            return [Member(path.name, suffix, 0, path, size)]
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if _is_data(info.filename, suffixes)]
    except ARCHIVE_FAULTS as error:
        raise _unreadable(path.name, error) from error
    tables = [info for info in infos if not info.filename.lower().endswith(".txt")]
    infos = tables or infos  # beside tables, a text file is their licence or source note
    if not infos or len(infos) > MOST_MEMBERS:
        raise DataError("data.archive_members", source=path.name, found=len(infos), allowed=", ".join(suffixes))
    return [
        Member(f"{path.name}/{info.filename}", *_ending(info.filename), path, info.compress_size, info.filename)
        for info in sorted(infos, key=lambda info: info.filename)
    ]  # fmt: skip


def _is_data(name: str, suffixes: tuple[str, ...]) -> bool:
    parts = PurePosixPath(name).parts
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return bool(parts) and not hidden and _ending(name)[0] in suffixes


def _ending(name: str) -> tuple[str, int]:
    """Of the content, and how many times over it is gzipped: `.jsonl` and 1 for `a.jsonl.gz`."""
    path, gzipped = PurePosixPath(name), 0
    while path.suffix.lower() == ".gz":
        path, gzipped = PurePosixPath(path.stem), gzipped + 1
    return path.suffix.lower(), gzipped


def _unreadable(name: str, error: Exception) -> DataError:
    reason = getattr(error, "strerror", None) or str(error).strip().split("\n")[0] or type(error).__name__
    return DataError("data.unreadable", source=name, reason=reason[:200])


def _guarded(member: Member, open_: Callable[[], list[Any]], most: int | None) -> io.BufferedReader:
    try:
        return io.BufferedReader(_Guarded(member, open_(), most), 1 << 18)
    except ARCHIVE_FAULTS as error:
        raise _unreadable(member.name, error) from error


class _Guarded(io.RawIOBase):
    """Bytes whose faults are sentences and whose number is bounded."""

    def __init__(self, member: Member, streams: list[Any], most: int | None) -> None:
        self._member, self._streams, self._most, self._read = member, streams, most, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            part = self._streams[-1].read(len(buffer))
        except ARCHIVE_FAULTS as error:
            reason = _unreadable("", error).values["reason"]
            raise DataError("data.archive_broken", source=self._member.name, at=self._read, reason=reason) from error
        self._read += len(part)
        if self._most is not None and self._read > self._most:
            raise DataError("data.bomb", source=self._member.name, mebibytes=self._most >> 20)
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        if not self.closed:
            for stream in reversed(self._streams):
                stream.close()
        super().close()


@dataclass(frozen=True)
class Encoding:
    """What a file's bytes mean."""

    codec: str
    name: str
    """As it is told."""


def find_encoding(member: Member) -> Encoding:
    """From the beginning of a file. Raises DataError when it is empty or no text."""
    with member.open() as stream:
        sample = stream.read(SAMPLE_BYTES)
    if not sample:
        raise DataError("data.empty_file", source=member.name)
    for mark, codec in ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"),
                        (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig")):  # fmt: skip
        if sample.startswith(mark):
            return Encoding(codec, codec.removesuffix("-sig"))
    if b"\0" in sample:
        return _without_mark(member, sample)
    text = sample.decode("utf-8", "surrogateescape")
    cut = len(sample) == SAMPLE_BYTES  # a character may be cut at its end
    broken = len(ESCAPED.findall(text[:-3] if cut else text))
    beyond = len(text) - len(text.encode("ascii", "ignore")) - broken
    if not broken or broken <= BROKEN_SHARE * beyond:
        return Encoding("utf-8", "utf-8")
    return _guessed(member, sample)


def _without_mark(member: Member, sample: bytes) -> Encoding:
    """UTF-16 without its mark has its zeros at every other place; anything else with zeros is no text."""
    half = len(sample) // 2 or 1
    for codec, start in (("utf-16-le", 1), ("utf-16-be", 0)):
        if sample[start::2].count(0) > 0.4 * half and sample[1 - start :: 2].count(0) < 0.05 * half:
            return Encoding(codec, "utf-16")
    raise DataError("data.not_text", source=member.name)


def _guessed(member: Member, sample: bytes) -> Encoding:
    from charset_normalizer import from_bytes

    best = from_bytes(sample[: 1 << 16], threshold=0.5).best()
    found = best.encoding if best is not None else ""
    if found in ("gbk", "gb2312", CHINESE) or (found not in ("big5", "big5hkscs") and _is_chinese(sample, found)):
        return Encoding(CHINESE, CHINESE)
    western = sample.decode("cp1252", "replace")
    if all(character in WESTERN for character in set(western) if character > "\x7f"):
        return Encoding("cp1252", "cp1252" if re.search(rb"[\x80-\x9f]", sample) else "latin-1")
    if not found:
        raise DataError("data.not_text", source=member.name)
    return Encoding(found, found.replace("_", "-"))


def _is_chinese(sample: bytes, found: str) -> bool:
    """Whether nearly all pairs of bytes are among the 3,755 commonest characters of GB 2312, or its punctuation.

    Korean text lies in the same range, but never beyond its first half, and has no Chinese punctuation.
    """
    sample = re.sub(rb"[\x81-\xfe][0-9][\x81-\xfe][0-9]", b"", sample)  # GB 18030's rare ones take four bytes
    pairs = re.findall(rb"[\x81-\xfe][\x40-\xfe]", sample)
    common = sum((0xB0 <= pair[0] <= 0xD7 and pair[1] >= 0xA1) or 0xA1 <= pair[0] <= 0xA3 for pair in pairs)
    beyond = any(0xC8 < pair[0] <= 0xD7 or pair in (b"\xa3\xac", b"\xa1\xa3") for pair in pairs)
    odd = len(re.sub(rb"[\x81-\xfe][\x40-\xfe]|[\x00-\x7f]", b"", sample)) > 1
    return bool(pairs) and common > 0.9 * len(pairs) and not odd and (beyond or found not in KOREAN)


def open_text(member: Member, encoding: Encoding, newline: str = "\n") -> io.TextIOWrapper:
    """Its text; lines end at "\\n" alone (U+2028 and its like are characters), bytes that are no text as ESCAPED."""
    return io.TextIOWrapper(
        cast(Any, member.open()), encoding=encoding.codec, errors="surrogateescape", newline=newline
    )


def lines_of(stream: io.TextIOBase, most_characters: int, name: str) -> Iterator[str]:
    """Lines with their ends. Raises DataError for one that has no end within reason."""
    number = 0
    while line := stream.readline(most_characters):
        number += 1
        if len(line) >= most_characters:
            raise DataError("data.line_too_long", source=name, line=number, most=most_characters >> 20)
        yield line
