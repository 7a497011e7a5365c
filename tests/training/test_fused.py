from collections.abc import Callable
from typing import Any

import pytest
import torch

from chatgui.adapters.lora import Lora
from chatgui.training.fused import fuse_lora
from tests.test_attention import gpt2, qwen2


def drawn(make: Callable[[], Any], **settings: Any) -> Any:
    torch.manual_seed(0)
    model = Lora(rank=4, **settings).attach(make(), 10).train()
    for name, weight in model.named_parameters():
        if "lora_B" in name:  # zero at first, which would hide what flows through it
            torch.nn.init.normal_(weight, std=0.1)
    return model


def loss_and_gradients(model: Any) -> tuple[float, dict[str, torch.Tensor]]:
    model.zero_grad()
    ids = torch.arange(1, 41).view(2, 20)
    loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    loss.backward()
    return loss.item(), {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.requires_grad}


@pytest.mark.parametrize("make", [gpt2, qwen2])
def test_fused_layers_give_the_loss_and_gradients_of_pefts_own(make: Callable[[], Any]) -> None:
    model = drawn(make)
    loss, gradients = loss_and_gradients(model)
    undo = fuse_lora(model)
    assert undo
    fused_loss, fused_gradients = loss_and_gradients(model)
    assert fused_loss == pytest.approx(loss, rel=1e-6)
    for name, gradient in gradients.items():
        assert (fused_gradients[name] - gradient).norm() <= 1e-5 * gradient.norm(), name
    with model.disable_adapter():
        base = model(input_ids=torch.tensor([[1, 2, 3]])).logits
    for back in undo:
        back()
    with model.disable_adapter():
        assert torch.equal(model(input_ids=torch.tensor([[1, 2, 3]])).logits, base)


@pytest.mark.parametrize("settings", [{"dropout": 0.1}, {"dora": True}], ids=["dropout", "dora"])
def test_a_layer_that_is_more_than_plain_is_left_to_peft(settings: dict[str, Any]) -> None:
    assert fuse_lora(drawn(qwen2, **settings)) == []
