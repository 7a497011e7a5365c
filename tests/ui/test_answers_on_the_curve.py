"""A point of the loss chart leads to what the model answered there, in a browser."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatgui.config import RunConfig
from chatgui.evaluation.probes import ProbeAnswer, append_answers
from chatgui.events import Evaluation, Step
from chatgui.runs.store import Run, create_run

STEPS = 40
LOOKS = (0, 20, STEPS)
PLACE = """(step) => {
  const chart = document.querySelector(".live-run .chart"), look = chart._fullLayout;
  const trace = chart.data.find((each) => each.x?.includes(step) && each.customdata && each.mode?.includes("markers"))
    || chart.data.find((each) => each.x?.includes(step) && each.customdata);
  const axes = [look.xaxis, look[(trace.yaxis || "y").replace("y", "yaxis")]];
  const box = chart.querySelector(".nsewdrag").getBoundingClientRect(), at = trace.x.indexOf(step);
  const top = chart.getBoundingClientRect().top + axes[1]._offset;
  return [box.left + axes[0].d2p(trace.x[at]), top + axes[1].d2p(trace.y[at])];
}"""

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def live(shared_home: Path) -> Run:
    """A run of 40 steps with answers to one prompt before the first, after the 20th and after the last."""
    (shared_home / "runs").mkdir(parents=True)
    run = create_run(shared_home, RunConfig(), "running")  # in this process; a page opens with the live run
    run.set_state(step=STEPS, total_steps=STEPS, seconds=20.0)
    prompt = [{"role": "user", "content": "When do you open?"}]
    for number in range(STEPS + 1):
        if number:
            run.append(Step(number, number / STEPS, 100 * number, 0.5 * number, 4 / number, 1e-3, 1.0, 200.0))
        if number in LOOKS:
            run.append(Evaluation(number, "validation", 3.0 - number / STEPS))
            append_answers(run.samples, [ProbeAnswer(number, 0, prompt, f"Said at {number}.", 3, True)])
    return run


def test_a_click_on_the_chart_shows_the_answers_of_that_step_beside_the_bases(
    live: Run, server: Any, open_page: Callable[..., Any]
) -> None:
    page = open_page(server.url)
    page.locator("#tabs").get_by_role("tab", name="Train", exact=True).click()
    texts = page.locator(".probes .text")
    texts.filter(has_text=f"Said at {STEPS}.").wait_for()  # the last one, unasked
    page.wait_for_function("document.querySelector('.live-run .chart')?._fullLayout?.xaxis?._offset > 0")
    page.locator(".live-run .chart").scroll_into_view_if_needed()
    page.wait_for_timeout(500)  # Plotly draws once more at its final width
    x, y = page.evaluate(PLACE, LOOKS[1])
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y)
    page.wait_for_timeout(200)  # the point is found under the pointer, then clicked
    page.mouse.click(x, y)
    texts.filter(has_text="Said at 20.").wait_for()
    assert texts.all_inner_texts() == ["Said at 0.", "Said at 20."]
    slider = page.locator(".probes input[type=range]")
    slider.press("ArrowRight")
    assert texts.all_inner_texts() == ["Said at 0.", f"Said at {STEPS}."]
    slider.press("Home")
    assert texts.all_inner_texts() == ["Said at 0.", "Said at 20."]
    widths = [page.locator(f"{each} .panel").first.bounding_box()["width"] for each in ("#live-run", "#probes-panel")]
    assert widths[0] == widths[1]
