import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from chatgui.adapters.adalora import AdaLora
from chatgui.config import RunConfig, TrainingConfig
from chatgui.errors import ConfigError
from chatgui.fields import build_flat
from chatgui.tasks.chat import Chat
from chatgui.tokens.example import Example
from chatgui.training.loop import Snapshot, train

Fresh = Callable[..., Any]
STEPS = 20


def run(model: Any, examples: list[Example], **options: Any) -> list[float]:
    """Losses of the steps it took."""
    losses: list[float] = []
    config = TrainingConfig(max_steps=STEPS, batch_size=4, checkpoint_steps=8)

    def hear(event: Any) -> None:
        losses.extend([event.loss] if event.type == "step" else [])

    train(model, Chat(), examples, [], config, emit=hear, **options)
    return losses


def ranks(model: Any) -> list[int]:
    """Directions in use, a number for each layer."""
    return [int((weight != 0).sum()) for name, weight in model.named_parameters() if "lora_E" in name]


@pytest.fixture
def attached(tiny_model: Any) -> Fresh:
    """The tiny model with an AdaLoRA whose schedule is as long as the run."""
    from chatgui.config import ModelConfig
    from chatgui.models import load_model

    def make() -> Any:
        torch.manual_seed(0)
        base = load_model(ModelConfig(name=str(tiny_model)), "AutoModelForCausalLM", torch.device("cpu"), torch.float32)
        return AdaLora(rank=2, initial_rank=4).attach(base, STEPS)

    return make


def test_the_ranks_fall_to_their_budget_and_differ_by_layer(attached: Fresh, examples: list[Example]) -> None:
    model = attached()
    run(model, examples)
    assert sum(ranks(model)) <= 2 * len(ranks(model))
    assert len(set(ranks(model))) > 1


def test_a_resumed_run_shares_out_the_same_ranks(attached: Fresh, examples: list[Example]) -> None:
    kept: list[Snapshot] = []
    whole = attached()
    losses = run(whole, examples, keep=lambda snapshot: kept.append(copy.deepcopy(snapshot)))
    again = attached()
    assert run(again, examples, resume=kept[0]) == losses[kept[0].step :]
    assert ranks(again) == ranks(whole)
    own = dict(again.named_parameters())
    assert all(torch.equal(own[name], weight) for name, weight in whole.named_parameters())


def test_the_penalty_pulls_the_directions_towards_right_angles(attached: Fresh) -> None:
    model = attached()
    hooks = model.step_hooks
    side = next(weight for name, weight in model.named_parameters() if "lora_A" in name)
    optimizer = torch.optim.SGD([side], lr=5.0)

    def skew() -> float:
        return (side @ side.T - torch.eye(len(side))).norm().item()

    before = skew()
    for _ in range(200):
        model.zero_grad()
        hooks.before_step(optimizer)
        optimizer.step()
    assert skew() < before * 0.7


@pytest.mark.parametrize("total_steps", [1, 2, 3, 7])
def test_the_shortest_runs_have_a_schedule(tiny_model: Any, total_steps: int) -> None:
    config = AdaLora(rank=2, initial_rank=4).attach(_plain(tiny_model), total_steps).peft_config["default"]
    assert config.tinit < config.total_step - config.tfinal


def _plain(tiny_model: Any) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(tiny_model)


def test_an_initial_rank_that_leaves_nothing_to_give_away_is_refused_under_its_field() -> None:
    with pytest.raises(ConfigError) as raised:
        build_flat(RunConfig, {"adapter.kind": "adalora", "adapter.rank": 8, "adapter.initial_rank": 8})
    assert raised.value.field == "adapter.initial_rank"
    assert "above the rank, which is 8" in str(raised.value)
