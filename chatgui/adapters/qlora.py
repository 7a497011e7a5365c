"""QLoRA: LoRA beside weights held in 4 or 8 bits (Dettmers et al. 2023, arXiv:2305.14314), through bitsandbytes."""

from typing import Any, ClassVar, Literal

from chatgui.adapters.lora import LowRank


class QLora(LowRank):
    """LoRA on weights squeezed to 4 or 8 bits: a quarter of the memory, somewhat slower; needs an NVIDIA GPU."""

    NEEDS_GPU: ClassVar[bool] = True
    kind: Literal["qlora"] = "qlora"
    bits: Literal[4, 8] = 4
    """Of a frozen weight. 4 (NormalFloat, with doubly quantised scales) needs least; 8 is nearer to the original."""

    @property
    def quantized_bits(self) -> int | None:
        """What the model is loaded in."""
        return self.bits

    def attach(self, model: Any, total_steps: int) -> Any:
        """A `peft.PeftModel` around a model that was loaded in `bits`; it first answers exactly like that."""
        return self._attached(model)
