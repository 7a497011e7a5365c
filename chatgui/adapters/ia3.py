"""IA3: one learnt factor for each key, value and hidden unit (Liu et al. 2022, arXiv:2205.05638), through peft."""

from typing import Any, Literal

from chatgui.adapters.layers import heads, is_transposed, key_value_and_feed_forward, task_type
from chatgui.adapters.method import Method


class Ia3(Method):
    """Scales what flows through the model: the smallest adapter of all, for small changes; wants a high rate."""

    kind: Literal["ia3"] = "ia3"

    def attach(self, model: Any, total_steps: int) -> Any:
        """A `peft.PeftModel`; all factors start at 1, so the model first answers exactly like its base."""
        from peft import IA3Config, get_peft_model

        every, last = key_value_and_feed_forward(model)
        config = IA3Config(
            task_type=task_type(model), target_modules=every, feedforward_modules=last,
            fan_in_fan_out=is_transposed(model), modules_to_save=heads(model) or None,
        )  # fmt: skip
        return get_peft_model(model, config)
