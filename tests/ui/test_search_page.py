"""A search from the page alone: a range, Start, the trials as runs, the pictures, and the best settings in the form."""

import signal
from collections.abc import Iterator
from os import kill
from pathlib import Path
from typing import Any

import pytest

from chatgui.config import RunConfig
from chatgui.runs.search import list_searches
from chatgui.runs.store import LIVE, create_run, list_runs
from tests.ui.conftest import Server


@pytest.fixture
def searching(tmp_path: Path, tiny_model: Path, conversations: Path) -> Iterator[Server]:
    """A page over one run of a tiny model, around which to search."""
    home = tmp_path / "home"
    values = {
        "model": {"name": str(tiny_model)}, "data": {"source": str(conversations), "validation_fraction": 0.2},
        "training": {"batch_size": 4, "max_steps": 4, "evaluation_steps": 2}, "probes": {"count": 0},
    }  # fmt: skip
    create_run(home, RunConfig.model_validate(values), "finished")
    running = Server(home)
    yield running
    running.close()
    for run in list_runs(home):
        if run.state().state in LIVE and (pid := run.state().pid):
            kill(pid, signal.SIGKILL)


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_search_is_begun_watched_and_used_on_the_page(searching: Server, open_page: Any) -> None:
    page = open_page(searching.url)
    page.get_by_role("tab", name="Runs", exact=True).click()
    page.get_by_role("checkbox", name="Choose: ").first.check()
    page.get_by_role("button", name="Search for better settings").click()
    page.get_by_label("Setting", exact=True).fill("Learning rate")
    page.get_by_role("option", name="Learning rate", exact=True).click()
    text = page.locator("#search-range textarea, #search-range input")
    page.wait_for_function("document.querySelector('#search-range textarea, #search-range input').value.includes('..')")
    text.fill("1e-4..1e-1 log")
    page.get_by_role("button", name="Add this range").click()
    page.locator("#search-ranges").get_by_text("1e-4..1e-1 log").wait_for()
    page.locator("#search-trials input").fill("2")
    page.get_by_role("button", name="Start the search").click()
    page.locator(".live-search .said").get_by_text("Finished: 2 of 2 trials").wait_for(timeout=180_000)
    assert page.locator(".live-search .figure .main-svg").count() >= 2
    assert page.locator(".runs tbody tr").count() == 3  # trials are runs like any other
    page.get_by_role("button", name="Use the best settings").click()
    rate = page.locator("#training-learning_rate input")
    rate.wait_for()
    (search,) = list_searches(searching.home)
    best = search.best()
    assert best is not None
    page.wait_for_function(
        "rate => Math.abs(Number(document.querySelector('#training-learning_rate input').value) - rate) < 1e-9",
        arg=best[1].training.learning_rate,
    )
