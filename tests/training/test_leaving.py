"""Whoever must go at once does not wait for the end of an evaluation."""

from collections.abc import Callable
from typing import Any

import pytest

from chatgui.adapters.full import Full
from chatgui.config import TrainingConfig
from chatgui.events import Evaluation, Event, Step
from chatgui.tasks.chat import Chat
from chatgui.tokens.example import Example
from chatgui.training.loop import Snapshot, train

CONFIG = TrainingConfig(max_steps=4, batch_size=4, evaluation_steps=2, checkpoint_steps=100)


class Left(Exception):
    """What the keeper raises once the checkpoint is on the disk."""


def leave_during_the_look_after(
    model: Any, examples: list[Example], step: int
) -> tuple[list[Event], Snapshot]:  # fmt: skip
    """A run that is told to go while it looks at the validation split: its events and its last snapshot."""
    events: list[Event] = []
    kept: list[Snapshot] = []
    asked: list[int] = []

    def must_leave() -> bool:  # within the look: one micro-batch of it is computed
        asked.append(max((event.step for event in events if isinstance(event, Step)), default=0))
        return asked.count(step) > 1

    def keep(snapshot: Snapshot) -> None:
        kept.append(snapshot)
        raise Left

    small = CONFIG.model_copy(update={"micro_batch_tokens": 64})
    with pytest.raises(Left):
        train(model, Chat(), examples[6:], examples[:6], small, emit=events.append, keep=keep, must_leave=must_leave)
    return events, kept[-1]


@pytest.mark.parametrize("step", [0, 2, 4])
def test_a_look_is_broken_off_behind_a_checkpoint(
    fresh_model: Callable[..., Any], examples: list[Example], step: int
) -> None:
    events, snapshot = leave_during_the_look_after(fresh_model(Full()), examples, step)
    assert snapshot.step == step
    assert [event.step for event in events if isinstance(event, Evaluation)] == list(range(0, step, 2))


def test_a_run_that_left_during_a_look_goes_on_as_if_nothing_had_happened(
    fresh_model: Callable[..., Any], examples: list[Example]
) -> None:
    small = CONFIG.model_copy(update={"micro_batch_tokens": 64})
    undisturbed: list[Event] = []
    whole = train(fresh_model(Full()), Chat(), examples[6:], examples[:6], small, emit=undisturbed.append)
    before, snapshot = leave_during_the_look_after(fresh_model(Full()), examples, 2)
    after: list[Event] = []
    resumed = train(
        fresh_model(Full()), Chat(), examples[6:], examples[:6], small, emit=after.append, resume=snapshot
    )  # fmt: skip
    steps = [event.loss for event in (*before, *after) if isinstance(event, Step)]
    assert steps == [event.loss for event in undisturbed if isinstance(event, Step)]
    looks = [event for event in (*before, *after) if isinstance(event, Evaluation)]
    assert looks == [event for event in undisturbed if isinstance(event, Evaluation)]  # the broken one is made up for
    assert resumed.validation_loss == whole.validation_loss
    assert resumed.train_loss == whole.train_loss == sum(steps) / 4
