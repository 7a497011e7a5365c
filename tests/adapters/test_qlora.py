"""QLoRA. What needs bitsandbytes is opt-in (`-m quantized`): the library slows every import of peft by a second."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from chatgui import models
from chatgui.adapters.qlora import QLora
from chatgui.config import ModelConfig
from chatgui.errors import ModelError
from tests.adapters.test_adapters import learn, logits

Load = Callable[..., Any]
HEAD = "AutoModelForCausalLM"
CPU = torch.device("cpu")


def test_without_a_gpu_it_is_refused_in_a_sentence(tiny_model: Path) -> None:
    with pytest.raises(ModelError, match="need an NVIDIA GPU; this machine computes on: cpu"):
        models.load_model(ModelConfig(name=str(tiny_model)), HEAD, CPU, torch.float32, bits=4)


def test_without_bitsandbytes_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"chatgui\[quantized\]"):
        models.must_quantize(torch.device("cuda"))


def test_elsewhere_its_adapter_stands_beside_the_weights_as_they_are(load: Load, tmp_path: Path) -> None:
    model = QLora(rank=4).attach(load("llama"), 1)
    learn(model, 2)
    model.save_pretrained(tmp_path)
    assert torch.equal(logits(models.attach_saved(load("llama"), tmp_path)), logits(model))


@pytest.mark.quantized
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("shape", ["llama", "qwen2"])
def test_saved_and_loaded_it_gives_the_same_logits(
    shapes: dict[str, Path], shape: str, bits: int, tmp_path: Path
) -> None:
    def load() -> Any:  # the library also computes on a CPU, slowly
        return models._load_quantized(ModelConfig(name=str(shapes[shape])), HEAD, CPU, torch.float32, {}, bits)

    base = load()
    assert any(weight.dtype in (torch.uint8, torch.int8) for weight in base.parameters())
    untouched, fingerprint = logits(base), models.weights_fingerprint(base)
    model = QLora(rank=4, bits=bits).attach(load(), 1)
    assert torch.equal(logits(model), untouched)
    losses = learn(model)
    assert losses[-1] < losses[0] - 1e-3
    model.save_pretrained(tmp_path)
    again = models.attach_saved(base, tmp_path)
    torch.testing.assert_close(logits(again), logits(model), rtol=1e-4, atol=1e-5)
    with again.disable_adapter():
        assert torch.equal(logits(again), untouched)
    assert models.weights_fingerprint(load()) == fingerprint
