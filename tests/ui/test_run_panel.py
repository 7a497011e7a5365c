"""The panel of a run in a real browser: chart, queue, pause, resume and stop, over real runs of the tiny model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatgui.config import ModelConfig, RunConfig, TrainingConfig
from chatgui.data.load import DataConfig
from chatgui.runs.store import Run, create_run
from tests.bench.chart import DRAWN, STEPS, write_steps
from tests.ui.conftest import Server, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]
ANSWER_BYTES = 20_000


@pytest.fixture(scope="module")
def long_run(shared_home: Path) -> Run:
    """One of 100,000 steps that ended long ago."""
    run = create_run(shared_home, RunConfig())
    write_steps(run)
    run.set_state(state="finished", total_steps=STEPS, step=STEPS)
    return run


@pytest.fixture
def queue(shared_home: Path, long_run: Run, tiny_model: Path, conversations: Path) -> Callable[[int], Run]:
    """Queue a run of so many steps; the server takes it from there."""

    def add(steps: int) -> Run:
        training = TrainingConfig(max_steps=steps, batch_size=4, evaluation_steps=50, checkpoint_steps=50)
        data, model = DataConfig(source=str(conversations)), ModelConfig(name=str(tiny_model))
        return create_run(shared_home, RunConfig(model=model, data=data, training=training))

    return add


def chart(page: Any, what: str) -> Any:
    return page.evaluate(f"document.querySelector('.live-run .chart').{what}")


def state(page: Any, run: Run, name: str) -> None:
    page.wait_for_selector(f'.live-run[data-run="{run.id}"][data-state="{name}"]', timeout=60_000)


def train_tab(open_page: Callable[..., Any], server: Server, sizes: list[int]) -> Any:
    page = open_page(server.url)

    def note(answer: Any) -> None:
        if "component_server" in answer.url and '"watch"' in (answer.request.post_data or ""):
            sizes.append(len(answer.body()))

    page.on("response", note)
    page.locator("#tabs").get_by_role("tab", name="Train", exact=True).first.click()
    return page


def test_a_hundred_thousand_steps_reach_the_page_thin(
    long_run: Run, server: Server, open_page: Callable[..., Any]
) -> None:
    sizes: list[int] = []
    page = train_tab(open_page, server, sizes)
    page.wait_for_function(DRAWN)
    whole = chart(page, "data[0].x")
    assert whole[0] == 1 and whole[-1] == STEPS and len(whole) < 2000
    assert max(sizes) < 2 * ANSWER_BYTES  # the first answer brings the frame and all words as well
    sizes.clear()
    page.locator(".live-run .axis").select_option("tokens")
    page.wait_for_function(f"() => document.querySelector('.live-run .chart').data[0].x.at(-1) === {2048 * STEPS}")
    page.locator(".live-run .lower").select_option("memory_bytes")
    page.wait_for_function("() => document.querySelector('.live-run .chart').data[3].y.at(-1) > 1")
    page.get_by_label("log", exact=False).first.check()
    page.wait_for_function("() => document.querySelector('.live-run .chart').layout.yaxis.type === 'log'")
    wait_until(lambda: sizes, 20)
    assert max(sizes) < ANSWER_BYTES
    close = "document.querySelector('.live-run .chart').data[0].x.filter(x => x >= 2048e4 && x <= 2248e4).length"
    assert page.evaluate(close) < 20
    page.evaluate("Plotly.relayout(document.querySelector('.live-run .chart'), {'xaxis.range': [2048e4, 2248e4]})")
    page.wait_for_function(f"() => {close} > 100")  # closer in, the server has more points to give


def test_runs_are_paused_resumed_stopped_and_put_in_order(
    queue: Callable[[int], Run], server: Server, open_page: Callable[..., Any]
) -> None:
    long, first, second, third = queue(100_000), queue(3), queue(3), queue(3)
    page = train_tab(open_page, server, [])
    state(page, long, "running")
    page.wait_for_function(DRAWN.replace("> 100", "> 3"))
    waiting = page.locator(".live-run .queue li")
    assert waiting.count() == 3
    waiting.nth(2).locator("button.sooner").click()
    wait_until(lambda: third.state().place < second.state().place, 10)
    page.locator(f'.live-run .queue button.remove[data-place$="{first.id}"]').click()
    wait_until(lambda: first.state().state == "stopped", 10)
    page.locator(".live-run .pause").click()
    state(page, long, "paused")
    wait_until(lambda: second.state().state == "finished", 60)
    assert third.state().state == "finished"
    assert (third.folder / "events.jsonl").stat().st_mtime < (second.folder / "events.jsonl").stat().st_mtime
    steps = long.state().step
    page.locator(".live-run .resume").click()
    state(page, long, "running")
    wait_until(lambda: long.state().step > steps + 3, 60)
    page.locator(".live-run details.beside summary").click()
    page.locator(".live-run details.beside input").first.check()
    page.wait_for_function("() => document.querySelector('.live-run .chart').data.length === 7")
    page.locator(".live-run .stop").click()
    page.locator(".live-run .after-epoch").click()
    wait_until(lambda: long.stop_request() == "epoch" or long.state().state == "stopped", 10)
    state(page, long, "stopped")
    assert long.has_model and "to its end" not in page.locator(".live-run .message").inner_text()
    assert chart(page, "data[0].x[0]") == 1
