import json
import math

import pytest

from chatgui.charts import LOWER, MOST_POINTS, frame, view
from chatgui.curves import AXES, Curves
from chatgui.events import Evaluation, Step
from chatgui.text import languages


def curves(count: int) -> Curves:
    made = Curves()
    for number in range(1, count + 1):
        loss = 2 + math.sin(number * 1.234567) / 3
        made.add([Step(number, number / 777, number * 1234, number * 0.0517, loss, 1e-3 / number, loss / 7, 40_123.7)])
        if number % 1000 == 0:
            made.add([Evaluation(number, "validation", loss)])
    return made


@pytest.mark.parametrize("axis", AXES)
def test_a_view_of_a_hundred_thousand_steps_fits_into_twenty_kilobytes(axis: str) -> None:
    lines = view(curves(20_000), axis=axis, lower="grad_norm", ends=None)
    assert len(json.dumps(lines)) < 20_000
    assert len(lines["raw"]["x"]) <= MOST_POINTS + 4
    assert set(lines) == {"raw", "smooth", "validation", "lower"}
    for line in lines.values():
        assert len(line["x"]) == len(line["y"]) == len(line.get("step", line["x"]))


def test_a_closer_view_has_points_that_the_whole_left_out() -> None:
    made = curves(20_000)
    whole = view(made, axis="step", lower="grad_norm", ends=None)["raw"]["x"]
    close = view(made, axis="step", lower="grad_norm", ends=[5000, 5100])["raw"]["x"]
    assert (close[0], close[-1], len(close)) == (4999, 5100, 102)
    assert len([step for step in whole if 5000 <= step <= 5100]) < 10


def test_on_another_axis_every_point_still_knows_its_step() -> None:
    line = view(curves(3), axis="tokens", lower="grad_norm", ends=None)["raw"]
    assert (line["x"], line["step"]) == ([1234, 2468, 3702], [1, 2, 3])


def test_memory_is_drawn_in_gib_where_it_was_looked_at() -> None:
    made = Curves()
    made.add([Step(n, 0, n, n, 2.0, 1e-3, 1, 9, memory_bytes=2**30 if n == 2 else None) for n in (1, 2, 3)])
    assert view(made, axis="step", lower="memory_bytes", ends=None)["lower"] == {"x": [2], "y": [1]}


def test_a_run_laid_over_another_brings_fewer_points_and_no_raw_loss() -> None:
    lines = view(curves(5000), axis="step", lower="grad_norm", ends=None, beside=True)
    assert set(lines) == {"smooth", "validation", "lower"}
    assert sum(len(line["x"]) for line in lines.values()) < 300


def test_a_run_without_a_step_has_an_empty_view() -> None:
    made = Curves()
    made.add([Evaluation(0, "validation", 3.0)])
    lines = view(made, axis="epoch", lower="learning_rate", ends=None)
    assert (lines["raw"]["x"], lines["validation"]["x"], lines["validation"]["y"]) == ([], [0], [3])


def test_the_frame_names_everything_in_the_readers_language() -> None:
    english, chinese = frame("en"), frame("zh")
    assert tuple(english["axes"]) == AXES and tuple(english["lowers"]) == LOWER
    assert all(english[name][key] != chinese[name][key] for name in ("axes", "lowers") for key in english[name])
    assert chinese["lines"]["smooth"]["name"] == "训练损失"
    assert len(languages()) >= 2


def test_lines_differ_without_colour() -> None:
    looks = [frame()["lines"][name]["line"] for name in ("smooth", "validation")]
    assert len({look.get("dash", "solid") for look in looks}) == 2
    assert len(set(frame()["dashes"])) == len(frame()["colours"])


def test_a_run_laid_over_may_lack_what_the_chosen_one_shows() -> None:
    assert view(curves(3), axis="tokens", lower="reward_margin", ends=None, beside=True)["lower"] == {
        "x": [], "y": [], "step": [],
    }  # fmt: skip
