"""peft's LoRA layers, computed as one operation each while a run trains.

Only what is plain is taken over: one active adapter, no dropout, no variant (DoRA …), a frozen float layer of torch or
GPT-2 below it, no autocast. Everything else goes through peft's own forward pass.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def fuse_lora(model: Any) -> list[Callable[[], Any]]:
    """Give every plain LoRA layer of `model` the fused forward pass. Returns what undoes it."""
    from peft.tuners.lora.layer import Linear

    undo: list[Callable[[], Any]] = []
    for module in model.modules():
        if type(module) is Linear and _is_plain(module):
            module.forward = _forward(module)
            undo.append(partial(module.__dict__.pop, "forward"))
    return undo


def _is_plain(layer: Any) -> bool:
    import torch
    from transformers.pytorch_utils import Conv1D

    if len(layer.active_adapters) != 1 or layer.merged or layer.active_adapters[0] not in layer.lora_A:
        return False
    name = layer.active_adapters[0]
    base, parts = layer.base_layer, (layer.lora_A[name], layer.lora_B[name])
    return (
        type(base) in (torch.nn.Linear, Conv1D)
        and name not in layer.lora_variant
        and isinstance(layer.lora_dropout[name], torch.nn.Identity)
        and all(part.bias is None and part.weight.dtype == torch.float32 for part in parts)
        and base.weight.dtype == torch.float32
        and not any(weight.requires_grad for weight in base.parameters())
    )


def _forward(layer: Any) -> "Callable[..., torch.Tensor]":
    import torch
    from transformers.pytorch_utils import Conv1D

    from chatgui.kernels import FusedLora

    name = layer.active_adapters[0]
    base, down, up, scaling = layer.base_layer, layer.lora_A[name], layer.lora_B[name], layer.scaling[name]
    transposed = isinstance(base, Conv1D)
    own = type(layer).forward

    def forward(x: "torch.Tensor", *args: Any, **kwargs: Any) -> "torch.Tensor":
        if args or kwargs or layer.disable_adapters or torch.is_autocast_enabled(x.device.type):
            return own(layer, x, *args, **kwargs)
        weight = base.weight.T if transposed else base.weight
        flat = x.reshape(-1, x.shape[-1])
        return FusedLora.apply(flat, weight, base.bias, down.weight, up.weight, scaling).view(*x.shape[:-1], -1)

    return forward
