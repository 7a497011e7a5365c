from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from chatgui.adapters.lora import Lora
from chatgui.config import TrainingConfig
from chatgui.events import Step
from chatgui.tasks.chat import Chat
from chatgui.text import duration
from chatgui.tokens.example import Example
from chatgui.training.forecast import (
    Forecast,
    Machine,
    beside_fact,
    forecast,
    held,
    remaining_seconds,
    sentence,
)  # fmt: skip
from chatgui.training.loop import Snapshot

Fresh = Callable[..., Any]
MEBI = 2**20


def machine(available: int = 10**9, peaks: tuple[int, ...] = (100 * MEBI, 300 * MEBI)) -> Machine:
    """One whose memory is known: what it says first stands for the model, what it says then for the peak."""
    said = iter(peaks)
    return Machine(lambda: next(said), available, lambda snapshot: 0.5, lambda: 0.25)


def foresee(fresh_model: Fresh, examples: list[Example], given: Machine | None = None, **fields: Any) -> Forecast:
    config = TrainingConfig.model_validate({"batch_size": 4, **fields})
    return forecast(fresh_model(Lora()), Chat(), examples[4:], examples[:4], config, given or machine())


def test_it_counts_steps_looks_and_checkpoints(fresh_model: Fresh, examples: list[Example]) -> None:
    made = foresee(fresh_model, examples, max_steps=50, evaluation_steps=10, checkpoint_steps=20)
    assert made.steps == 50
    assert made.checkpoint_seconds == pytest.approx(2 * 0.5)  # at 20 and 40
    assert made.probe_seconds == pytest.approx(3 * 0.25)  # and once before training
    assert made.validation_seconds > 0
    assert made.seconds > made.checkpoint_seconds + made.validation_seconds + made.probe_seconds
    assert made.seconds_low < made.seconds < made.seconds_high


def test_twice_the_steps_take_about_twice_as_long(fresh_model: Fresh, examples: list[Example]) -> None:
    pauses: dict[str, Any] = {"evaluation_steps": 10**6, "checkpoint_steps": 10**6}
    short, long = (foresee(fresh_model, examples, max_steps=steps, **pauses).seconds for steps in (100, 200))
    assert 1 < long / short < 4  # measured twice on a machine that others use


def test_what_fits_needs_no_advice(fresh_model: Fresh, examples: list[Example]) -> None:
    made = foresee(fresh_model, examples, max_steps=2)
    assert made.fits and made.advice == ()
    assert made.peak_memory_bytes == 330 * MEBI  # 200 above the standing part, and what scatters


def test_what_does_not_fit_is_told_how_many_tokens_would(fresh_model: Fresh, examples: list[Example]) -> None:
    made = foresee(fresh_model, examples, machine(available=250 * MEBI), max_steps=2)
    assert not made.fits
    (advice,) = made.advice
    assert advice["key"] == "forecast.advice_micro_batch"
    assert 64 <= advice["values"]["tokens"] < 4 * max(map(len, examples))


def test_a_longest_example_that_alone_is_too_much_is_to_be_cut(fresh_model: Fresh, examples: list[Example]) -> None:
    made = foresee(fresh_model, examples, machine(available=120 * MEBI), max_steps=2, micro_batch_tokens=64)
    assert [advice["key"] for advice in made.advice] == ["forecast.advice_length", "forecast.advice_method"]
    assert made.advice[0]["values"]["tokens"] < made.advice[0]["values"]["longest"]


def test_a_model_that_alone_is_too_large_is_told_so(fresh_model: Fresh, examples: list[Example]) -> None:
    made = foresee(fresh_model, examples, machine(available=50 * MEBI), max_steps=2)
    assert [advice["key"] for advice in made.advice] == ["forecast.advice_smaller"]


def test_in_place_it_leaves_weights_gradients_and_random_numbers_as_they_were(
    fresh_model: Fresh, examples: list[Example]
) -> None:
    model = fresh_model(Lora(dropout=0.1))
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    random = torch.get_rng_state()
    kept: list[int] = []

    def keep(snapshot: Snapshot) -> float:
        kept.append(len(snapshot.weights))
        return 0.5

    own = replace(machine(peaks=(100 * MEBI, 150 * MEBI, 300 * MEBI)), keep=keep)
    config = TrainingConfig(batch_size=4, max_steps=50, checkpoint_steps=20)
    made = forecast(model, Chat(), examples[4:], examples[:4], config, own, in_place=True)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())
    assert torch.equal(torch.get_rng_state(), random)
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert made.peak_memory_bytes == 330 * MEBI + 8 * trained  # AdamW's states are not there yet
    assert made.checkpoint_seconds == pytest.approx(2 * 3 * 0.5) and kept == [len([n for n in before if "lora" in n])]
    assert 0 < made.seconds_low < made.seconds < made.seconds_high


def test_in_place_what_cannot_fit_is_reckoned_and_not_tried(
    fresh_model: Fresh, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatgui.training.forecast.TIMED_TOKENS", 32)
    own = machine(available=200 * MEBI, peaks=(100 * MEBI, 150 * MEBI))  # a third look would find no more numbers
    config = TrainingConfig(batch_size=4, max_steps=2)
    made = forecast(fresh_model(Lora()), Chat(), examples[4:], examples[:4], config, own, in_place=True)
    assert made.peak_memory_bytes > 200 * MEBI and not made.fits and made.advice
    assert held(made)["key"] == "forecast.held"


def step(number: int, seconds: float) -> Step:
    return Step(number, 0.0, number, seconds, 1.0, 1e-3, 1.0, 1.0)


def test_the_time_left_narrows_as_the_run_goes_on() -> None:
    steps = [step(number, 2.0 * number) for number in range(1, 101)]
    ranges = [remaining_seconds(steps[:done], 200) for done in (5, 20, 100)]
    assert all(low <= 2.0 * (200 - done) <= high for (low, high), done in zip(ranges, (5, 20, 100), strict=True))
    widths = [high / low for low, high in ranges]
    assert widths == sorted(widths, reverse=True) and widths[-1] < 1.2


def test_a_run_that_slows_down_has_its_latest_pace_in_the_range() -> None:
    steps = [*(step(n, float(n)) for n in range(1, 51)), *(step(n, 50 + 3.0 * (n - 50)) for n in range(51, 71))]
    low, high = remaining_seconds(steps, 100)
    assert low < 30 * 2 and high > 30 * 3


@pytest.mark.parametrize("language", ["en", "zh"])
def test_forecast_and_fact_are_one_line(language: str) -> None:
    made = Forecast(10, 60.0, 50.0, 90.0, 2 * 10**9, 8 * 10**9, 10**9, 1.0, 1.0)
    assert duration(50, language) in sentence(made, language) and "2.00" in sentence(made, language)
    line = beside_fact(made, {"seconds": 71.0, "peak_memory_bytes": 19 * 10**8}, language)
    assert duration(71, language) in line and "1.90" in line
