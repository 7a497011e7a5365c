"""Every optimizer goes with every adapter."""

from collections.abc import Callable
from typing import Any

import pytest

from chatgui.adapters.full import Full
from chatgui.adapters.lora import Lora
from chatgui.config import TrainingConfig
from chatgui.training.optimizer import make_optimizers


@pytest.mark.parametrize("adapter", [Lora(rank=2), Full()])
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_each_trained_weight_has_one_optimizer(fresh_model: Callable[..., Any], adapter: Any, optimizer: str) -> None:
    model = fresh_model(adapter)
    optimizers = make_optimizers(model, TrainingConfig(optimizer=optimizer))
    held = [id(weight) for made in optimizers for group in made.param_groups for weight in group["params"]]
    assert sorted(held) == sorted(id(weight) for weight in model.parameters() if weight.requires_grad)


def test_embeddings_and_output_layer_stay_with_adamw(fresh_model: Callable[..., Any]) -> None:
    model = fresh_model(Full())
    muon = make_optimizers(model, TrainingConfig(optimizer="muon"))[0]
    held = {id(weight) for group in muon.param_groups for weight in group["params"]}
    assert id(model.get_output_embeddings().weight) not in held
