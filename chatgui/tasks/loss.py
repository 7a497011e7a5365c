"""Cross-entropy at the labelled positions only. Training and evaluation call the same function."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chatgui.tokens.batches import Batch
from chatgui.tokens.example import IGNORE_INDEX

if TYPE_CHECKING:
    import torch

CHUNK_BYTES = 64 * 1024 * 1024
"""Logits kept at once, in float32: memory that does not grow with vocabulary times length."""


def token_loss(model: Any, batch: Batch) -> "torch.Tensor":
    """Sum (not mean) of the negative log-likelihoods of a batch's labels, in nats, as a scalar in float32.

    The output layer runs only where there is a label: with a 50k vocabulary it is half the work of a small model.
    `batch.label_smoothing` mixes that share of an even guess over the vocabulary into each label (Szegedy et al. 2016,
    arXiv:1512.00567).
    """
    import torch

    targets = batch.labels[:, 1:]  # (B, T-1): position t predicts token t+1
    wanted = targets != IGNORE_INDEX
    if _has_virtual_tokens(model):
        logits = model(**batch.inputs()).logits[:, -batch.input_ids.shape[1] :]  # a prompt of the adapter stands before
    else:
        causal = model.get_base_model() if hasattr(model, "get_base_model") else model
        head = head_of(causal)
        if head is not None:
            hidden = causal.get_decoder()(**batch.inputs()).last_hidden_state[:, :-1][wanted]  # (N, D)
            return linear_cross_entropy(
                hidden, causal.get_output_embeddings(), targets[wanted], head, batch.label_smoothing
            )
        logits = causal(**batch.inputs()).logits
    return torch.nn.functional.cross_entropy(
        logits[:, :-1][wanted].float(), targets[wanted], reduction="sum", label_smoothing=batch.label_smoothing
    )


def _has_virtual_tokens(model: Any) -> bool:
    """Whether a peft adapter lives in front of the model and not inside its layers (prompt and prefix tuning)."""
    adapter = getattr(model, "active_peft_config", None)
    return bool(adapter and adapter.is_prompt_learning)


@dataclass(frozen=True)
class Head:
    """How logits come from the output layer: `cap * tanh(scale * layer(hidden) / cap)`, without a cap plain scaling."""

    scale: float = 1.0
    cap: float | None = None


def head_of(causal: Any) -> Head | None:
    """What the model does between its output layer and its logits; None when it is something else than `Head` says.

    Asked of the model itself, once, on three tokens: a list of names would miss the next architecture.
    """
    if not hasattr(causal, "_chatgui_head"):
        causal._chatgui_head = _measure_head(causal)
    return causal._chatgui_head


def _measure_head(causal: Any) -> Head | None:
    import torch

    output = causal.get_output_embeddings() if hasattr(causal, "get_output_embeddings") else None
    if not isinstance(output, torch.nn.Linear) or not hasattr(causal, "get_decoder"):
        return None
    was_training = causal.training
    causal.eval()
    try:
        with torch.no_grad():
            ids = torch.tensor([[1, 2, 3]], device=output.weight.device)
            hidden = causal.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state
            direct = torch.nn.functional.linear(hidden, output.weight, output.bias).float()
            logits = causal(input_ids=ids, use_cache=False).logits.float()
    finally:
        causal.train(was_training)
    cap = getattr(causal.config.get_text_config(), "final_logit_softcapping", None)
    linear = cap * torch.atanh((logits / cap).clamp(-1 + 1e-6, 1 - 1e-6)) if cap else logits
    largest = direct.abs().argmax()
    ratio = float(linear.flatten()[largest] / direct.flatten()[largest])
    head = Head(1.0 if abs(ratio - 1) < 0.01 else ratio, cap)
    return head if torch.allclose(shape_logits(direct, head.scale, head.cap), logits, rtol=0.02, atol=1e-3) else None


def shape_logits(logits: "torch.Tensor", scale: float, cap: float | None) -> "torch.Tensor":
    """From the output layer's values to the model's logits, in place."""
    if scale != 1.0:
        logits.mul_(scale)
    return logits.div_(cap).tanh_().mul_(cap) if cap else logits


def linear_cross_entropy(
    hidden: "torch.Tensor", output: Any, targets: "torch.Tensor", head: Head, label_smoothing: float = 0.0
) -> "torch.Tensor":
    """Summed cross-entropy of `output(hidden)` (N, D) -> (N, V) against `targets` (N), chunk by chunk.

    Under autocast it computes in autocast's precision, the softmax always in float32.
    """
    import torch

    from chatgui.kernels import LinearCrossEntropy

    weight, bias, device = output.weight, output.bias, hidden.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        weight, bias = weight.to(dtype), None if bias is None else bias.to(dtype)
    rows = max(1, CHUNK_BYTES // (4 * weight.shape[0]))
    with torch.autocast(device, enabled=False):
        return LinearCrossEntropy.apply(
            hidden.to(weight.dtype), weight, bias, targets, head.scale, head.cap, label_smoothing, rows,
            torch.is_grad_enabled(),
        )  # fmt: skip
