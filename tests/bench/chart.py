"""The live chart under a long run, in the real browser: `python -m tests.bench.chart [--quick]`.

A process writes events at ten times the usual rate (100 a second) behind 100,000 that are there already. Measured: from
the page's address to the drawn chart (the server's first look at the file, and the later ones); kilobytes and
milliseconds of an update, from the question to the drawn answer; the browser's heap after a collection, along ten
minutes (45 seconds with --quick), first third against last.
"""

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from chatgui.config import RunConfig
from chatgui.events import Evaluation, Event, Step, to_line
from chatgui.runs.process import started
from chatgui.runs.store import Run, create_run
from tests.ui.conftest import CHROMIUM, CHROMIUM_ARGUMENTS, Server

STEPS = 100_000
PER_SECOND = 100
DRAWN = "() => (document.querySelector('.live-run .chart')?.data?.[0]?.x?.length || 0) > 100"


def event(number: int) -> Step:
    """A step of a plausible run."""
    loss = 0.8 + 2.4 * math.exp(-number / 25_000) + random.gauss(0, 0.12)
    return Step(
        number, number / 4000, 2048 * number, 0.1 * number, loss, 1e-3 * (1 - number / (2 * STEPS)),
        abs(random.gauss(0.8, 0.2)), random.gauss(20_000, 900), memory_bytes=2**30 + 3000 * number,
    )  # fmt: skip


def written(number: int) -> list[Event]:
    """The step, and a look at validation every thousandth."""
    look = [Evaluation(number, "validation", 0.9 + 2.3 * math.exp(-number / 25_000))] if number % 1000 == 0 else []
    return [event(number), *look]


def write_steps(run: Run) -> None:
    """All STEPS of a run, at once."""
    events = (one for number in range(1, STEPS + 1) for one in written(number))
    (run.folder / "events.jsonl").write_text("".join(to_line(one) + "\n" for one in events), encoding="utf-8")


def write_forever(folder: Path) -> None:
    """The stand-in for a worker: new events at the rate, until it is ended."""
    run, number, began = Run(folder), STEPS, time.monotonic()
    run.set_state(state="running", pid=os.getpid(), pid_started=started(), total_steps=2 * STEPS, stage="training")
    while True:
        while number < STEPS + (time.monotonic() - began) * PER_SECOND:
            number += 1
            for one in written(number):
                run.append(one)
        run.set_state(step=number, seconds=0.1 * number, heartbeat=time.monotonic())
        time.sleep(0.05)


def open_seconds(page: Any, url: str) -> float:
    """From the address to the drawn chart of the Train tab."""
    began = time.monotonic()
    page.goto(url)
    page.locator("#tabs").get_by_role("tab", name="Train", exact=True).first.click()
    page.wait_for_function(DRAWN, timeout=60_000, polling=20)
    return time.monotonic() - began


def heap_mb(tools: Any) -> float:
    """Used heap of the page after a collection."""
    tools.send("HeapProfiler.collectGarbage")
    return float(tools.send("Runtime.getHeapUsage")["usedSize"]) / 2**20


def watch(page: Any, tools: Any, seconds: float, every: float) -> dict[str, Any]:
    """Updates and memory while the writer goes on."""
    sizes: list[int] = []

    def note(answer: Any) -> None:
        if "component_server" in answer.url and '"watch"' in (answer.request.post_data or ""):
            sizes.append(len(answer.body()))

    page.on("response", note)
    heaps, updates, end = [], [], time.monotonic() + seconds
    while time.monotonic() < end:
        page.wait_for_timeout(1000 * every)
        heaps.append(heap_mb(tools))
        updates.append(float(page.evaluate("document.querySelector('.live-run').dataset.update")))
    third = max(1, len(heaps) // 3)
    return {
        "update_kb_median": statistics.median(sizes) / 1000, "update_kb_max": max(sizes) / 1000,
        "update_ms_median": statistics.median(updates), "update_ms_max": max(updates), "updates": len(sizes),
        "heap_mb_first_third": statistics.median(heaps[:third]),
        "heap_mb_last_third": statistics.median(heaps[-third:]),
        "watched_seconds": seconds,
    }  # fmt: skip


def pictures(browser: Any, url: str, folder: Path) -> None:
    """The Train tab in both languages, light and dark, wide and narrow."""
    folder.mkdir(parents=True, exist_ok=True)
    for locale, tab in (("en-US", "Train"), ("zh-CN", "训练")):
        for dark in (False, True):
            for width in (1440, 390):
                context = browser.new_context(
                    locale=locale, viewport={"width": width, "height": 1000},
                    color_scheme="dark" if dark else "light",
                )  # fmt: skip
                page = context.new_page()
                page.goto(url + ("?__theme=dark" if dark else ""))
                page.locator("#tabs").get_by_role("tab", name=tab, exact=True).first.click()
                page.wait_for_function(DRAWN, timeout=60_000)
                page.locator(".live-run").scroll_into_view_if_needed()
                page.wait_for_timeout(500)
                page.locator(".live-run").screenshot(
                    path=folder / f"{locale[:2]}-{'dark' if dark else 'light'}-{width}.png"
                )
                context.close()


def measure(seconds: float, every: float, picture_folder: Path | None) -> dict[str, Any]:
    """All figures of one sitting."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / "home"
        run = create_run(home, RunConfig())
        write_steps(run)
        writer = subprocess.Popen([sys.executable, "-m", "tests.bench.chart", "--write", str(run.folder)])
        server = None
        try:
            server = Server(home)
            with sync_playwright() as tool:
                browser = tool.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
                page = browser.new_context(locale="en-US", viewport={"width": 1440, "height": 1000}).new_page()
                cold = open_seconds(page, server.url)
                warm = [open_seconds(page, server.url) for _ in range(3)]
                found = watch(page, page.context.new_cdp_session(page), seconds, every)
                if picture_folder:
                    pictures(browser, server.url, picture_folder)
                browser.close()
        finally:
            writer.kill()
            writer.wait()
            if server:
                server.close()
    return {"steps": STEPS, "steps_per_second": PER_SECOND, "open_seconds_first": cold,
            "open_seconds": statistics.median(warm), **found}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seconds", type=int, help="to watch; otherwise 600, or 45 with --quick")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_forever(options.write)
    seconds = options.seconds or (45 if options.quick else 600)
    row = measure(seconds, 3 if options.quick else 10, options.pictures)
    if options.json:
        print(json.dumps(row))
        return
    for name, value in row.items():
        print(f"{name:22} {value:10.2f}")


if __name__ == "__main__":
    main()
