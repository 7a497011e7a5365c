"""Rows to examples: in this process when they are few, by all cores and kept in the home when they are many.

What is kept is found again by everything that an example depends on, so it is always what encoding anew would give.
The page's preview and the run make an example by the same function.
"""

import hashlib
import json
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from chatgui.config import RunConfig
from chatgui.data.conversation import Row
from chatgui.data.edit import with_edits
from chatgui.data.load import load
from chatgui.data.quality.duplicates import Places
from chatgui.data.quality.words import texts_of
from chatgui.data.rows import Dropped, Progress
from chatgui.data.selected import Selected
from chatgui.data.split import Splits
from chatgui.errors import DataError
from chatgui.home import home_folder
from chatgui.models import load_template, spare_torch
from chatgui.tokens.example import Example
from chatgui.tokens.report import Encoded, encode_rows
from chatgui.tokens.store import Stored, batch_of, write
from chatgui.tokens.template import Template

KEPT_ROWS = 4_000
"""Rows from which on their examples are kept: those of fewer are made again within seconds."""
ALONE_ROWS = 20_000
"""Rows up to which one process is quicker than the start of several."""
PART_ROWS = 2_000
"""Rows that one process is given at a time."""
KEPT_BYTES = 20 << 30
"""Of all files kept; those used longest ago make room."""
IN_USE_SECONDS = 3600
"""A file used so lately may be what a run is reading."""
VERSION = 1
"""Of what is kept; another one is never read."""


def make_example(config: RunConfig, row: Row, template: Template, limit_tokens: int) -> Example:
    """Ids and labels of one row: what the preview shows and what the batch holds.

    Raises DataError when the row teaches nothing, or when a remedy leaves it out.
    """
    remedies = config.data.remedies
    if remedies.special_tokens == "drop" and any(map(template.literals.found, texts_of(row.item))):
        raise DataError("data.control_token")
    example = config.task.make_example(row.item, template, limit_tokens)
    if remedies.long_rows == "drop" and example.cut_tokens:
        raise DataError("data.too_long", length=len(example) + example.cut_tokens, limit=limit_tokens)
    return example


def encode(config: RunConfig, rows: Sequence[Row], template: Template, limit_tokens: int) -> Encoded:
    """Examples of some rows, with what was dropped; all in memory."""
    return encode_rows(rows, lambda row: make_example(config, row, template, limit_tokens))


