import math

import pytest

from chatgui.events import (
    KINDS,
    Checkpoint,
    Evaluation,
    Event,
    Failed,
    Finished,
    Notice,
    Resumed,
    Sample,
    Stage,
    Step,
    from_line,
    latest,
    to_line,
)  # fmt: skip

EVENTS: list[Event] = [
    Stage("data", 3, 10),
    Step(7, 0.5, 1200, 3.5, 2.25, 1e-3, 0.75, 340.0),
    Evaluation(7, "validation", 2.5, {"perplexity": 12.2}),
    Sample(7, "Hello\u2028there", "你好 \ud83c\udf31\n".encode("utf-16", "surrogatepass").decode("utf-16")),
    Checkpoint(7, "step-000007"),
    Resumed(4),
    Notice("run.rows_cut", {"count": 2, "limit": 256}),
    Finished(9, 12.5, "stopped"),
    Failed("run.crashed", {"reason": "why", "log": "log.txt"}),
]


def step(number: int) -> Step:
    return Step(number, 0.1, 10, 1.0, 2.0, 1e-3, 1.0, 10.0)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_an_event_survives_its_line(event: Event) -> None:
    line = to_line(event)
    assert from_line(line) == event
    assert len(line.split("\n")) == 1


def test_every_kind_of_event_is_tried_here() -> None:
    assert {event.type for event in EVENTS} == set(KINDS)


@pytest.mark.parametrize(
    "line", ["", "{", '{"type": "step", "st', "null", "3", '{"type": "from a later version"}', "{}"]
)
def test_a_line_that_is_torn_or_unknown_is_no_event(line: str) -> None:
    assert from_line(line) is None


def test_a_loss_that_is_not_finite_comes_back_as_nan() -> None:
    line = to_line(Step(1, 0.1, 10, 1.0, math.inf, 1e-3, math.nan, 10.0))
    event = from_line(line)
    assert "NaN" not in line and "Infinity" not in line
    assert isinstance(event, Step) and math.isnan(event.loss) and math.isnan(event.grad_norm)


def test_a_metric_that_is_not_finite_comes_back_as_nan() -> None:
    event = from_line(to_line(Evaluation(1, "validation", 1.0, {"perplexity": math.inf})))
    assert isinstance(event, Evaluation) and math.isnan(event.metrics["perplexity"])


def test_resumed_takes_back_the_later_steps() -> None:
    events: list[Event] = [step(1), step(2), Checkpoint(2, "step-000002"), step(3), Resumed(2), step(3), step(4)]
    assert [event.step for event in latest(events) if isinstance(event, Step)] == [1, 2, 3, 4]


def test_resumed_twice_takes_back_from_both_tries() -> None:
    events: list[Event] = [step(1), step(2), step(3), Resumed(2), step(3), Resumed(1), step(2)]
    assert [event.step for event in latest(events) if isinstance(event, Step)] == [1, 2]
