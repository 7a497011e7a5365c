"""Every adapter on every shape: what it first answers, what it trains, that it is saved whole, and that it goes off."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from chatgui.adapters import Adapter
from chatgui.adapters.adalora import AdaLora
from chatgui.adapters.bottleneck import Bottleneck
from chatgui.adapters.frozen import Frozen
from chatgui.adapters.full import Full
from chatgui.adapters.ia3 import Ia3
from chatgui.adapters.lora import Lora
from chatgui.adapters.prefix import Prefix
from chatgui.adapters.prompt import Prompt
from chatgui.adapters.qlora import QLora
from chatgui.config import ModelConfig, TrainingConfig
from chatgui.models import attach_saved, is_adapter, load_model, weights_fingerprint
from chatgui.training.optimizer import make_optimizers

Load = Callable[..., Any]
IDS = torch.tensor([[20, 30, 40, 50, 60], [21, 31, 41, 51, 61]])
STEPS = 10
SHAPES = ("gpt2", "llama", "qwen2")
BESIDE: dict[str, Any] = {
    "lora": Lora(),
    "lora-dropout": Lora(dropout=0.1),
    "lora-attention": Lora(target_modules="attention"),
    "lora-stabilised": Lora(rank_stabilised=True, rank=8),
    "dora": Lora(dora=True, rank=4),
    "pissa": Lora(pissa=True, rank=4),
    "pissa-stabilised": Lora(pissa=True, rank=4, rank_stabilised=True),
    "adalora": AdaLora(rank=2, initial_rank=4),
    "ia3": Ia3(),
    "bottleneck": Bottleneck(width=8),
    "prompt": Prompt(length=4),
    "prefix": Prefix(length=4),
}
"""Adapters beside a frozen base. QLoRA is LoRA on another base and has a file of its own."""
INSIDE: dict[str, Any] = {"full": Full(), "frozen": Frozen(last_blocks=1), "frozen-ends": Frozen(train_embeddings=True)}
NOT_AT_FIRST = {"prompt", "prefix"}
"""Start from learnt places that are already there."""
ROUNDED = {"dora", "pissa", "pissa-stabilised"}
"""Start like the base but for rounding."""
every_shape = pytest.mark.parametrize("shape", SHAPES)


def one_of(adapters: dict[str, Any]) -> Any:
    return pytest.mark.parametrize("adapter", list(adapters.values()), ids=list(adapters))


def logits(model: Any, ids: torch.Tensor = IDS, **more: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=ids, **more).logits


def learn(model: Any, steps: int = STEPS) -> list[float]:
    """Real steps with the run's own optimizer, hooks included. Returns the losses."""
    (optimizer,) = make_optimizers(model, TrainingConfig(learning_rate=2e-2))
    losses = []
    for _ in range(steps):
        out = model.train()(input_ids=IDS).logits[:, :-1]
        loss = torch.nn.functional.cross_entropy(out.flatten(0, 1), IDS[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def test_every_kind_is_tried() -> None:
    kinds = {member().kind for member in get_args(get_args(Adapter)[0])}
    assert {adapter.kind for adapter in (*BESIDE.values(), *INSIDE.values())} == kinds - {QLora().kind}


@every_shape
@one_of({**BESIDE, **INSIDE})
def test_it_learns_and_first_answers_like_its_base_where_it_promises_to(
    load: Load, shape: str, adapter: Adapter, request: pytest.FixtureRequest
) -> None:
    base = logits(load(shape))
    model = adapter.attach(load(shape), STEPS)
    name = request.node.callspec.id.removesuffix(f"-{shape}")
    if name in ROUNDED:
        torch.testing.assert_close(logits(model), base, rtol=1e-4, atol=1e-4)
    elif name in NOT_AT_FIRST:
        assert not torch.allclose(logits(model), base, atol=1e-3)
    else:
        assert torch.equal(logits(model), base)
    losses = learn(model)
    assert losses[-1] < losses[0] - 1e-3
    assert not torch.allclose(logits(model), base, atol=1e-3)


@every_shape
@one_of(BESIDE)
def test_saved_and_loaded_it_gives_the_same_logits_and_off_the_base(
    load: Load, shape: str, adapter: Adapter, tmp_path: Path
) -> None:
    base = load(shape)
    untouched, fingerprint = logits(base), weights_fingerprint(base)
    model = adapter.attach(load(shape), STEPS)
    learn(model)
    with model.disable_adapter():
        torch.testing.assert_close(logits(model), untouched, rtol=1e-4, atol=1e-4)
    trained = logits(model)
    model.save_pretrained(tmp_path)
    assert torch.equal(logits(model), trained), "saving changed the model"
    assert is_adapter(tmp_path)
    again = attach_saved(base, tmp_path)
    torch.testing.assert_close(logits(again), trained, rtol=1e-4, atol=1e-5)
    with again.disable_adapter():
        assert torch.equal(logits(again), untouched)
    assert weights_fingerprint(load(shape)) == fingerprint != weights_fingerprint(again)


@every_shape
@one_of(INSIDE)
def test_saved_weights_give_the_same_logits(load: Load, shape: str, adapter: Adapter, tmp_path: Path) -> None:
    model = adapter.attach(load(shape), STEPS)
    learn(model, 3)
    model.save_pretrained(tmp_path)
    assert not is_adapter(tmp_path)
    again = load_model(ModelConfig(name=str(tmp_path)), "AutoModelForCausalLM", torch.device("cpu"), torch.float32)
    assert torch.equal(logits(again), logits(model))


@pytest.mark.parametrize("head", ["AutoModelForSequenceClassification", "AutoModelForTokenClassification"])
@one_of({**BESIDE, "frozen": Frozen(last_blocks=1), "full": Full()})
def test_a_task_head_is_trained_and_saved(load: Load, head: str, adapter: Adapter, tmp_path: Path) -> None:
    model = adapter.attach(load("gpt2", head), STEPS)
    (optimizer,) = make_optimizers(model, TrainingConfig(learning_rate=2e-2))
    names = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert any("score" in name or "classifier" in name for name in names)
    for _ in range(3):
        model.train()(input_ids=IDS).logits.square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(tmp_path)
    base = load("gpt2", head)
    untouched, trained = logits(base), logits(model)
    if not is_adapter(tmp_path):
        again = load_model(ModelConfig(name=str(tmp_path)), head, torch.device("cpu"), torch.float32)
        assert torch.equal(logits(again), trained)
        return
    again = attach_saved(base, tmp_path)
    torch.testing.assert_close(logits(again), trained, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(trained, untouched, atol=1e-3)
    with again.disable_adapter():
        assert torch.equal(logits(again), untouched)


def test_lora_leaves_the_base_weights_as_they_were(load: Load) -> None:
    base = load("gpt2")
    before = {name: weight.clone() for name, weight in base.state_dict().items()}
    model = Lora().attach(base, STEPS)
    learn(model)
    after = {name.replace(".base_layer", ""): weight for name, weight in model.get_base_model().state_dict().items()}
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


def test_full_training_trains_everything(load: Load) -> None:
    assert all(weight.requires_grad for weight in Full().attach(load("llama"), STEPS).parameters())
