"""Try and Apply in a real browser: every view of a prediction, and the three applications, on runs of seconds.

Pictures of all of them go to `$CHATGUI_PICTURES`, where it is set.
"""

import csv
import json
import os
import re
import signal
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chatgui.text import say
from tests.finished import finished_run
from tests.test_predict import CHOICES, LABELS, TAGS, trained
from tests.ui.conftest import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]
NAMES = {"en": {"try": "Try", "apply": "Apply"}, "zh": {"try": "试用", "apply": "应用"}}
SURGES = {(12, "delivery"), (17, "product")}


@pytest.fixture(scope="module")
def runs(shared_home: Path, tiny_model: Path, conversations: Path) -> Iterator[dict[str, str]]:
    """One short run of each task that names, tags or ranks, and a chat model; made before the server starts."""
    before = signal.getsignal(signal.SIGTERM)
    found = {"chat": finished_run(shared_home, tiny_model, conversations).id}
    for task, rows in (("classification", LABELS), ("tagging", TAGS), ("ranking", CHOICES)):
        found[task] = trained(shared_home, tiny_model, rows, task).id
    yield found
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def page(runs: dict[str, str], server: Server, open_page: Callable[..., Any]) -> Any:
    return open_page(server.url)


def go(page: Any, name: str, tabs: str = "tabs") -> None:
    page.locator(f"#{tabs}").get_by_role("tab", name=name, exact=True).first.click()


def choose(page: Any, element: str, text: str) -> None:
    """Pick the choice of a dropdown that holds some text."""
    page.locator(f"#{element} input").click()
    page.locator("ul[role=listbox] li, [role=option]").filter(has_text=text).first.click()


def try_run(page: Any, name: str) -> None:
    go(page, "Try")
    choose(page, "try-run", name)


def picture(page: Any, name: str) -> None:
    if folder := os.environ.get("CHATGUI_PICTURES"):
        page.wait_for_timeout(800)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def ask(page: Any, text: str, second: str = "") -> None:
    page.locator("#try-text textarea").fill(text)
    if second:
        page.locator("#try-second textarea").fill(second)
    page.locator("#try-ask").click()


def test_a_text_is_classified_by_both_models_and_a_table_taken_home(page: Any, tmp_path: Path) -> None:
    try_run(page, "classification")
    ask(page, "bad 3")
    page.locator("#try-tuned .predicted").get_by_text("bad", exact=True).wait_for()
    for side in ("base", "tuned"):
        bars = page.locator(f"#try-{side} ol.bars li b").all_inner_texts()
        assert len(bars) == 2 and all(re.fullmatch(r"\d+\.\d%", bar) for bar in bars)
    table = tmp_path / "new.csv"
    table.write_text("text\ngood 1\nbad 2\ngood 5\n", encoding="utf-8")
    page.locator("#try-table button").first.click()
    page.locator("#try-file input[type=file]").set_input_files(table)
    page.locator("#try-download:not(.hidden)").wait_for()
    with page.expect_download() as waiting:
        page.locator("#try-download").click()
    with Path(waiting.value.path()).open(encoding="utf-8-sig") as stream:
        assert [row["prediction"] for row in csv.DictReader(stream)] == ["good", "bad", "good"]
    page.locator("#try-score button").first.click()
    page.locator("#try-judge").click()
    page.locator("#try-tuned-score table.scores").wait_for()
    page.locator("#try .js-plotly-plot").nth(1).wait_for()
    picture(page, "try-classification")


def test_names_are_highlighted_by_both_models(page: Any) -> None:
    try_run(page, "tagging")
    ask(page, "Ann w3")
    page.locator("#try-tuned mark.entity").get_by_text("Ann").wait_for()
    assert page.locator("#try-tuned mark.entity sub").all_inner_texts() == ["PER"]
    assert page.locator("#try-base .marked").inner_text().startswith("Ann")
    assert not page.locator("#try-second").is_visible()
    picture(page, "try-tagging")


def test_candidates_are_ranked_with_scores_by_both_models(page: Any) -> None:
    try_run(page, "ranking")
    ask(page, "cat 1", "dog 1\ncat 2\ndog 2")
    page.locator("#try-tuned ol.bars li").nth(2).wait_for()
    scores = [float(text) for text in page.locator("#try-tuned ol.bars li b").all_inner_texts()]
    assert scores == sorted(scores, reverse=True) and page.locator("#try-base ol.bars li").count() == 3
    assert page.locator("#try-tuned ol.bars li").first.inner_text().startswith("cat 2")
    picture(page, "try-ranking")


def test_the_assistant_answers_from_an_uploaded_document_or_hands_over(page: Any, tmp_path: Path) -> None:
    document = tmp_path / "returns.md"
    document.write_text("# Returns\n\nTents go back within 45 days.\n\n# 退货\n\n帐篷45天内可退。", encoding="utf-8")
    go(page, "Apply")
    page.locator("#support-files input[type=file]").set_input_files(document)
    page.get_by_text("returns.md").first.wait_for()
    question = page.locator("#support-question textarea")
    question.fill("May I return tents?")
    question.press("Enter")
    page.locator("#support-with details").get_by_text("Tents go back within 45 days.").wait_for()
    assert page.locator("#support-with summary").first.inner_text().startswith("returns.md")
    page.locator("#support-without p").first.wait_for()
    picture(page, "apply-support")
    question.fill("What is quantum gravity?")
    question.press("Enter")
    page.locator("#support-with .hand-over a[href^='mailto:']").wait_for()
    assert page.locator("#support-with .predicted").inner_text().startswith("I don't know")
    assert page.locator("#support-without p").first.inner_text().strip()
    picture(page, "apply-support-unknown")


