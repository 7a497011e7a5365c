"""Time and memory of the Dataset tab and its report on a long file of varied real dialogues.

`python -m tests.bench.report [--rows 1000000] [--file PATH] [--encode] [--json] [--quick]`; needs CHATGUI_TEST_DATA.
What is timed is what the page's server does, in a process that holds the whole page: the first rows, the reading, a
page turned, a search, the report by processes of its own. The memory is that of all these processes together, sampled
four times a second; pages that they share count once for each.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import psutil

from chatgui.config import RunConfig
from chatgui.data.conversation import Row
from chatgui.data.search import search
from chatgui.fields import build
from chatgui.prepare import prepare
from chatgui.report import Report
from chatgui.runs.workspace import Workspace
from chatgui.ui.conversation_view import conversations_html

RARE = "xylophonist"
FOUND_A_PAGE = 6
SAID_SECONDS = 30


class Memory(threading.Thread):
    """The largest resident size of this process with its children, and of the largest one alone."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.total_bytes = self.largest_bytes = 0
        self.sizes: list[int] = []
        """Of each process, a moment ago."""
        self.ended = threading.Event()

    def run(self) -> None:
        process = psutil.Process()
        while not self.ended.wait(0.25):
            sizes = []
            for one in [process, *process.children(recursive=True)]:
                try:
                    sizes.append(one.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue
            self.sizes = sizes
            self.total_bytes = max(self.total_bytes, sum(sizes))
            self.largest_bytes = max(self.largest_bytes, *sizes)


def write(path: Path, rows: int) -> None:
    """Dialogues of SGD, their first kilobyte, each time with other words, so that few of them are copies.

    Every tenth row of the second half nearly repeats an early one, and a single row holds RARE.
    """
    source = Path(os.environ["CHATGUI_TEST_DATA"]) / "data/sgd/sgd_dev_messages.jsonl"
    talks = [_first_kilobyte(json.loads(line)) for line in source.read_text(encoding="utf-8").splitlines()]
    rng = random.Random(0)
    words = sorted({word for talk in talks for _, said in talk for word in said})
    with path.open("wb") as stream:
        for number in range(rows):
            near = number >= rows // 2 and number % 10 == 0
            varied = random.Random(number % len(talks)) if near else rng
            messages = [(role, _varied(said, words, varied)) for role, said in talks[number % len(talks)]]
            if near:
                messages[-1] = (messages[-1][0], f"{messages[-1][1]} Thanks {number}.")
            if number == rows * 9 // 10 + 1:
                messages[0] = ("user", f"{messages[0][1]} {RARE}")
            content = [{"role": role, "content": said} for role, said in messages]
            stream.write(orjson.dumps({"messages": content}) + b"\n")


def _first_kilobyte(talk: dict[str, Any]) -> list[tuple[str, list[str]]]:
    kept: list[tuple[str, list[str]]] = []
    for message in talk["messages"]:
        kept.append((message["role"], message["content"].split()))
        if sum(len(" ".join(said)) + 36 for _, said in kept) > 900 and message["role"] == "assistant":
            break
    return kept


def _varied(said: list[str], words: list[str], rng: random.Random) -> str:
    changed = list(said)
    for place in range(int(rng.random() * 3), len(said), 3):
        changed[place] = words[int(rng.random() * len(words))]
    return " ".join(changed)


def timed(row: dict[str, Any], name: str, act: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    result = act()
    told(row, f"{name}_seconds", round(time.perf_counter() - start, 2))
    return result


def told(row: dict[str, Any], name: str, value: Any) -> None:
    """Put into the row and said at once: the last figure takes long."""
    row[name] = value
    print(f"{name:28} {value}", file=sys.stderr, flush=True)


def first_hits(rows: Sequence[Row], wanted: str, most: int) -> list[int]:
    """So many of the rows that hold a text, or all."""
    hits: list[int] = []
    for piece in search(rows, wanted):
        hits += piece.places
        if len(hits) >= most:
            break
    return hits


def measured(workspace: Workspace, config: RunConfig, memory: Memory) -> Report:
    """The report, made in the background as the page has it made; its progress is looked at twice a second."""
    said = time.monotonic()
    while (found := workspace.report(config)) is None:
        job = workspace.report_job(config)
        if job.state not in ("running", "done"):
            raise SystemExit(f"the report ended: {job.state} {job.error or ''}")
        if time.monotonic() - said > SAID_SECONDS:
            said = time.monotonic()
            megabytes = [size // 2**20 for size in memory.sizes]
            print(f"{job.done:,} of {job.total:,} rows, {sum(megabytes)} MB now: {megabytes}", file=sys.stderr)
        time.sleep(0.5)
    return found


def bench(rows: int, encodes: bool, file: Path | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CHATGUI_HOME"] = folder  # all that is kept goes with it
        path = file or Path(folder) / "long.jsonl"
        if not path.exists():
            write(path, rows)
        row: dict[str, Any] = {}
        told(row, "rows", rows)
        told(row, "megabytes", path.stat().st_size // 2**20)
        memory = Memory()
        memory.start()
        told(row, "page_mb", _page_megabytes())
        config = build(RunConfig, {"data": {"source": str(path)}})
        workspace = Workspace(Path(folder))
        workspace.training.start()  # its spare worker process counts too
        timed(row, "preview", lambda: conversations_html(_numbered(workspace.peek(config.data).rows[:3]), "en"))
        dataset = timed(row, "load", lambda: workspace.dataset(config.data))
        splits = timed(row, "split", lambda: workspace.splits(config.data))
        timed(row, "page", lambda: conversations_html(_numbered(splits.train[rows // 2 : rows // 2 + 10]), "en"))
        timed(row, "first_hits", lambda: first_hits(dataset.rows, "restaurant", FOUND_A_PAGE))
        timed(row, "rare_hit", lambda: first_hits(dataset.rows, RARE, 1))
        timed(row, "search_for_nothing", lambda: first_hits(dataset.rows, "no such word here", 1))
        told(row, "open_mb", memory.total_bytes // 2**20)
        found = timed(row, "report", lambda: measured(workspace, config, memory))
        told(row, "findings", {finding.kind: finding.count for finding in found.findings})
        if encodes:
            timed(row, "prepare", lambda: prepare(config))
            timed(row, "prepare_again", lambda: prepare(config))
        memory.ended.set()
        memory.join()
        workspace.training.close()
        told(row, "largest_process_mb", memory.largest_bytes // 2**20)
        told(row, "all_processes_mb", memory.total_bytes // 2**20)
        return row


def _page_megabytes() -> int:
    """Build the page, and say what the process takes with it."""
    from chatgui.ui.app import build as build_page

    build_page(Workspace(Path(os.environ["CHATGUI_HOME"])))
    return psutil.Process().memory_info().rss // 2**20


def _numbered(rows: Sequence[Row]) -> list[tuple[int, Row, str]]:
    return [(number, row, "train") for number, row in enumerate(rows, start=1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--file", type=Path, help="where the file of so many rows is, or is to be made and kept")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="25,000 rows")
    parser.add_argument("--encode", action="store_true", help="also encode for a run, and find that again")
    options = parser.parse_args()
    row = bench(25_000 if options.quick else options.rows, options.encode, options.file)
    if options.json:
        print(json.dumps(row))


if __name__ == "__main__":
    main()
