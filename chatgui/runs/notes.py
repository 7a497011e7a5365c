"""What people write on a run: tags and a note. Kept apart from what the run says of itself."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

from chatgui.errors import RunError
from chatgui.runs.store import Run, write_atomically


@dataclass(frozen=True)
class Notes:
    """`tags` are single words, sorted; `note` is free text."""

    tags: tuple[str, ...] = ()
    note: str = ""


def read_notes(run: Run) -> Notes:
    """What stands on the run; nothing when nothing was ever written, or the file is broken."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        values = json.loads((run.folder / "notes.json").read_text(encoding="utf-8"))
        return Notes(tuple(map(str, values.get("tags", ()))), str(values.get("note", "")))
    return Notes()


def write_notes(run: Run, notes: Notes) -> Notes:
    """Keep them. Raises RunError when the folder cannot be written."""
    tags = tuple(sorted({tag.strip() for tag in notes.tags if tag.strip()}))
    notes = replace(notes, tags=tags)
    try:
        write_atomically(run.folder / "notes.json", json.dumps(asdict(notes), ensure_ascii=False))
    except OSError as error:
        raise RunError("run.cannot_write", path=str(run.folder), reason=error.strerror or str(error)) from error
    return notes


def tag(run: Run, word: str) -> Notes:
    """Add one tag."""
    notes = read_notes(run)
    return write_notes(run, replace(notes, tags=(*notes.tags, word)))