def stream(file: Path) -> Path:
    """20 days of two topics, ten texts each, a tenth of them bad; nine of ten on the days of SURGES."""
    rows = ["text,time,topic"]
    for day in range(1, 21):
        for topic in ("delivery", "product"):
            bad = 9 if (day, topic) in SURGES else 1
            rows += [f"{'bad' if n < bad else 'good'} {n % 6},2026-01-{day:02d},{topic}" for n in range(10)]
    file.write_text("\n".join(rows), encoding="utf-8")
    return file


def test_planted_surges_by_upload_and_endpoint_raise_exactly_their_alerts(
    page: Any, runs: dict[str, str], server: Server, tmp_path: Path
) -> None:
    go(page, "Apply")
    page.locator("#apply").get_by_role("tab", name="Sentiment monitor").click()
    page.wait_for_function("() => document.querySelector('#monitor-negative input')?.value === 'bad'")
    assert page.locator("#monitor-webhook textarea, #monitor-webhook input").first.input_value() == ""
    page.locator("#monitor-file input[type=file]").set_input_files(stream(tmp_path / "stream.csv"))
    page.locator("#monitor-log ol.alerts li").nth(1).wait_for()
    found = page.locator("#monitor-log ol.alerts li").all_inner_texts()
    assert {tuple(line.split(":")[0].split(", ")) for line in found} == {
        (f"2026-01-{day}", topic) for day, topic in SURGES
    }
    page.locator("#monitor-figure .js-plotly-plot").wait_for()
    picture(page, "apply-monitor")
    rows = [{"text": "bad 1", "time": "2026-01-21", "topic": "delivery"}] * 10
    body = json.dumps({"model": runs["classification"], "rows": rows}).encode()
    with urllib.request.urlopen(f"{server.url}v1/monitor", body, timeout=60) as answer:
        assert [alert["day"] for alert in json.load(answer)["alerts"]] == ["2026-01-21"]
    page.locator("#monitor-log ol.alerts li").nth(2).wait_for()  # seen without a click
    page.locator("#monitor-clear").click()
    page.locator("#monitor-log ol.alerts").wait_for(state="detached")


def test_a_user_gets_a_list_with_reasons_beside_two_simple_rules(page: Any) -> None:
    go(page, "Apply")
    page.locator("#apply").get_by_role("tab", name="Recommender").click()
    choose(page, "recommend-user", "u1cat")
    page.wait_for_function("() => document.querySelector('#recommend-history textarea')?.value === 'cat 1'")
    page.locator("#recommend-rank").click()
    for name in ("model", "popularity", "bm25"):
        page.locator(f"#recommend-{name} ol.bars li").first.wait_for()
    page.locator("#recommend-model details summary").first.click()
    assert "cat 1" in page.locator("#recommend-model details ol.bars li").first.inner_text()
    assert page.locator("#recommend-model ol.bars li").first.inner_text().startswith("cat")
    picture(page, "apply-recommend")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_scrolls_sideways(
    runs: dict[str, str], server: Server, open_page: Callable[..., Any], tmp_path: Path, language: str
) -> None:
    locale, dark = {"en": "en-US", "zh": "zh-CN"}[language], language == "zh"
    page = open_page(server.url, locale=locale, dark=dark)

    def look(name: str) -> None:
        page.wait_for_timeout(500)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
        picture(page, f"{name}-{language}")

    go(page, NAMES[language]["try"])
    for task, text, second in (
        ("classification", "bad 3", ""),
        ("tagging", "Ann w3", ""),
        ("ranking", "cat 1", "dog 1\ncat 2"),
    ):
        choose(page, "try-run", task)
        page.wait_for_timeout(800)  # the fields take the names of what this run reads
        ask(page, text, second)
        page.locator("#try-tuned :is(ol.bars li, .marked)").first.wait_for()
        look(f"try-{task}")
    go(page, NAMES[language]["apply"])
    page.locator("#support-sample").click()
    page.get_by_text("larkmoor-questions", exact=False).first.wait_for()
    question = page.locator("#support-question textarea")
    question.fill({"en": "How long can I return shoes?", "zh": "退款多久到账？"}[language])
    question.press("Enter")
    page.locator("#support-with details").first.wait_for()
    look("apply-support")
    go(page, say("apply.monitor", language), "apply")
    page.locator("#monitor-file input[type=file]").set_input_files(stream(tmp_path / "stream.csv"))
    page.locator("#monitor-log ol.alerts li").nth(1).wait_for()
    page.locator("#monitor-figure .js-plotly-plot").wait_for()
    look("apply-monitor")
    page.locator("#monitor-clear").click()
    go(page, say("apply.recommend", language), "apply")
    page.locator("#recommend-history textarea").fill("cat 1")
    page.locator("#recommend-rank").click()
    page.locator("#recommend-bm25 ol.bars li").first.wait_for()
    look("apply-recommend")
