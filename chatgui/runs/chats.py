"""Conversations kept with a run, a file each: written whole at every turn, so that a kill or a reload loses none."""

import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatgui.errors import RunError
from chatgui.generation.transcript import Transcript, from_record, to_record
from chatgui.runs.files import told, write_atomically
from chatgui.runs.store import Run

ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")
NAME_CHARACTERS = 80


@dataclass(frozen=True)
class Kept:
    """A conversation as a list shows it."""

    id: str
    name: str
    """Given by a person, else the first message."""
    changed: float
    """Seconds since the epoch."""
    turns: int


class Chats:
    """The conversations of one run that one reader may see: with a login their own, else all without an owner."""

    def __init__(self, run: Run, reader: str = "") -> None:
        self.run = run
        self.reader = reader
        self.folder = run.folder / "chats"

    def write(self, talk: Transcript) -> None:
        """Keep a conversation as it is now. Raises RunError when the disk refuses or the run is gone."""
        file = self._file(talk.id)
        name = str(self._read(talk.id).get("name", "")) if file.exists() else ""
        self._put(talk.id, {**to_record(talk), "name": name})

    def read(self, id_: str) -> Transcript:
        """Raises RunError when there is none, or it is somebody else's."""
        try:
            return from_record(self._read(id_))
        except ValueError as error:
            raise RunError("chat.gone", run=self.run.id) from error

    def list(self) -> list[Kept]:
        """Latest first."""
        return sorted(self._kept(), key=lambda kept: -kept.changed)

    def rename(self, id_: str, name: str) -> None:
        """Raises RunError as `read`."""
        self._put(id_, {**self._read(id_), "name": " ".join(name.split())[:NAME_CHARACTERS]})

    def delete(self, id_: str) -> None:
        """Raises RunError as `read`."""
        self._read(id_)
        with told(self._file(id_)):
            self._file(id_).unlink(missing_ok=True)

    def _kept(self) -> Iterator[Kept]:
        for file in self.folder.glob("*.json"):
            try:
                record = self._read(file.stem)
                first = record["turns"][0] if record["turns"] else record["asked"]
                name = record["name"] or " ".join(first["message"].split())[:NAME_CHARACTERS]
                yield Kept(file.stem, name, file.stat().st_mtime, len(record["turns"]))
            except (RunError, OSError, KeyError, TypeError):  # what somebody else left there hides no other
                continue

    def _read(self, id_: str) -> Mapping[str, Any]:
        try:
            record = json.loads(self._file(id_).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError("chat.gone", run=self.run.id) from error
        if not isinstance(record, dict) or record.get("owner", "") != self.reader:
            raise RunError("chat.gone", run=self.run.id)
        return record

    def _put(self, id_: str, record: Mapping[str, Any]) -> None:
        file = self._file(id_)
        with told(file):
            self.folder.mkdir(exist_ok=True)
            write_atomically(file, json.dumps({**record, "owner": self.reader}, ensure_ascii=False, indent=1))

    def _file(self, id_: str) -> Path:
        if not ID.fullmatch(id_):  # ids come from the page
            raise RunError("chat.gone", run=self.run.id)
        return self.folder / f"{id_}.json"


def new_id() -> str:
    """Names a conversation: when it began, and something that nobody else has."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
