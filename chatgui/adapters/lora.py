"""LoRA: low-rank updates beside the frozen linear layers (Hu et al. 2021, arXiv:2106.09685), through peft."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from chatgui.adapters.layers import ALL_LINEAR, ATTENTION, heads, is_transposed, target_modules, task_type
from chatgui.adapters.method import Method

if TYPE_CHECKING:
    import torch


class LowRank(Method):
    """What LoRA has in common with its quantised form."""

    rank: int = Field(16, ge=1, le=256)
    """Width of the update; a wider one learns more and needs more memory."""
    alpha: int = Field(32, ge=1, le=1024)
    """Strength of the update: its output is multiplied by alpha / rank. Twice the rank is usual."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the update's inputs left out at random; a little (0.05) helps when data is scarce."""
    target_modules: str = Field(ALL_LINEAR, min_length=1, examples=[ALL_LINEAR, ATTENTION])
    """Layers that get an update: all-linear learns best for its size; attention is smaller; or names, with commas."""
    rank_stabilised: bool = False
    """Divide alpha by the root of the rank, so that a high rank (64 and more) still learns (arXiv:2312.03732)."""
    dora: bool = False
    """Learn length and direction of each weight apart: often better at a low rank, and slower (arXiv:2402.09353)."""

    def _attached(self, model: Any, **more: Any) -> Any:
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(
            task_type=task_type(model), r=self.rank, lora_alpha=self.alpha, lora_dropout=self.dropout,
            target_modules=target_modules(model, self.target_modules), fan_in_fan_out=is_transposed(model),
            use_rslora=self.rank_stabilised, use_dora=self.dora, modules_to_save=heads(model) or None, **more,
        )  # fmt: skip
        return get_peft_model(model, config)


class Lora(LowRank):
    """Small trained matrices beside the frozen weights: little memory, a small file, and the base stays intact."""

    kind: Literal["lora"] = "lora"
    pissa: bool = False
    """Start from the weights' strongest directions instead of zero: learns faster at first (arXiv:2404.02948)."""

    @field_validator("pissa")
    @classmethod
    def _not_with_dora(cls, pissa: bool, info: ValidationInfo) -> bool:
        if pissa and info.data.get("dora"):
            raise PydanticCustomError("pissa_with_dora", "cannot be used together with DoRA")
        return pissa

    def attach(self, model: Any, total_steps: int) -> Any:
        """A `peft.PeftModel` around `model`.

        The update starts at zero, so the model first answers exactly like its base; with PiSSA, like it but for
        rounding. PiSSA takes the directions out of the base weights; it is saved as the LoRA (of twice the rank) it
        amounts to beside the untouched base.
        """
        if not self.pissa:
            return self._attached(model)
        attached = self._attached(model, init_lora_weights="pissa")
        return _beside_the_true_base(attached)


def _beside_the_true_base(model: Any) -> Any:
    """A PiSSA model whose `save_pretrained` and `disable_adapter` mean the base as it was pretrained.

    peft's own would save an adapter to base weights that exist nowhere, and switch to them; its conversion loses a
    task's head.
    """
    first = {name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad}
    save = model.save_pretrained

    def save_pretrained(folder: str | Path, **options: Any) -> None:
        save(folder, **options)
        _convert(Path(folder), first)

    model.save_pretrained = save_pretrained
    model.disable_adapter = lambda: _with_weights(model, first)  # W - B0 A0 + B0 A0: the base but for rounding
    return model


def _convert(folder: Path, first: "dict[str, torch.Tensor]") -> None:
    """A saved PiSSA as the LoRA it amounts to: B A - B0 A0 = [B, -B0] [A; A0] (arXiv:2404.02948, appendix C)."""
    import torch
    from safetensors.torch import load_file, save_file

    file, settings = folder / "adapter_model.safetensors", folder / "adapter_config.json"
    weights = load_file(file)
    for name, weight in weights.items():
        side = next((side for side in ("lora_A", "lora_B") if f".{side}." in name), None)
        if side:
            start = first[name.replace(side, f"{side}.default")].to(weight)
            weights[name] = torch.cat([weight, start], 0) if side == "lora_A" else torch.cat([weight, -start], 1)
    save_file(weights, file, metadata={"format": "pt"})
    config = json.loads(settings.read_text(encoding="utf-8"))
    config["lora_alpha"] *= 2**0.5 if config["use_rslora"] else 2  # the strength per direction stays what it was
    config |= {"r": 2 * config["r"], "init_lora_weights": True}
    settings.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


@contextmanager
def _with_weights(model: Any, weights: dict[str, Any]) -> Iterator[None]:
    """The model with other values in some of its weights, for the length of the context."""
    own = dict(model.named_parameters())
    now = {name: own[name].data for name in weights}
    try:
        for name, weight in weights.items():
            own[name].data = weight.to(now[name].device)
        yield
    finally:
        for name, weight in now.items():
            own[name].data = weight
