import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from chatgui.adapters.full import Full
from chatgui.adapters.lora import Lora
from chatgui.config import TrainingConfig
from chatgui.events import Evaluation, Event, Step
from chatgui.runs.checkpoints import read_checkpoint, write_checkpoint
from chatgui.tasks.chat import Chat
from chatgui.tokens.example import Example
from chatgui.training.loop import Outcome, total_steps, train

Fresh = Callable[..., Any]


def run(
    model: Any, examples: list[Example], config: TrainingConfig, validation: int = 4, **options: Any
) -> tuple[list[Event], Outcome]:
    events: list[Event] = []
    outcome = train(model, Chat(), examples[validation:], examples[:validation], config, emit=events.append, **options)
    return events, outcome


def losses(events: list[Event]) -> list[float]:
    return [event.loss for event in events if isinstance(event, Step)]


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad}


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("adapter", [Lora(dropout=0.1), Full()], ids=["lora", "full"])
def test_a_seeded_run_repeats_bit_for_bit(fresh_model: Fresh, examples: list[Example], adapter: Any) -> None:
    config = TrainingConfig(max_steps=6, batch_size=4)
    first = fresh_model(adapter)
    first_losses = losses(run(first, examples, config)[0])
    second = fresh_model(adapter)  # made after the first run: it seeds torch, as the worker does
    assert losses(run(second, examples, config)[0]) == first_losses
    assert equal(weights(first), weights(second))


def test_another_seed_takes_the_data_in_another_order(fresh_model: Fresh, examples: list[Example]) -> None:
    first, second = (
        losses(run(fresh_model(Full()), examples, TrainingConfig(max_steps=2, batch_size=4, seed=seed))[0])
        for seed in (1, 2)
    )
    assert first != second


def test_training_learns(fresh_model: Fresh, examples: list[Example]) -> None:
    config = TrainingConfig(max_steps=25, batch_size=8, learning_rate=1e-2)
    events, outcome = run(fresh_model(Full()), examples, config)
    looks = [event.loss for event in events if isinstance(event, Evaluation)]
    assert looks[0] == pytest.approx(math.log(262), abs=0.2)  # random weights guess evenly
    assert looks[-1] < 0.8 * looks[0]
    assert outcome.validation_loss == looks[-1]


@pytest.mark.parametrize("adapter", [Lora(), Full()], ids=["lora", "full"])
def test_micro_batches_give_the_step_of_the_whole_batch(
    fresh_model: Fresh, examples: list[Example], adapter: Any
) -> None:
    whole, parts = fresh_model(adapter), fresh_model(adapter)
    shared = {"max_steps": 4, "batch_size": 8, "learning_rate": 1e-3, "warmup_fraction": 0}
    whole_events, _ = run(whole, examples, TrainingConfig(micro_batch_tokens=100_000, **shared))
    parts_events, _ = run(parts, examples, TrainingConfig(micro_batch_tokens=64, **shared))
    assert losses(parts_events) == pytest.approx(losses(whole_events), rel=1e-5)
    moved = torch.cat([(weights(whole)[name] - weight).flatten() for name, weight in weights(parts).items()])
    assert moved.abs().mean() < 1e-5  # AdamW turns the last bits of a tiny gradient into steps, so not quite zero


@pytest.mark.parametrize(
    ("adapter", "optimizer"), [(Lora(dropout=0.1), "adamw"), (Full(), "adamw"), (Full(), "muon")],
    ids=["lora", "full", "muon"],
)  # fmt: skip
def test_a_resumed_run_goes_on_bit_for_bit(
    fresh_model: Fresh, examples: list[Example], tmp_path: Path, adapter: Any, optimizer: Any
) -> None:
    config = TrainingConfig(max_steps=9, batch_size=4, checkpoint_steps=4, optimizer=optimizer, evaluation_steps=3)
    kept: list[Path] = []
    straight = fresh_model(adapter)
    events, _ = run(straight, examples, config, keep=lambda shot: kept.append(write_checkpoint(tmp_path, shot)))
    assert [path.name for path in kept] == ["step-000004", "step-000008"]
    resumed = fresh_model(adapter)
    torch.manual_seed(99)  # a new process has another random state
    later, outcome = run(resumed, examples, config, resume=read_checkpoint(kept[0], torch.device("cpu"))[0])
    assert losses(later) == losses(events)[4:]
    assert [event.step for event in later if isinstance(event, Step)] == [5, 6, 7, 8, 9]
    assert equal(weights(resumed), weights(straight))
    assert outcome.tokens == max(event.tokens for event in events if isinstance(event, Step))


def test_stop_ends_after_the_step_with_a_last_look(fresh_model: Fresh, examples: list[Example]) -> None:
    answers = iter([False, False, True])
    config = TrainingConfig(max_steps=50, batch_size=4)
    events, outcome = run(fresh_model(Full()), examples, config, should_stop=lambda: next(answers))
    assert (outcome.steps, outcome.stopped) == (3, True)
    assert isinstance(events[-1], Evaluation) and events[-1].step == 3


def test_events_stand_in_the_order_things_happen(fresh_model: Fresh, examples: list[Example]) -> None:
    events, _ = run(fresh_model(Full()), examples, TrainingConfig(max_steps=4, batch_size=4, evaluation_steps=2))
    assert [(event.type, getattr(event, "step", None)) for event in events] == [
        ("evaluation", 0), ("step", 1), ("step", 2), ("evaluation", 2), ("step", 3), ("step", 4), ("evaluation", 4),
    ]  # fmt: skip


def test_without_a_validation_split_there_is_no_look(fresh_model: Fresh, examples: list[Example]) -> None:
    events, outcome = run(fresh_model(Full()), examples, TrainingConfig(max_steps=2, batch_size=4), validation=0)
    assert [event.type for event in events] == ["step", "step"]
    assert outcome.validation_loss is None


def test_the_learning_rate_warms_up_and_falls(fresh_model: Fresh, examples: list[Example]) -> None:
    config = TrainingConfig(max_steps=10, batch_size=4, learning_rate=1e-3, warmup_fraction=0.2, schedule="linear")
    events, _ = run(fresh_model(Full()), examples, config)
    rates = [event.learning_rate for event in events if isinstance(event, Step)]
    assert rates[:3] == pytest.approx([0, 5e-4, 1e-3])
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] > 0


def test_tokens_are_counted_without_padding(fresh_model: Fresh, examples: list[Example]) -> None:
    _, outcome = run(fresh_model(Full()), examples, TrainingConfig(epochs=2, batch_size=7), validation=0)
    assert outcome.tokens == 2 * sum(map(len, examples))


def test_the_model_is_left_in_evaluation_mode(fresh_model: Fresh, examples: list[Example]) -> None:
    model = fresh_model(Lora(dropout=0.5))
    run(model, examples, TrainingConfig(max_steps=1, batch_size=2))
    assert not model.training


@pytest.mark.parametrize(
    ("count", "config", "steps"),
    [
        (100, TrainingConfig(epochs=3, batch_size=16), 21),
        (100, TrainingConfig(epochs=0.5, batch_size=16), 4),
        (1, TrainingConfig(epochs=0.1, batch_size=16), 1),
        (10, TrainingConfig(epochs=3, max_steps=100), 100),
    ],
)
def test_the_number_of_steps_follows_the_epochs_unless_it_is_given(
    count: int, config: TrainingConfig, steps: int
) -> None:
    assert total_steps(count, config) == steps
