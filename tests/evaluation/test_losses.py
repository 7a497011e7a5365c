from collections.abc import Callable
from typing import Any

import pytest

from chatgui.adapters.full import Full
from chatgui.evaluation.losses import mean_loss
from chatgui.tasks.chat import Chat
from chatgui.tokens.example import Example


@pytest.mark.parametrize("budget", [64, 300, 10**6])
def test_the_loss_of_a_split_does_not_depend_on_its_batches(
    fresh_model: Callable[..., Any], examples: list[Example], budget: int
) -> None:
    model = fresh_model(Full())
    assert mean_loss(model, Chat(), examples, budget) == pytest.approx(mean_loss(model, Chat(), examples, 1), rel=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_stays_in_the_mode_it_was_in(
    fresh_model: Callable[..., Any], examples: list[Example], training: bool
) -> None:
    model = fresh_model(Full()).train(training)
    mean_loss(model, Chat(), examples[:2], 1000)
    assert model.training is training
