"""The low-rank updates in a folder that peft saved, when they are all there is to the adapter.

peft adds an update to every row of a batch; read as plain matrices it can go to some rows only (`projection`).
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from chatgui.generation.projection import LowRank

HARMLESS = {
    "r", "lora_alpha", "lora_dropout", "target_modules", "exclude_modules", "fan_in_fan_out", "task_type",
    "base_model_name_or_path", "inference_mode", "use_rslora", "rank_pattern", "alpha_pattern", "peft_version",
    "revision", "auto_mapping", "layers_to_transform", "layers_pattern",
}  # fmt: skip
"""Settings that say where the updates stand and how strong they are, but not that there is more than updates."""
PLAIN_INITS = (True, False, "gaussian", "orthogonal")
"""Ways to begin that leave the base weights alone; PiSSA, OLoRA and others move a part of them into the adapter."""
PREFIX = "base_model.model."


def read_low_rank(folder: Path, model: Any) -> dict[str, LowRank] | None:
    """Updates by the name of their layer in `model`, on its device and in its precision.

    None when the adapter is more than that (DoRA, trained embeddings, other weights saved beside it).
    """
    from peft import LoraConfig
    from peft.utils import load_peft_weights

    found = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    if found.get("peft_type") != "LORA" or not _is_plain(
        found, json.loads(json.dumps(LoraConfig().to_dict(), default=list))
    ):
        return None
    tensors = load_peft_weights(str(folder), device="cpu")
    names = {name.partition(".lora_")[0] for name in tensors}
    if {f"{name}.lora_{part}.weight" for name in names for part in "AB"} != set(tensors):
        return None
    layers = dict(model.named_modules())
    updates = {}
    for name in names:
        layer: Any = layers.get(name.removeprefix(PREFIX))
        if not _is_linear(layer):
            return None
        down, up = tensors[f"{name}.lora_A.weight"], tensors[f"{name}.lora_B.weight"]
        like: dict[str, Any] = {"device": layer.weight.device, "dtype": _precision(layer)}
        scale = _scale(found, name.removeprefix(PREFIX), down.shape[0])
        updates[name.removeprefix(PREFIX)] = LowRank(down.to(**like), (up.float() * scale).to(**like))
    return updates


def zeros_like(updates: Mapping[str, LowRank]) -> dict[str, LowRank]:
    """An adapter of the same shape that changes nothing."""
    return {name: replace(update, up=update.up * 0) for name, update in updates.items()}


def _is_plain(found: dict[str, Any], default: dict[str, Any]) -> bool:
    extra = {name for name, value in found.items() if value and value != default.get(name)} - HARMLESS
    return extra <= {"init_lora_weights", "peft_type"} and found.get("init_lora_weights", True) in PLAIN_INITS


def _scale(found: dict[str, Any], layer: str, rank: int) -> float:
    """alpha / rank, or alpha / sqrt(rank) (rsLoRA, Kalajdzievski 2023), as peft names alpha for a layer."""
    from peft.utils.other import get_pattern_key

    patterns = found.get("alpha_pattern") or {}
    alpha = patterns.get(get_pattern_key(list(patterns), layer), found["lora_alpha"])
    return float(alpha) / (rank**0.5 if found.get("use_rslora") else rank)


def _is_linear(layer: Any) -> bool:
    import torch
    from transformers.pytorch_utils import Conv1D

    return isinstance(layer, (torch.nn.Linear, Conv1D))


def _precision(layer: Any) -> Any:
    """Of the layer's weights; of its computation where they are quantized."""
    import torch

    return (
        layer.weight.dtype
        if layer.weight.is_floating_point()
        else getattr(layer, "compute_dtype", None) or torch.float32
    )
