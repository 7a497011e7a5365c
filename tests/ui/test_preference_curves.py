"""Rewards and accuracies of a preference run on the live chart, in both languages, in a real browser.

Pictures go to `$CHATGUI_PICTURES`, where it is set.
"""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chatgui.config import RunConfig
from chatgui.fields import build
from chatgui.runs.execute import execute
from chatgui.runs.store import Run, create_run
from chatgui.text import say
from tests.ui.conftest import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
SERIES = ("reward_accuracy", "reward_chosen", "reward_margin", "reward_rejected")


@pytest.fixture(scope="module")
def run(shared_home: Path, tiny_model: Path) -> Iterator[Run]:
    """DPO on pairs where the polite reply is the better one; made before the server starts."""
    before = signal.getsignal(signal.SIGTERM)
    pairs = [
        {"prompt": f"Question {n}?", "chosen": f"Gladly, {n}.", "rejected": f"No, {n}."} for n in range(24)
    ]  # fmt: skip
    file = shared_home.parent / "pairs.jsonl"
    file.write_text("\n".join(map(json.dumps, pairs)), encoding="utf-8")
    training = {"max_steps": 40, "learning_rate": 0.005, "batch_size": 4, "evaluation_steps": 10}
    config = build(
        RunConfig,
        {
            "task": {"kind": "preference"}, "model": {"name": str(tiny_model)}, "data": {"source": str(file)},
            "training": training,
        },
    )  # fmt: skip
    made = create_run(shared_home, config)
    assert execute(made), made.state().message
    yield made
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("locale", "tab", "width", "dark"),
    [("en-US", "Train", 1440, False), ("zh-CN", "训练", 1440, True), ("zh-CN", "训练", 390, False)],
)
def test_each_reward_is_a_named_curve_of_the_chart(
    run: Run, server: Server, open_page: Callable[..., Any], locale: str, tab: str, width: int, dark: bool
) -> None:
    language = locale[:2]
    page = open_page(server.url, locale=locale, width=width, dark=dark)
    page.locator("#tabs").get_by_role("tab", name=tab, exact=True).first.click()
    chosen = page.locator(f'.live-run[data-run="{run.id}"] .lower')
    chosen.locator("option[value=reward_margin]").wait_for(state="attached")
    for name in SERIES:
        words = say(f"chart.{name}", language)
        assert chosen.locator(f"option[value={name}]").inner_text() == words
        chosen.select_option(name)
        page.wait_for_function(
            "words => document.querySelector('.live-run .chart').data?.[3]?.name === words"
            " && document.querySelector('.live-run .chart').data[3].y.length === 40",
            arg=words,
        )
    chosen.select_option("reward_margin")
    page.wait_for_function("() => document.querySelector('.live-run .chart').data[3].y.at(-1) > 0.05")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    if folder := os.environ.get("CHATGUI_PICTURES"):
        page.wait_for_timeout(1000)
        page.screenshot(path=Path(folder) / f"rewards-{language}-{width}.png", full_page=True)