def encode_split(
    config: RunConfig, splits: Splits, name: str, template: Template, limit_tokens: int,
    tell: Progress = lambda done, total: None,
) -> Encoded:  # fmt: skip
    """Examples of a split: as `encode` makes them, and for many rows read from a file.

    `tell(done, total)` hears how many of many rows are encoded when that was never done before; what it raises ends it.
    Raises DataError when they are many and the disk is full.
    """
    rows = splits.named(name)
    if len(rows) < KEPT_ROWS:
        return encode(config, rows, template, limit_tokens)
    folder = home_folder() / "cache" / "tokens"
    path = folder / f"{_key(config, splits.fingerprints()[name], template, limit_tokens)}.arrow"
    if (found := _read(path, rows)) is not None:
        return found
    try:
        folder.mkdir(parents=True, exist_ok=True)
        make_room(folder)
        dropped = _write(path, config, rows, template, limit_tokens, tell)
        path.with_suffix(".json").write_text(json.dumps(dropped, ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        if isinstance(error, DataError):
            raise
        raise DataError("data.cache_full", path=str(folder), reason=error.strerror or str(error)) from error
    return _of(Stored(path), rows, dropped)


def _key(config: RunConfig, prints: Sequence[str], template: Template, limit_tokens: int) -> str:
    """Of everything that an example depends on: rows, tokenizer, template, task, limit, and the remedies that leave
    rows out."""
    remedies = config.data.remedies
    told = {
        "version": VERSION, "task": config.task.model_dump(mode="json"), "limit": limit_tokens,
        "special_tokens": remedies.special_tokens, "long_rows": remedies.long_rows,
        "tokenizer": template.tokenizer.backend_tokenizer.to_str(), "template": template.tokenizer.chat_template,
        "special": {name: str(token) for name, token in template.tokenizer.special_tokens_map.items()},
    }  # fmt: skip
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode("utf-8", "surrogatepass"))
    digest.update("".join(prints).encode())
    return digest.hexdigest()[:24]


def _read(path: Path, rows: Selected) -> Encoded | None:
    try:
        dropped = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        found = Stored(path)
    except (OSError, ValueError):  # not there, or not whole: it is made anew
        return None
    if len(found) + len(dropped) != len(rows):
        return None
    os.utime(path)
    return _of(found, rows, dropped)


def _of(examples: Stored, rows: Selected, dropped: Sequence[tuple[int, dict[str, Any]]]) -> Encoded:
    kept = np.delete(np.arange(len(rows)), [at for at, _ in dropped])
    return Encoded(
        examples, Selected(rows.rows, rows.places[kept], rows.mends),
        tuple(_dropped(rows[at], reason) for at, reason in dropped), examples.cut,
    )  # fmt: skip


def _dropped(row: Row, reason: dict[str, Any]) -> Dropped:
    return Dropped(row.origin, row.line, DataError(reason["key"], **reason["values"]))


Part = tuple[Any, list[tuple[int, dict[str, Any]]]]
"""A record batch, and places and reasons of the rows that gave no example."""


def _write(
    path: Path, config: RunConfig, rows: Selected, template: Template, limit_tokens: int, tell: Progress
) -> list[tuple[int, dict[str, Any]]]:
    """Encode into a file. Gives the place of each row that is left out, with its reason."""
    dropped: list[tuple[int, dict[str, Any]]] = []

    def batches() -> Iterator[Any]:
        begin = 0
        with closing(_parts(config, rows, template, limit_tokens)) as parts:
            for count, (batch, left_out) in parts:
                dropped.extend((begin + at, reason) for at, reason in left_out)
                begin += count
                tell(begin, len(rows))
                yield batch

    write(path, batches())
    return dropped


def _parts(
    config: RunConfig, rows: Selected, template: Template, limit_tokens: int
) -> Generator[tuple[int, Part], None, None]:
    """Parts of neighbouring rows in their order, with how many rows each was."""
    starts = range(0, len(rows), PART_ROWS)
    if len(rows) <= ALONE_ROWS or multiprocessing.current_process().daemon:  # such a one may have no children
        for start in starts:
            part = rows[start : start + PART_ROWS]
            yield len(part), _encoded(config, part, template, limit_tokens)
        return
    processes = os.cpu_count() or 1
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _open, (config, limit_tokens))
    waiting: deque[tuple[int, Future[Part]]] = deque()
    try:
        for start in starts:
            places = rows.places[start : start + PART_ROWS]
            waiting.append((len(places), pool.submit(_encode_places, places)))
            if len(waiting) > 2 * processes:  # a million examples must not wait in memory for the disk
                yield waiting[0][0], waiting.popleft()[1].result()
        while waiting:
            yield waiting[0][0], waiting.popleft()[1].result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _encoded(config: RunConfig, rows: Sequence[Row], template: Template, limit_tokens: int) -> Part:
    examples: list[Example] = []
    left_out: list[tuple[int, dict[str, Any]]] = []
    for at, row in enumerate(rows):
        try:
            examples.append(make_example(config, row, template, limit_tokens))
        except DataError as error:
            left_out.append((at, error.plain()))
    return batch_of(examples), left_out


_opened: dict[str, Any] = {}
"""Of a process that encodes: config, rows, template and limit, opened once."""


def _open(config: RunConfig, limit_tokens: int) -> None:
    from chatgui.data.quality.remedies import mends

    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one process a core already
    spare_torch()
    rows = with_edits(load(config.data).rows, config.data.edits)
    _opened.update(
        config=config, rows=rows, mends=mends(config.data.remedies), template=load_template(config.model),
        limit=limit_tokens,
    )  # fmt: skip


def _encode_places(places: Places) -> Part:
    rows = Selected(_opened["rows"], places, _opened["mends"])
    return _encoded(_opened["config"], rows, _opened["template"], _opened["limit"])


def make_room(folder: Path) -> None:
    """Forget the files used longest ago beyond KEPT_BYTES, none that was used within IN_USE_SECONDS."""
    files = sorted(folder.glob("*.arrow"), key=lambda file: file.stat().st_mtime, reverse=True)
    size = 0
    for file in files:
        size += file.stat().st_size
        if size > KEPT_BYTES and time.time() - file.stat().st_mtime > IN_USE_SECONDS:
            file.unlink(missing_ok=True)
            file.with_suffix(".json").unlink(missing_ok=True)
