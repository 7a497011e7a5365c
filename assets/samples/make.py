"""Writes every bundled sample dataset. `python assets/samples/make.py` gives the same bytes each time."""

import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.dont_write_bytecode = True  # a __pycache__ folder here would look like one more dataset

import make_clinic  # noqa: E402
import make_entities  # noqa: E402
import make_preference  # noqa: E402
import make_readme  # noqa: E402
import make_recommend  # noqa: E402
import make_sentiment  # noqa: E402
import make_support  # noqa: E402
import make_tutor  # noqa: E402
import make_writing  # noqa: E402

HERE = Path(__file__).parent
Rows = Sequence[Mapping[str, Any]]


def write(path: str, text: str) -> None:
    """The same bytes on every system: UTF-8 and line feeds."""
    file = HERE / path
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(text.encode("utf-8"))


def as_jsonl(rows: Rows) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def as_json(rows: Rows) -> str:
    """One JSON array."""
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"


def as_csv(rows: Rows) -> str:
    """With a header line, quoted where needed."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


FORMS = {".jsonl": as_jsonl, ".json": as_json, ".csv": as_csv}


def datasets() -> Iterator[tuple[str, dict[str, Rows]]]:
    """Every dataset with its files."""
    support = [[{"messages": messages} for messages in part] for part in make_support.make()]
    yield "support", dict(zip(("train.jsonl", "test.jsonl"), support, strict=True))
    yield "clinic", {"train.jsonl": make_clinic.make()}
    yield "tutor", {"train.json": make_tutor.make()}
    yield "writing", {"train.csv": make_writing.make()}
    yield "sentiment", dict(zip(("train.csv", "test.csv"), make_sentiment.make(), strict=True))
    yield "entities", dict(zip(("train.jsonl", "test.jsonl"), make_entities.make(), strict=True))
    yield "recommend", dict(zip(("train.jsonl", "test.jsonl"), make_recommend.make(), strict=True))
    yield "preference", {"train.jsonl": make_preference.make()}


def main() -> None:
    """All datasets, one after the other, and what they are."""
    counts: dict[str, dict[str, int]] = {}
    for name, files in datasets():
        counts[name] = {file: len(rows) for file, rows in files.items()}
        for file, rows in files.items():
            write(f"{name}/{file}", FORMS[Path(file).suffix](rows))
        write(f"{name}/README.md", make_readme.folder(name, counts[name]))
    write("README.md", make_readme.overview(counts))


if __name__ == "__main__":
    main()
