"""Writes every bundled sample dataset. `python assets/samples/make.py` gives the same bytes each time."""

import csv
import io
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

sys.dont_write_bytecode = True  # a __pycache__ folder here would look like one more dataset

import make_support  # noqa: E402

HERE = Path(__file__).parent


def write(path: str, text: str) -> None:
    """The same bytes on every system: UTF-8 and line feeds."""
    file = HERE / path
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(text.encode("utf-8"))


def write_jsonl(path: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object a line."""
    write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write_csv(path: str, rows: list[dict[str, Any]]) -> None:
    """With a header line, quoted where needed."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write(path, buffer.getvalue())


def main() -> None:
    """All datasets, one after the other."""
    train, test = make_support.make()
    write_jsonl("support/train.jsonl", ({"messages": messages} for messages in train))
    write_jsonl("support/test.jsonl", ({"messages": messages} for messages in test))


if __name__ == "__main__":
    main()
