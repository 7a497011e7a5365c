"""The main job in a real browser: data, training, chart, chat, on the bundled starter.

Pictures of every tab in both languages go to `$CHATGUI_PICTURES`, or to the test's own folder.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatgui.runs.store import find_run, list_runs
from tests.ui.conftest import ROOT, Server, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]
POINTS = "() => (document.querySelector('.live-run .chart')?.data?.[0]?.x?.length || 0)"


def tab(page: Any, name: str) -> None:
    page.locator("#tabs").get_by_role("tab", name=name, exact=True).first.click()


def fill_number(page: Any, field: str, value: str) -> None:
    box = page.locator(f"#{field} input").first
    box.fill(value)
    box.press("Tab")


def start_run(page: Any, home: Path) -> str:
    """Press Start and give the new run's id."""
    before = {run.id for run in list_runs(home)}
    page.locator("#start").click()
    wait_until(lambda: {run.id for run in list_runs(home)} - before, 60)
    return next(iter({run.id for run in list_runs(home)} - before))


def points(page: Any) -> int:
    return int(page.evaluate(POINTS))


def chatgui(home: Path, *arguments: str) -> list[dict[str, Any]]:
    """What a command prints with --json, a row a line."""
    environment = {**os.environ, "CHATGUI_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-m", "chatgui", *arguments, "--json"], cwd=ROOT, env=environment, capture_output=True,
        text=True, timeout=800,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("CHATGUI_PICTURES") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def finished(server: Server, shared_home: Path, browser: Any) -> str:
    """A run of the defaults, started by a click in the browser and trained to its end. Gives its id."""
    context = browser.new_context(locale="en-US", viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(server.url)
    page.get_by_role("tab").first.wait_for()
    tab(page, "Train")
    run = start_run(page, shared_home)
    page.wait_for_function(f"({POINTS})() > 0")
    page.wait_for_selector('.live-run[data-state="finished"]', timeout=600_000)
    context.close()
    return run


def test_the_defaults_teach_the_starter_the_shops_answers(finished: str, shared_home: Path) -> None:
    (scores,) = chatgui(shared_home, "evaluate", finished)
    assert scores["rows"] == 100
    assert scores["tuned"]["loss"] <= scores["base"]["loss"] - 1.0


def test_replies_to_the_test_prompts_end_by_themselves(finished: str, shared_home: Path) -> None:
    rows = chatgui(shared_home, "compare", finished)
    assert len(rows) == 100
    assert sum(row["tuned"]["ended"] for row in rows) >= 95
    assert all(row["base"]["weights"] != row["tuned"]["weights"] for row in rows)


def test_a_finished_run_leads_to_two_replies_in_the_chat(
    finished: str, server: Server, open_page: Callable[..., Any]
) -> None:
    page = open_page(server.url)
    tab(page, "Train")
    page.locator(".live-run .compare").click()
    message = page.locator("#chat-message textarea")
    message.fill("Where is my order 4417?")
    message.press("Enter")
    for side in ("base", "tuned"):
        reply = page.locator(f"#chat-{side} [data-testid=bot]").last
        reply.wait_for(timeout=120_000)
    page.wait_for_selector("#chat-send:not([disabled])", timeout=120_000)
    assert page.locator("#chat-tuned [data-testid=bot]").last.inner_text().strip()


def test_every_tab_has_its_picture_in_both_languages(
    finished: str, server: Server, open_page: Callable[..., Any], pictures: Path
) -> None:
    for locale, names in (("en-US", ("Dataset", "Train", "Chat")), ("zh-CN", ("数据集", "训练", "对话"))):
        page = open_page(server.url, locale=locale)
        for name, file in zip(names, ("dataset", "train", "chat"), strict=True):
            tab(page, name)
            page.wait_for_timeout(2500)  # let fonts, the chart and previews settle
            page.screenshot(path=pictures / f"{file}-{locale[:2]}.png")
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_on_a_phone_nothing_scrolls_sideways(finished: str, server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page(server.url, width=390, height=844)
    for name in ("Dataset", "Train", "Chat"):
        if not page.locator("#tabs").get_by_role("tab", name=name, exact=True).first.is_visible():
            page.locator("#tabs .overflow-menu button").first.click()
        tab(page, name)
        page.wait_for_timeout(800)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name


def test_an_uploaded_file_goes_all_the_way_to_the_chat(
    server: Server, shared_home: Path, open_page: Callable[..., Any], conversations: Path
) -> None:
    page = open_page(server.url)
    tab(page, "Dataset")
    page.locator("#dataset-upload input[type=file]").set_input_files(conversations)
    page.get_by_text("conversations.jsonl").first.wait_for()
    tab(page, "Train")
    page.locator("#ready").get_by_text("conversations.jsonl").wait_for()
    fill_number(page, "training-epochs", "6")
    run = start_run(page, shared_home)
    page.wait_for_selector(f'.live-run[data-run="{run}"][data-state="finished"]', timeout=300_000)
    assert points(page) == find_run(shared_home, run).state().total_steps
    page.locator(".live-run .compare").click()
    page.locator("#chat-message textarea").wait_for()


def test_a_bad_value_is_told_under_its_field(server: Server, shared_home: Path, open_page: Callable[..., Any]) -> None:
    page = open_page(server.url)
    tab(page, "Train")
    before = len(list_runs(shared_home))
    fill_number(page, "training-learning_rate", "7")
    page.locator("#ready").get_by_text("7 is not allowed").wait_for()
    page.locator("#start").click()
    page.locator("#training-learning_rate").get_by_text("learning_rate").wait_for()
    assert len(list_runs(shared_home)) == before


def test_a_reload_keeps_the_open_tab(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page(server.url)
    assert page.url.endswith("/")
    tab(page, "Runs")
    page.wait_for_url("**/#runs")
    page.reload()
    page.locator("#tabs").get_by_role("tab", name="Runs", exact=True, selected=True).wait_for()
    page.locator("#tab-dataset").wait_for(state="hidden")


def test_opening_the_advanced_form_changes_nothing(server: Server, open_page: Callable[..., Any]) -> None:
    page = open_page(server.url)
    tab(page, "Train")
    page.locator("#ready").get_by_text("all settings are the defaults").wait_for()
    page.locator("#advanced button").first.click()
    limit = page.locator("#training-max_length_tokens input, #training-max_length_tokens textarea").first
    limit.fill("30")
    limit.press("Tab")
    page.locator("#ready").get_by_text("Max length tokens").wait_for()
    assert page.locator("#start").inner_text().startswith("Start")
    tab(page, "Dataset")
    page.locator("#dataset-preview").get_by_role("tab", name="What is learnt").click()
    page.locator("#dataset-mask-facts").get_by_text("30", exact=True).first.wait_for()


def test_training_outlives_reload_browser_and_server(
    server: Server, shared_home: Path, open_page: Callable[..., Any]
) -> None:
    page = open_page(server.url)
    tab(page, "Train")
    run = find_run(shared_home, start_run(page, shared_home))
    page.wait_for_function(f"({POINTS})() > 3", timeout=120_000)
    page.reload()
    page.get_by_role("tab").first.wait_for()
    tab(page, "Train")
    page.wait_for_function(f"({POINTS})() > 3")
    page.context.close()
    server.kill()
    killed_at = run.state().step
    wait_until(lambda: run.state().step > killed_at + 3, 120)
    second = Server(shared_home)
    try:
        again = open_page(second.url)
        tab(again, "Train")
        again.wait_for_function(f"({POINTS})() > {killed_at}")
        assert again.evaluate("document.querySelector('.live-run .chart').data[0].x[0]") == 1
        os.kill(run.state().pid or 0, signal.SIGKILL)
        wait_until(lambda: run.state().state == "interrupted", 10)
        again.wait_for_selector('.live-run[data-state="interrupted"]', timeout=10_000)
    finally:
        second.close()
