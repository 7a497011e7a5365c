"""Full fine-tuning: every weight learns."""

from typing import Any, ClassVar, Literal

from chatgui.adapters.method import Method


class Full(Method):
    """All weights are trained: the most room to learn, the most memory, and the most forgetting."""

    FREEZES_BASE: ClassVar[bool] = False
    kind: Literal["full"] = "full"

    def attach(self, model: Any, total_steps: int) -> Any:
        """The model itself, all of its weights trainable."""
        return model.requires_grad_(True)
