"""How long a large file takes to open, and how much memory: `python -m tests.bench.data [--quick] [--json]`.

Makes a JSONL of a million conversations (about 1 GB) from the bundled ones, reads it in a process of its own, and
deletes it. One row for each measure: `measure, value, unit, rows`.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

ROWS = 1_000_000
QUICK_ROWS = 50_000
TURNS = 2
PAGE_ROWS = 10


def make(path: Path, rows: int) -> None:
    """Conversations of the support sample, each of several of them joined and numbered, about 1 kB a row."""
    from chatgui.data.load import DataConfig, load

    talks = [row.item.as_dicts() for row in load(DataConfig(source="support")).rows]  # type: ignore[union-attr]
    with path.open("w", encoding="utf-8") as stream:
        for number in range(rows):
            turns = [turn for step in range(TURNS) for turn in talks[(number * 7 + step * 31) % len(talks)]]
            turns[0] = {**turns[0], "content": f"{turns[0]['content']} ({number})"}
            stream.write(json.dumps({"id": number, "messages": turns}, ensure_ascii=False) + "\n")


def measures(path: Path, cache: Path) -> Iterator[tuple[str, float, str]]:
    """What a reader of the file waits for, in the order in which it happens."""
    from chatgui.data.load import DataConfig, load, peek

    config = DataConfig(source=str(path))
    start = time.perf_counter()
    list(peek(config).rows[:PAGE_ROWS])
    yield "first_preview", time.perf_counter() - start, "s"
    start = time.perf_counter()
    dataset = load(config, cache)
    yield "whole_file", time.perf_counter() - start, "s"
    start = time.perf_counter()
    again = load(config, cache)
    yield "opened_again", time.perf_counter() - start, "s"
    start = time.perf_counter()
    last = list(again.rows[-PAGE_ROWS:])
    yield "last_page", time.perf_counter() - start, "s"
    wanted = f"({len(dataset.rows) // 20})"
    start = time.perf_counter()
    hits = list(islice((row for row in dataset.rows if wanted in json.dumps(row.raw, ensure_ascii=False)), 1))
    yield "one_hit_within_a_twentieth", time.perf_counter() - start, "s"
    assert len(last) == PAGE_ROWS and len(hits) == 1
    yield "rows", len(dataset.rows), "rows"
    yield "peak_memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "bytes"


def measured(path: Path, cache: Path) -> list[dict[str, Any]]:
    """The same from a fresh process, whose memory is the reader's alone."""
    command = [sys.executable, "-m", "tests.bench.data", "--read", str(path), "--cache", str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS:,} rows instead of {ROWS:,}")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        for name, value, unit in measures(options.read, options.cache):
            print(json.dumps({"measure": name, "value": round(value, 3), "unit": unit}), flush=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "conversations.jsonl"
        make(path, QUICK_ROWS if options.quick else ROWS)
        size = path.stat().st_size
        rows = [{"measure": "file", "value": size, "unit": "bytes"}, *measured(path, Path(folder) / "cache")]
    for row in rows:
        print(json.dumps(row) if options.json else f"{row['measure']:28} {row['value']:>16,} {row['unit']}")


if __name__ == "__main__":
    main()
