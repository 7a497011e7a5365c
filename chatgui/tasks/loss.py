"""Cross-entropy at the labelled positions only. Training and evaluation call the same function."""

from typing import TYPE_CHECKING, Any

from chatgui.tokens.batches import Batch
from chatgui.tokens.example import IGNORE_INDEX

if TYPE_CHECKING:
    import torch

CHUNK_BYTES = 256 * 1024 * 1024
"""Logits kept at once, in float32. Above it they are made again in the backward pass, chunk by chunk."""


def token_loss(model: Any, batch: Batch) -> "torch.Tensor":
    """Sum (not mean) of the negative log-likelihoods of a batch's labels, in nats, as a scalar in float32.

    The output layer runs only where there is a label: with a 50k vocabulary it is half the work of a small model.
    """
    import torch
    from torch.utils.checkpoint import checkpoint

    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    targets = batch.labels[:, 1:]  # (B, T-1): position t predicts token t+1
    wanted = targets != IGNORE_INDEX
    if not has_plain_output(causal):
        logits = model(input_ids=batch.input_ids, use_cache=False).logits[:, :-1][wanted]
        return torch.nn.functional.cross_entropy(logits.float(), targets[wanted], reduction="sum")
    decoder, output = causal.get_decoder(), causal.get_output_embeddings()
    hidden = decoder(input_ids=batch.input_ids, use_cache=False).last_hidden_state[:, :-1][wanted]  # (N, D)
    chunk = max(1, CHUNK_BYTES // (4 * output.weight.shape[0]))
    if len(hidden) <= chunk:
        return _nll(output, hidden, targets[wanted])
    parts = zip(hidden.split(chunk), targets[wanted].split(chunk), strict=True)
    return torch.stack([checkpoint(_nll, output, *part, use_reentrant=False) for part in parts]).sum()


def _nll(output: Any, hidden: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
    import torch

    return torch.nn.functional.cross_entropy(output(hidden).float(), targets, reduction="sum")


def has_plain_output(causal: Any) -> bool:
    """Whether logits are just the output layer on the last hidden state; some models scale or cap them after it.

    Asked of the model itself, once, on three tokens: a list of names would miss the next architecture.
    """
    known = getattr(causal, "_chatgui_plain_output", None)
    if known is None:
        known = causal._chatgui_plain_output = _measure_plain_output(causal)
    return known


def _measure_plain_output(causal: Any) -> bool:
    import torch

    output = causal.get_output_embeddings()
    if output is None or not hasattr(causal, "get_decoder"):
        return False
    was_training = causal.training
    causal.eval()
    try:
        with torch.no_grad():
            ids = torch.tensor([[1, 2, 3]], device=output.weight.device)
            direct = output(causal.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state)
            return torch.allclose(direct, causal(input_ids=ids, use_cache=False).logits, rtol=1e-3, atol=1e-3)
    finally:
        causal.train(was_training)
