"""Forward passes with a gradient of their own, where autograd's would keep or compute too much.

Imports torch, so it is itself imported inside functions only.
"""

from typing import Any

import torch


class LinearCrossEntropy(torch.autograd.Function):
    """Summed cross-entropy of a linear layer's outputs, never holding more than a chunk of them.

    The gradient is made in the forward pass (softmax minus one-hot, times the weight), so no logits are kept, and a
    frozen weight costs nothing; the idea is Liger's (Hsu et al. 2024, arXiv:2410.10989). torch's own function of this
    kind (2.13, `linear_cross_entropy`) knows no label smoothing and no scaled logits.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, targets: torch.Tensor,
        scale: float, cap: float | None, smoothing: float, chunk_rows: int, training: bool,
    ) -> torch.Tensor:  # fmt: skip
        """Hidden (N, D), weight (V, D), bias (V) or None, targets (N) to a float32 scalar."""
        wanted = [training and needed for needed in ctx.needs_input_grad[:3]]
        grad_hidden = torch.empty_like(hidden) if wanted[0] else None
        grad_weight = torch.zeros_like(weight) if wanted[1] else None
        grad_bias = torch.zeros_like(bias, dtype=torch.float32) if wanted[2] and bias is not None else None
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        rows = min(chunk_rows, len(hidden))
        buffer = hidden.new_empty(rows, weight.shape[0])  # one for all chunks: fresh pages cost as much as the softmax
        for start in range(0, len(hidden), max(1, rows)):
            part, labels = hidden[start : start + rows], targets[start : start + rows]
            logits = torch.mm(part, weight.T, out=buffer[: len(part)])
            if bias is not None:
                logits += bias
            loss, slope = _softmax_slope(logits.float(), labels, scale, cap, smoothing, any(wanted))
            total += loss
            if slope is None:
                continue
            if grad_bias is not None:
                grad_bias += slope.sum(0)
            slope = slope.to(hidden.dtype)
            if grad_hidden is not None:
                torch.mm(slope, weight, out=grad_hidden[start : start + rows])
            if grad_weight is not None:
                grad_weight.addmm_(slope.T, part)
        ctx.save_for_backward(grad_hidden, grad_weight, grad_bias)
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_output: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """What the forward pass made, times the gradient of the scalar; in place, so only once."""
        grads = (None if grad is None else grad.mul_(grad_output) for grad in ctx.saved_tensors)
        return (*grads, None, None, None, None, None, None)


def _softmax_slope(
    logits: torch.Tensor, labels: torch.Tensor, scale: float, cap: float | None, smoothing: float, training: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Summed loss of a chunk (n, V), and its slope by the layer's outputs, written over `logits`."""
    if scale != 1.0:
        logits.mul_(scale)
    if cap:
        logits.div_(cap).tanh_()
    tanh = logits.clone() if cap and training else None
    if cap:
        logits.mul_(cap)
    index = labels[:, None]
    chosen = logits.gather(1, index)[:, 0]
    if smoothing:
        chosen = (1 - smoothing) * chosen + smoothing * logits.mean(1)
    largest = logits.amax(1)
    torch.softmax(logits, 1, out=logits)
    # log-sum-exp = largest - log(largest softmax): the softmax of a label may underflow, the largest cannot
    loss = (largest - logits.amax(1).log() - chosen).sum()
    if not training:
        return loss, None
    logits.scatter_add_(1, index, torch.full_like(index, smoothing - 1, dtype=logits.dtype))
    if smoothing:
        logits.sub_(smoothing / logits.shape[1])
    if tanh is not None:
        logits.mul_(1 - tanh.square_())
    return loss, logits.mul_(scale) if scale != 1.0 else logits


class FusedLora(torch.autograd.Function):
    """A frozen linear layer with its low-rank update as one operation: `x W' + scaling (x A') B'`.

    Written with in-place sums, it makes none of the four full-size temporaries that separate modules make, and keeps
    only `x` and `x A'` for the backward pass. Nothing is computed for `x` where it needs no gradient (first layer).
    """

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, down: torch.Tensor,
        up: torch.Tensor, scaling: float,
    ) -> torch.Tensor:  # fmt: skip
        """x (N, I), frozen weight (O, I) and bias (O), down (R, I), up (O, R) to (N, O)."""
        inner = x @ down.T
        out = x @ weight.T if bias is None else torch.addmm(bias, x, weight.T)
        out.addmm_(inner, up.T, alpha=scaling)
        ctx.save_for_backward(x, weight, down, up, inner)
        ctx.scaling = scaling
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """For x, down and up; the frozen layer has none."""
        x, weight, down, up, inner = ctx.saved_tensors
        grad_inner = (grad @ up).mul_(ctx.scaling)
        grad_up = (grad.T @ inner).mul_(ctx.scaling)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = (grad @ weight).addmm_(grad_inner, down)
        return grad_x, None, None, grad_inner.T @ x, grad_up, None
