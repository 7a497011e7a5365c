"""A page server in a process of its own, and a browser that may talk to nobody else."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import FAILED

ROOT = Path(__file__).parents[2]
CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
]  # fmt: skip
START_SECONDS = 120


class Server:
    """`python app.py` over a home."""

    def __init__(self, home: Path, port: int | None = None) -> None:
        """On a free port, or on the one that an earlier server was killed on."""
        self.home = home
        self.port = port or _free_port()
        self.output = home.parent / f"server-{self.port}-{time.monotonic_ns()}.txt"
        environment = {**os.environ, "CHATGUI_HOME": str(home)}
        with self.output.open("w") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "app.py", "--port", str(self.port)], cwd=ROOT, env=environment, stdout=stream,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self.url = f"http://127.0.0.1:{self.port}/"
        wait_until(lambda: "ChatGUI: http" in self.output.read_text() or self.process.poll() is not None, START_SECONDS)
        assert self.process.poll() is None, self.output.read_text()

    def kill(self) -> None:
        """As a crash does it: no signal handler runs."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=20)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], Any], seconds: float) -> None:
    """Wait for a condition, and fail when it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} seconds in vain"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for all tests of a file."""
    return tmp_path_factory.mktemp("ui") / "home"


@pytest.fixture(scope="module")
def server(shared_home: Path) -> Iterator[Server]:
    running = Server(shared_home)
    yield running
    running.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    with playwright.sync_playwright() as tool:
        chromium = tool.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Any, request: pytest.FixtureRequest) -> Generator[Callable[..., Any], None, None]:
    """Open a page in a browser context of its own. Any request that leaves 127.0.0.1, and any script error, fails.

    What the pages say when a test fails is told in its report.
    """
    strangers: list[str] = []
    faults: list[str] = []
    contexts: list[Any] = []

    def watch(asked: Any) -> None:
        if not re.match(r"(http|ws)://127\.0\.0\.1[:/]|(data|blob):", asked.url):
            strangers.append(asked.url)

    def new_page(url: str, locale: str = "en-US", width: int = 1440, height: int = 900, dark: bool = False) -> Any:
        context = browser.new_context(
            locale=locale, viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("request", watch)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(url)
        page.get_by_role("tab").first.wait_for()
        return page

    yield new_page
    if request.node.stash.get(FAILED, False):
        for page in (page for context in contexts for page in context.pages):
            print(f"--- {page.url} at the failure:\n{page.locator('body').inner_text()}")
    for context in contexts:
        context.close()
    assert not strangers, f"the page asked others: {strangers}"
    assert not faults, f"scripts failed: {faults}"
