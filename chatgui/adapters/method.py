"""What every kind of adapter says about itself, whatever it does to the model."""

from typing import ClassVar

from chatgui.fields import Config


class Method(Config):
    """A way to change a model. Each kind adds `attach(model, total_steps)`, which returns what is trained and saved."""

    FREEZES_BASE: ClassVar[bool] = True
    """Whether the base weights stay as they are; frozen ones may be held in a lower precision."""
    NEEDS_GPU: ClassVar[bool] = False

    @property
    def virtual_tokens(self) -> int:
        """Places of the model's context that the adapter takes for itself."""
        return 0

    @property
    def quantized_bits(self) -> int | None:
        """Bits a frozen weight is held in; None for the usual precision."""
        return None
