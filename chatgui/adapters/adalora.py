"""AdaLoRA: LoRA that moves its rank to the layers that need it (Zhang et al. 2023, arXiv:2303.10512), through peft."""

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from chatgui.adapters.layers import ALL_LINEAR, ATTENTION, heads, is_transposed, target_modules, task_type
from chatgui.adapters.method import Method

FIRST_SHARE, LAST_SHARE = 0.1, 0.3
"""Shares of the steps before the ranks begin to fall and after they have: the paper's runs lie around them."""


class AdaLora(Method):
    """LoRA whose rank shrinks during the run where it is not needed: a little better for the same size, and slower."""

    kind: Literal["adalora"] = "adalora"
    rank: int = Field(16, ge=1, le=256)
    """Average width of an update at the end of the run."""
    initial_rank: int = Field(24, ge=2, le=384)
    """Width of every update at the start; half more than the rank is usual (arXiv:2303.10512)."""
    alpha: int = Field(32, ge=1, le=1024)
    """Strength of the update. Twice the rank is usual."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the update's inputs left out at random; a little (0.05) helps when data is scarce."""
    target_modules: str = Field(ALL_LINEAR, min_length=1, examples=[ALL_LINEAR, ATTENTION])
    """Layers among which the ranks are shared out: all-linear, attention, or names parted by commas."""
    orthogonality: float = Field(0.1, ge=0, le=10)
    """Pull of the update's directions towards right angles, which makes their importance comparable."""

    @field_validator("initial_rank")
    @classmethod
    def _above_the_rank(cls, initial_rank: int, info: ValidationInfo) -> int:
        if initial_rank <= info.data.get("rank", 0):
            raise PydanticCustomError("initial_rank", "must be above the rank", {"rank": info.data["rank"]})
        return initial_rank

    def attach(self, model: Any, total_steps: int) -> Any:
        """A `peft.PeftModel` that first answers exactly like its base.

        `model.step_hooks` has to be told of every optimizer step (`training/optimizer.py` sees to it).
        """
        from peft import AdaLoraConfig, get_peft_model

        config = AdaLoraConfig(
            task_type=task_type(model), target_r=self.rank, init_r=self.initial_rank, lora_alpha=self.alpha,
            lora_dropout=self.dropout, target_modules=target_modules(model, self.target_modules),
            fan_in_fan_out=is_transposed(model), modules_to_save=heads(model) or None, total_step=total_steps,
            tinit=round(FIRST_SHARE * total_steps), tfinal=round(LAST_SHARE * total_steps),
            deltaT=max(1, total_steps // 100), orth_reg_weight=self.orthogonality,
        )  # fmt: skip
        attached = get_peft_model(model, config)
        attached.step_hooks = RankSchedule(attached)
        attached.save_pretrained = partial(_save, attached.save_pretrained)
        return attached


def _save(save: Callable[..., None], folder: str | Path, **options: Any) -> None:
    """As peft saves, which takes a layer that was left without any rank for a file that lost its weights."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*invalid shape.*zero-sized")
        save(folder, **options)


class RankSchedule:
    """peft's rank allocator, told of each optimizer step; what it has seen lives in the optimizer's state.

    So a checkpoint holds it, and a resumed run shares out the same ranks.
    """

    KEY = "rank_schedule"

    def __init__(self, model: Any) -> None:
        self.model = model
        self.tuner = model.base_model
        self.config = model.peft_config["default"]

    def before_step(self, optimizer: Any) -> None:
        """Add the gradient of the orthogonality penalty: the mean of |P P' - I| over all A and B (paper, equation 4).

        peft adds it to the loss a model returns; ours is made outside of the model.
        """
        import torch

        if not self.config.orth_reg_weight:
            return
        with torch.enable_grad():
            sides = [(name, weight) for name, weight in self.tuner.named_parameters() if _is_side(name)]
            products = [weight @ weight.T if "lora_A" in name else weight.T @ weight for name, weight in sides]
            distances = [(product - torch.eye(len(product), device=product.device)).norm() for product in products]
            (self.config.orth_reg_weight * torch.stack(distances).mean()).backward()

    def after_step(self, optimizer: Any) -> None:
        """Take the step's gradients into the importance of each direction, and drop the least important ones."""
        allocator = self.tuner.rankallocator
        kept = optimizer.state.setdefault(self.KEY, {"step": 0})
        kept["step"] += 1
        if kept["step"] > 1:  # a resumed run finds what the earlier process had seen
            allocator.exp_avg_ipt, allocator.exp_avg_unc = kept["importance"], kept["uncertainty"]
            allocator.ipt = dict(allocator.exp_avg_ipt)  # peft only asks whether a name is known
            self.config.rank_pattern = kept["pattern"]
        self.tuner.update_and_allocate(kept["step"])
        kept["importance"], kept["uncertainty"] = allocator.exp_avg_ipt, allocator.exp_avg_unc
        kept["pattern"] = self.config.rank_pattern


def _is_side(name: str) -> bool:
    return "lora_A" in name or "lora_B" in name
