"""Twenty blind pairs in a real browser, by keyboard, through reloads and a killed server."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatgui.evaluation.reviews import read
from chatgui.evaluation.tally import wilson_interval
from chatgui.runs.store import Run
from tests.finished import finished_run
from tests.ui.conftest import Server, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]
PAIRS = 20
KEYS = ["1", "2", "4", "ArrowRight", "3", "ArrowLeft"]
CHOICES = {"1": "left", "2": "right", "ArrowLeft": "left", "ArrowRight": "right", "3": "tie", "4": "both_bad"}


@pytest.fixture(scope="module")
def run(shared_home: Path, tiny_model: Path, conversations: Path) -> Run:
    return finished_run(shared_home, tiny_model, conversations)


@pytest.fixture
def start(shared_home: Path) -> Any:
    """Start a server over the home; the last one is closed at the end."""
    running: list[Server] = []

    def server(port: int | None = None) -> Server:
        running.append(Server(shared_home, port))
        return running[-1]

    yield server
    running[-1].close()


def open_review(page: Any) -> None:
    page.locator("#tabs").get_by_role("tab", name="Review", exact=True).first.click()
    page.locator(".review .main").wait_for()


def wait_for_pair(page: Any) -> None:
    page.wait_for_function(
        "() => { const b = document.querySelector('.review .buttons'); return b && b.offsetParent; }"
    )


def vote(page: Any, key: str) -> str:
    """Press a key on the pair shown, and Enter once the names are revealed. Gives the verdict, by hand."""
    wait_for_pair(page)
    page.keyboard.press(key)
    page.locator(".review .next").wait_for()
    shown = {side: page.locator(f".review .side.{side}").get_attribute("data-model") for side in ("left", "right")}
    assert sorted(shown.values()) == ["base", "tuned"]
    choice = CHOICES[key]
    page.keyboard.press("Enter")
    return str(shown.get(choice, choice))


def test_twenty_votes_by_keyboard_survive_reloads_and_a_killed_server(
    start: Callable[..., Server], run: Run, open_page: Callable[..., Any], shared_home: Path
) -> None:
    server = start()
    page = open_page(server.url)
    open_review(page)
    page.locator(".review .start").wait_for()
    page.get_by_text("Type them").click()
    page.locator(".review .typed textarea").fill("\n".join(f"Question number {n}?" for n in range(PAIRS)))
    page.locator(".review .tokens input").fill("6")
    page.locator(".review .start").click()
    wait_for_pair(page)
    assert page.locator(".review .side[data-model=base], .review .side[data-model=tuned]").count() == 0
    verdicts = [vote(page, KEYS[n % len(KEYS)]) for n in range(6)]

    page.reload()
    open_review(page)
    wait_for_pair(page)
    assert page.locator(".review .count span").inner_text() == "6 / 20"
    verdicts += [vote(page, KEYS[n % len(KEYS)]) for n in range(6, 11)]

    wait_for_pair(page)
    server.kill()
    page.keyboard.press("1")  # into a dead server: kept in the browser
    page.locator(".review.offline").wait_for()
    assert len(read(run.reviews).cast) == 11
    assert len(json.loads(page.evaluate("localStorage.getItem('chatgui_votes')"))) == 1
    server = start(server.port)
    wait_until(lambda: len(read(run.reviews).cast) == 12, 60)  # nobody pressed anything
    verdicts.append(read(run.reviews).cast[-1].verdict)
    page.reload()
    open_review(page)
    wait_for_pair(page)
    assert page.locator(".review .count span").inner_text() == "12 / 20"
    verdicts += [vote(page, KEYS[n % len(KEYS)]) for n in range(12, PAIRS)]

    page.locator(".review .done").wait_for()
    cast = read(run.reviews).cast
    assert [vote.index for vote in cast] == list(range(PAIRS))
    assert len({vote.id for vote in cast}) == PAIRS
    assert [vote.verdict for vote in cast] == verdicts
    assert page.evaluate("localStorage.getItem('chatgui_votes')") == "[]"

    shown = [int(text) for text in page.locator(".review .legend b").all_inner_texts()]
    assert shown == [verdicts.count(name) for name in ("tuned", "tie", "both_bad", "base")]
    wins, losses = verdicts.count("tuned"), verdicts.count("base")
    interval = wilson_interval(wins, wins + losses)
    sentence = page.locator(".review .outcome .facts dd").first.inner_text()
    rate, low, high = (f"{100 * share:.1f}" for share in (wins / (wins + losses), *interval))
    assert re.findall(r"[\d.]+", sentence) == [rate, str(wins), str(wins + losses), "95", low, high]

    with page.expect_download() as download:
        page.locator(".review .export-preference").click()
    rows = [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()]
    assert len(rows) == wins + losses
