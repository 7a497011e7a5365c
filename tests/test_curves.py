import math
from dataclasses import replace

import numpy as np
import pytest

from chatgui.curves import Curves, compact, thinned, window
from chatgui.events import Evaluation, Event, Notice, Resumed, Step


def step(number: int, loss: float = 2.0, memory: int | None = None) -> Step:
    return Step(number, number / 10, 100 * number, 0.5 * number, loss, 1e-3, 1.0, 200.0, memory_bytes=memory)


def test_steps_become_columns_and_looks_become_points() -> None:
    curves = Curves()
    events: list[Event] = [
        Evaluation(0, "validation", 3.0),
        step(1),
        step(2, 1.5, 10),
        Evaluation(2, "validation", 2.5),
    ]
    curves.add([*events, Evaluation(2, "test", 9.0), Notice("run.rows_cut", {"count": 1, "limit": 2})])
    assert curves.array("loss").tolist() == [2.0, 1.5]
    assert curves.array("tokens").tolist() == [100, 200]
    assert math.isnan(curves.array("memory_bytes")[0]) and curves.array("memory_bytes")[1] == 10
    assert curves.validation == {0: 3.0, 2: 2.5}


def test_what_a_task_says_of_its_steps_is_a_column_too() -> None:
    curves = Curves()
    curves.add([step(1), *(replace(step(n), metrics={"reward_margin": n / 4}) for n in (2, 3)), step(4), Resumed(3)])
    assert curves.metrics == ("reward_margin",)
    assert curves.array("reward_margin").tolist() == pytest.approx([math.nan, 0.5, 0.75], nan_ok=True)


def test_a_look_stands_where_its_step_does_on_every_axis() -> None:
    curves = Curves()
    curves.add([Evaluation(0, "validation", 3.0), *map(step, (1, 2, 3)), Evaluation(3, "validation", 2.0)])
    for axis, places in (("step", [0, 3]), ("tokens", [0, 300]), ("seconds", [0, 1.5])):
        assert curves.validation_points(axis)[1].tolist() == pytest.approx(places)


def test_a_resume_takes_the_later_steps_back_as_if_they_had_never_been() -> None:
    losses = [3.0, 2.0, 2.5, 1.0]
    straight, resumed = Curves(), Curves()
    straight.add([step(number, loss) for number, loss in enumerate(losses, start=1)])
    resumed.add([step(1, 3.0), step(2, 2.0), step(3, 9.0), Evaluation(3, "validation", 1.0), Resumed(2)])
    resumed.add([step(3, 2.5), step(4, 1.0)])
    for name in straight.columns:
        np.testing.assert_array_equal(resumed.array(name), straight.array(name))
    assert (resumed.smooth, resumed.validation) == (straight.smooth, {})


def test_the_smoothed_loss_is_the_weighted_mean_of_all_before() -> None:
    curves = Curves(half_life=1.0)  # each step weighs half of the next one
    curves.add([step(1, 4.0), step(2, 1.0), step(3, math.nan)])
    assert curves.smooth.tolist() == pytest.approx([4.0, (0.5 * 4 + 1) / 1.5, 2.0])


def test_a_thinned_curve_keeps_both_ends_and_every_peak() -> None:
    values = np.sin(np.arange(100_000) / 5000)
    values[[123, 45_678, 99_998]] = [50, -50, 60]
    chosen = thinned(values, 400)
    assert {0, 123, 45_678, 99_998, 99_999} <= set(chosen.tolist())
    assert len(chosen) <= 404
    assert (np.diff(chosen) > 0).all()


def test_a_growing_curve_keeps_the_points_it_has_drawn() -> None:
    values = np.random.default_rng(0).normal(size=5000)
    before, after = set(thinned(values[:4200], 400).tolist()), set(thinned(values, 400).tolist())
    assert {index for index in before if 0 < index < 4160} <= after


def test_a_short_curve_is_drawn_whole_and_gaps_stay_gaps() -> None:
    assert thinned(np.array([3.0, math.nan, 1.0]), 400).tolist() == [0, 1, 2]
    assert len(thinned(np.full(1000, math.nan), 100)) <= 104
    assert compact(np.array([1.0, math.nan, 0.123456, 123456.0])) == [1, None, 0.1235, 123456]


def test_a_window_holds_one_point_more_on_each_side() -> None:
    places = np.array([1.0, 2, 3, 4, 5])
    assert places[window(places, [2.5, 3.5])].tolist() == [2, 3, 4]
    assert places[window(places, None)].tolist() == places.tolist()
