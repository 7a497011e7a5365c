"""LoRA: low-rank updates beside the frozen linear layers (Hu et al. 2021, arXiv:2106.09685), through peft."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from chatgui.fields import Config


class Lora(Config):
    """Small trained matrices beside the frozen weights: little memory, a small file, and the base stays intact."""

    FREEZES_BASE: ClassVar[bool] = True
    """Whether the base weights stay as they are; frozen ones may be held in a lower precision."""
    kind: Literal["lora"] = "lora"
    rank: int = Field(16, ge=1, le=256)
    """Width of the update; a wider one learns more and needs more memory."""
    alpha: int = Field(32, ge=1, le=1024)
    """Strength of the update: its output is multiplied by alpha / rank. Twice the rank is usual."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the update's inputs left out at random; a little (0.05) helps when data is scarce."""

    def attach(self, model: Any, total_steps: int) -> Any:
        """A `peft.PeftModel` around `model`: every linear layer but the output layer gets an update.

        The update starts at zero, so the model first answers exactly like its base.
        """
        from peft import LoraConfig, TaskType, get_peft_model
        from transformers.pytorch_utils import Conv1D

        transposed = any(isinstance(module, Conv1D) for module in model.modules())  # GPT-2 stores weights the other way
        config = LoraConfig(
            task_type=TaskType.CAUSAL_LM, r=self.rank, lora_alpha=self.alpha, lora_dropout=self.dropout,
            target_modules="all-linear", fan_in_fan_out=transposed,
        )  # fmt: skip
        return get_peft_model(model, config)
