"""Writing so that neither a crash nor a full disk leaves half a file. Knows nothing of runs."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chatgui.errors import RunError

FULL_BYTES = 2**20
"""A disk with less free space than this is full."""


def write_atomically(path: Path, text: str) -> None:
    """Write to a temporary name, flush to disk, rename: a reader sees the old text or the new one, never half."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_native_id()}")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def drop_torn_line(path: Path) -> None:
    """Take a torn last line away, which a power cut can leave: it would swallow the next one. A file need not be."""
    with suppress(FileNotFoundError), path.open("rb+") as stream:
        size = whole = stream.seek(0, os.SEEK_END)
        while whole:
            start = max(0, whole - 4096)
            stream.seek(start)
            newline = stream.read(whole - start).rfind(b"\n")
            if newline >= 0:
                whole = start + newline + 1
                break
            whole = start
        if whole < size:
            stream.truncate(whole)


def flush_to_disk(path: Path) -> None:
    """Wait until a file, or the list of names in a folder, would survive a power cut (fsync(2))."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_into_place(temporary: Path, final: Path) -> None:
    """Rename a whole folder over another one; at every moment one of the two is whole on the disk."""
    for file in temporary.rglob("*"):
        flush_to_disk(file)
    flush_to_disk(temporary)
    old = final.with_name(f".old-{final.name}")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)  # a folder that is not empty cannot be replaced in one go
    temporary.rename(final)
    flush_to_disk(final.parent)
    shutil.rmtree(old, ignore_errors=True)


def is_full(folder: Path) -> bool:
    """Whether nothing more fits on the disk of an existing folder."""
    return shutil.disk_usage(folder).free < FULL_BYTES


@contextmanager
def told(path: Path) -> Iterator[None]:
    """What the disk refuses as a sentence."""
    try:
        yield
    except OSError as error:
        raise RunError("run.cannot_write", path=str(path), reason=error.strerror or str(error)) from error
