from collections.abc import Callable
from itertools import pairwise
from typing import Any, get_args

import pytest
import torch

from chatgui.adapters.full import Full
from chatgui.adapters.lora import Lora
from chatgui.config import TrainingConfig
from chatgui.errors import ConfigError
from chatgui.training.muon import Muon, orthogonalise
from chatgui.training.optimizer import MOMENTUM, RESTARTS, make_optimizers, make_schedules

Fresh = Callable[..., Any]


def names_of(model: Any, optimizer: torch.optim.Optimizer) -> set[str]:
    owned = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    return {name for name, weight in model.named_parameters() if id(weight) in owned}


def test_orthogonalise_brings_the_singular_values_near_one() -> None:
    torch.manual_seed(0)
    for shape in ((32, 96), (96, 32), (32, 32)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(*shape)))
        assert values.min() > 0.3 and values.max() < 1.3


def test_orthogonalise_keeps_the_directions() -> None:
    torch.manual_seed(0)
    matrix = torch.randn(16, 48)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    assert (orthogonalise(matrix) * (left @ right)).sum() / 16 > 0.7


def test_muon_takes_the_hidden_matrices_and_adamw_the_rest(fresh_model: Fresh) -> None:
    model = fresh_model(Full())
    muon, adamw = make_optimizers(model, TrainingConfig(optimizer="muon"))
    assert isinstance(muon, Muon)
    assert len(names_of(model, muon)) == 2 * 4
    assert {"transformer.wte.weight", "transformer.wpe.weight"} <= names_of(model, adamw)
    assert names_of(model, muon) | names_of(model, adamw) == {name for name, _ in model.named_parameters()}


def test_weight_decay_spares_norms_and_biases(fresh_model: Fresh) -> None:
    (adamw,) = make_optimizers(fresh_model(Full()), TrainingConfig(weight_decay=0.1))
    for group in adamw.param_groups:
        assert {weight.ndim >= 2 for weight in group["params"]} == {group["weight_decay"] == 0.1}


def test_frozen_weights_have_no_optimizer(fresh_model: Fresh) -> None:
    model = fresh_model(Lora())
    (adamw,) = make_optimizers(model, TrainingConfig())
    assert names_of(model, adamw) == {name for name, weight in model.named_parameters() if weight.requires_grad}


def test_a_muon_step_has_the_size_of_an_adamw_step() -> None:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.zeros(64, 64))
    weight.grad = torch.randn(64, 64)
    Muon([weight], lr=0.1).step()
    assert 0.01 < weight.detach().square().mean().sqrt().item() < 0.1 * 0.4


def test_a_constant_schedule_stays_after_the_warm_up(fresh_model: Fresh) -> None:
    optimizers = make_optimizers(fresh_model(Lora()), TrainingConfig(learning_rate=1e-3))
    (schedule,) = make_schedules(optimizers, TrainingConfig(schedule="constant", warmup_fraction=0.2), 10)
    rates = []
    for _ in range(10):
        rates.append(schedule.get_last_lr()[0])
        optimizers[0].step()
        schedule.step()
    assert rates[0] == 0 and set(rates[2:]) == {1e-3}


@pytest.mark.parametrize("adapter", [Lora(rank=2), Full()])
@pytest.mark.parametrize("optimizer", ["adamw", "muon", "sgd"])
def test_each_trained_weight_has_one_optimizer(fresh_model: Callable[..., Any], adapter: Any, optimizer: str) -> None:
    model = fresh_model(adapter)
    optimizers = make_optimizers(model, TrainingConfig.model_validate({"optimizer": optimizer}))
    held = [id(weight) for made in optimizers for group in made.param_groups for weight in group["params"]]
    assert sorted(held) == sorted(id(weight) for weight in model.parameters() if weight.requires_grad)


def test_embeddings_and_output_layer_stay_with_adamw(fresh_model: Callable[..., Any]) -> None:
    model = fresh_model(Full())
    muon = make_optimizers(model, TrainingConfig(optimizer="muon"))[0]
    held = {id(weight) for group in muon.param_groups for weight in group["params"]}
    assert id(model.get_output_embeddings().weight) not in held


def rates(schedule: str, steps: int = 100) -> list[float]:
    """Of each step of a run at rate 1 with a warm-up of ten steps."""
    optimizers: list[torch.optim.Optimizer] = [torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)]
    config = TrainingConfig.model_validate({"schedule": schedule, "warmup_fraction": 0.1})
    (made,) = make_schedules(optimizers, config, steps)
    found = []
    for _ in range(steps):
        found.append(float(made.get_last_lr()[0]))
        optimizers[0].step()
        made.step()
    return found


SCHEDULES = get_args(TrainingConfig.model_fields["schedule"].annotation)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_warms_up_and_never_leaves_the_bounds(schedule: str) -> None:
    found = rates(schedule)
    assert found[:11] == pytest.approx([step / 10 for step in range(11)])
    assert min(found) >= 0 and max(found) <= 1


@pytest.mark.parametrize("schedule", sorted(set(SCHEDULES) - {"constant", "inverse_sqrt"}))
def test_it_ends_near_zero(schedule: str) -> None:
    assert rates(schedule)[-1] < 0.05


def test_warmup_stable_decay_is_stable_in_between() -> None:
    found = rates("warmup_stable_decay")
    assert set(found[10:80]) == {1.0} and found[80:] == sorted(found[80:], reverse=True)


def test_a_cosine_with_restarts_comes_back_to_its_full_rate() -> None:
    found = rates("cosine_with_restarts")
    assert sum(now > before + 0.5 for before, now in pairwise(found[10:])) == RESTARTS - 1


def test_the_polynomial_falls_below_the_linear_one() -> None:
    assert all(a <= b for a, b in zip(rates("polynomial")[10:], rates("linear")[10:], strict=True))


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon"])
def test_every_optimizer_learns(fresh_model: Fresh, optimizer: str) -> None:
    model = fresh_model(Full())
    rate = {"adamw": 1e-3, "sgd": 0.1, "muon": 1e-2}[optimizer]
    optimizers = make_optimizers(model, TrainingConfig.model_validate({"optimizer": optimizer, "learning_rate": rate}))
    ids = torch.tensor([[20, 30, 40, 50, 60]])
    losses = []
    for _ in range(8):
        loss = model.train()(input_ids=ids, labels=ids).loss
        loss.backward()
        losses.append(loss.item())
        for each in optimizers:
            each.step()
            each.zero_grad()
    assert losses[-1] < losses[0] * 0.9


def test_sgd_decays_matrices_only(fresh_model: Fresh) -> None:
    (sgd,) = make_optimizers(fresh_model(Full()), TrainingConfig(optimizer="sgd", weight_decay=0.1))
    for group in sgd.param_groups:
        assert {weight.ndim >= 2 for weight in group["params"]} == {group["weight_decay"] == 0.1}
        assert group["momentum"] == MOMENTUM


def test_8_bit_adamw_without_a_gpu_is_refused_under_its_field(fresh_model: Fresh) -> None:
    with pytest.raises(ConfigError, match="needs an NVIDIA GPU") as raised:
        make_optimizers(fresh_model(Lora()), TrainingConfig(optimizer="adamw_8bit"))
    assert raised.value.field == "training.optimizer"
