"""What every task on a causal language model shares: its head, its loss, its metrics."""

import math
from typing import TYPE_CHECKING, Any

from chatgui.tasks.base import TaskBase
from chatgui.tasks.loss import token_loss
from chatgui.tokens.batches import Batch

if TYPE_CHECKING:
    import torch


class CausalTask(TaskBase):
    """Next-token prediction."""

    HEAD = "AutoModelForCausalLM"

    def loss(self, model: Any, batch: Batch) -> "torch.Tensor":
        """Sum of the negative log-likelihoods over the batch's labels, in nats."""
        return token_loss(model, batch)

    def metrics(self, loss: float) -> dict[str, float]:
        """`perplexity` per labelled token; capped, since early losses may overflow."""
        return {"perplexity": math.exp(min(loss, 80.0))}
