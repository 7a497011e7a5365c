import math

from chatgui.charts import MOST_POINTS, RATE, TRAIN, VALIDATION, Curves, curves, loss_figure
from chatgui.events import Evaluation, Event, Notice, Step


def step(number: int, loss: float = 2.0) -> Step:
    return Step(number, 0.1, 10, 1.0, loss, 1e-3, 1.0, 10.0)


def test_steps_and_looks_at_validation_become_points() -> None:
    events: list[Event] = [Evaluation(0, "validation", 3.0), step(1), step(2, 1.5), Evaluation(2, "validation", 2.5)]
    points = curves(events)
    assert (points.x[TRAIN], points.y[TRAIN]) == ([1, 2], [2.0, 1.5])
    assert (points.x[VALIDATION], points.y[VALIDATION]) == ([0, 2], [3.0, 2.5])
    assert (points.x[RATE], points.y[RATE]) == ([1, 2], [1e-3, 1e-3])


def test_other_splits_and_other_events_are_not_drawn() -> None:
    points = curves([Evaluation(1, "test", 3.0), Notice("run.rows_cut", {"count": 1, "limit": 2})])
    assert points.x == [[], [], []]


def test_a_long_curve_is_thinned_and_keeps_both_ends() -> None:
    points = curves(step(number) for number in range(1, 5 * MOST_POINTS)).thinned()
    assert (points.x[TRAIN][0], points.x[TRAIN][-1]) == (1, 5 * MOST_POINTS - 1)
    assert len(points.x[TRAIN]) == len(points.y[TRAIN]) <= MOST_POINTS + 1


def test_a_short_curve_is_drawn_whole() -> None:
    whole = Curves([[1, 2, 3], [], []], [[3.0, 2.0, 1.0], [], []])
    assert whole.thinned() == whole


def test_the_traces_stand_in_the_order_the_page_extends_them() -> None:
    traces = loss_figure(curves([step(1)]))["data"]
    names = {TRAIN: "Training loss", VALIDATION: "Validation loss", RATE: "Learning rate"}
    assert [trace["name"] for trace in traces] == [names[index] for index in range(3)]
    assert traces[RATE]["visible"] == "legendonly"


def test_the_curves_differ_without_colour() -> None:
    traces = loss_figure(Curves())["data"]
    assert len({trace["line"].get("dash", "solid") for trace in traces}) == 3


def test_the_figure_speaks_the_readers_language() -> None:
    figure = loss_figure(Curves(), "zh")
    assert figure["data"][TRAIN]["name"] == "训练损失"
    assert figure["layout"]["xaxis"]["title"]["text"] != loss_figure(Curves())["layout"]["xaxis"]["title"]["text"]


def test_a_loss_that_is_no_number_becomes_a_gap_in_the_curve() -> None:
    assert curves([step(1), step(2, math.nan)]).y[TRAIN] == [2.0, None]
