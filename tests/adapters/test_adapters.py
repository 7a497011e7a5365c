from pathlib import Path
from typing import Any

import pytest
import torch

from chatgui.adapters import Adapter
from chatgui.adapters.full import Full
from chatgui.adapters.lora import Lora
from chatgui.config import ModelConfig
from chatgui.models import attach_saved, is_adapter, load_model, weights_fingerprint

IDS = torch.tensor([[20, 30, 40, 50, 60]])


def load(folder: Path) -> Any:
    return load_model(ModelConfig(name=str(folder)), "AutoModelForCausalLM", torch.device("cpu"), torch.float32)


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=IDS).logits


def nudge(model: Any) -> None:
    """A few steps of anything, so that every trained weight has moved."""
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=1e-2)
    for _ in range(3):
        model(input_ids=IDS, labels=IDS).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("adapter", [Lora(), Lora(dropout=0.1), Full()], ids=["lora", "dropout", "full"])
def test_before_the_first_step_the_model_answers_exactly_like_its_base(tiny_model: Path, adapter: Adapter) -> None:
    base = logits(load(tiny_model))
    assert torch.equal(logits(adapter.attach(load(tiny_model), 10)), base)


def test_a_saved_adapter_gives_the_same_logits(tiny_model: Path, tmp_path: Path) -> None:
    model = Lora().attach(load(tiny_model), 10)
    nudge(model)
    model.save_pretrained(tmp_path)
    assert is_adapter(tmp_path)
    assert torch.equal(logits(attach_saved(load(tiny_model), tmp_path)), logits(model))


def test_saved_full_weights_give_the_same_logits(tiny_model: Path, tmp_path: Path) -> None:
    model = Full().attach(load(tiny_model), 10)
    nudge(model)
    model.save_pretrained(tmp_path)
    assert not is_adapter(tmp_path)
    assert torch.equal(logits(load(tmp_path)), logits(model))


def test_lora_leaves_the_base_weights_as_they_were(tiny_model: Path) -> None:
    base = load(tiny_model)
    before = {name: weight.clone() for name, weight in base.state_dict().items()}
    model = Lora().attach(base, 10)
    nudge(model)
    after = {name.replace(".base_layer", ""): weight for name, weight in model.get_base_model().state_dict().items()}
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


def test_lora_trains_every_linear_layer_but_the_output(tiny_model: Path) -> None:
    trained = [name for name, weight in Lora().attach(load(tiny_model), 10).named_parameters() if weight.requires_grad]
    assert len(trained) == 2 * 2 * 4  # A and B of two blocks with four linear layers
    assert not any("lm_head" in name for name in trained)


def test_full_training_trains_everything(tiny_model: Path) -> None:
    assert all(weight.requires_grad for weight in Full().attach(load(tiny_model), 10).parameters())


def test_equal_weights_have_equal_fingerprints_and_trained_ones_do_not(tiny_model: Path) -> None:
    base, again = load(tiny_model), load(tiny_model)
    assert weights_fingerprint(base) == weights_fingerprint(again)
    nudge(Full().attach(again, 10))
    assert weights_fingerprint(base) != weights_fingerprint(again)
