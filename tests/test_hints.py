"""Curves as they are met in practice, and what is said of each."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from chatgui.curves import Curves
from chatgui.events import Evaluation, Event, Step
from chatgui.hints import FEWEST_STEPS, hints
from chatgui.text import languages, say


def run(
    loss: Callable[[float], float], validation: Callable[[float], float] | None = None, noise: float = 0.02
) -> Curves:
    """300 steps of a curve over the share of the run that is done, with looks every tenth."""
    random = np.random.default_rng(0)
    curves = Curves(half_life=5)
    for number in range(1, 301):
        events: list[Event] = [
            Step(
                number, number / 100, 10 * number, number / 10, loss(number / 300) + random.normal(0, noise), 1e-3, 1, 9
            )
        ]
        if validation and number % 30 == 0:
            events.append(Evaluation(number, "validation", validation(number / 300)))
        curves.add(events)
    return curves


def keys(curves: Curves, ended: bool = False) -> list[str]:
    return [key for key, _ in hints(curves, 300, ended)]


def healthy(share: float) -> float:
    return 1 + 2 * math.exp(-8 * share)


def test_a_healthy_curve_is_left_in_peace() -> None:
    assert keys(run(healthy, healthy), ended=True) == []


def test_validation_that_rises_while_training_falls_is_learning_by_heart_and_names_the_best_step() -> None:
    curves = run(healthy, lambda share: 1 + 4 * (share - 0.4) ** 2)
    assert hints(curves, 300, True) == [("hint.by_heart", {"step": 120})]


def test_one_high_look_at_validation_is_no_turn() -> None:
    assert keys(run(healthy, lambda share: 2.0 if share == 0.9 else healthy(share))) == []


def test_a_loss_that_climbs_away_comes_apart() -> None:
    ((key, values),) = hints(run(lambda share: healthy(share) + 8 * max(0, share - 0.5)), 300, False)
    assert (key, values["rate"]) == ("hint.diverging", "0.001")
    assert 140 <= values["step"] <= 170


def test_a_loss_that_stays_where_it_was_is_not_falling() -> None:
    assert keys(run(lambda share: 3.0)) == ["hint.not_falling"]


def test_a_loss_that_jumps_about_without_falling_has_too_high_a_rate() -> None:
    assert keys(run(lambda share: 3.0, noise=1.5)) == ["hint.rate_too_high"]


def test_a_straight_and_shallow_fall_has_too_low_a_rate() -> None:
    assert keys(run(lambda share: 3 - 0.2 * share, noise=0.001)) == ["hint.rate_too_low"]


def test_a_run_that_ended_in_full_fall_could_have_learnt_more() -> None:
    curves = run(lambda share: 3 - 1.5 * share)
    assert keys(curves, ended=True) == ["hint.ended_early"]
    assert keys(curves, ended=False) == []


def test_a_young_curve_says_nothing() -> None:
    curves = Curves()
    curves.add([Step(number, 0, 0, 0, 3.0, 1e-3, 1, 9) for number in range(1, FEWEST_STEPS)])
    assert hints(curves, 20, False) == []


@pytest.mark.parametrize("language", languages())
def test_a_hint_is_a_sentence_with_its_numbers(language: str) -> None:
    for curves in (run(healthy, lambda share: 1 + 4 * (share - 0.4) ** 2), run(lambda share: 3.0)):
        for key, values in hints(curves, 300, True):
            sentence = say(key, language, **values)
            assert "{" not in sentence and str(next(iter(values.values()))) in sentence
