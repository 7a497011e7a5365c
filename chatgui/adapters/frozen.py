"""Frozen layers: the last blocks learn, the rest stays as it was pretrained."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from chatgui.adapters.layers import blocks, heads
from chatgui.adapters.method import Method
from chatgui.errors import ConfigError


class Frozen(Method):
    """Only some of the model's own weights are trained: less memory and less forgetting than all of them."""

    FREEZES_BASE: ClassVar[bool] = False
    kind: Literal["frozen"] = "frozen"
    last_blocks: int = Field(2, ge=0, le=1000)
    """Blocks that learn, counted from the output; the last ones hold what is most particular to a task."""
    train_embeddings: bool = False
    """Train the embeddings too: for words the model has hardly met. Shared with the output layer in many models."""
    train_output: bool = False
    """Train the output layer and the norm before it too. Shared with the embeddings in many models."""

    def attach(self, model: Any, total_steps: int) -> Any:
        """The model itself, the chosen weights trainable. A task's own head always is. Raises ConfigError for none."""
        model.requires_grad_(False)
        layers = blocks(model)
        chosen = [*layers[max(0, len(layers) - self.last_blocks) :], *(getattr(model, name) for name in heads(model))]
        if self.train_embeddings:
            chosen.append(model.get_input_embeddings())
        if self.train_output:
            chosen += _behind(model, layers)
        for module in chosen:
            module.requires_grad_(True)
        if not any(weight.requires_grad for weight in model.parameters()):
            raise ConfigError("adapter.nothing_trained", field="adapter.last_blocks")
        return model


def _behind(model: Any, layers: Any) -> list[Any]:
    """The output layer, and what stands beside the blocks without being an embedding: the last norm."""
    import torch

    output = model.get_output_embeddings()
    holder = next(module for module in model.modules() if any(child is layers for child in module.children()))
    beside = [
        child
        for child in holder.children()
        if child is not layers and not any(isinstance(part, torch.nn.Embedding) for part in child.modules())
    ]
    return beside if output is None else [*beside, output]
