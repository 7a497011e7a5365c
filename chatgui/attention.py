"""Attention over sequences laid end to end in one row: no padding, no quadratic mask, and none sees another.

`transformers` lets an attention function be registered by name; while `packed_attention(model)` holds, the model's
layers call the one below. Whether a model really keeps the sequences apart is measured, not looked up in a list of
names: see `can_pack`. Knows nothing of labels or losses.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

NAME = "chatgui_packed"
UNSUPPORTED = ("softcap", "s_aux", "position_bias", "cache")
"""What some models hand to their attention function and this one does not compute."""


@contextmanager
def packed_attention(model: Any) -> Iterator[None]:
    """Let the model's layers attend within sequences only; forward and backward pass belong inside.

    Inside, no mask is made at all: a padded batch must have its padding on the right, where causal attention makes it
    harmless.
    """
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, _attend)
    config = model.config
    before = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before


def packs(model: Any, task: Any) -> bool:
    """Whether the task's batches may be laid end to end for this model."""
    return not task.PADDED and can_pack(model)


def can_pack(model: Any) -> bool:
    """Whether sequences laid end to end give the hidden states they give alone. Measured once, on eight tokens.

    False for models that carry a state from token to token (Mamba), that make positions of their own (ALiBi), or whose
    attention does something this file does not compute; they are trained on padded batches.
    """
    if not getattr(model, "packable", True):
        return False
    adapter = getattr(model, "active_peft_config", None)
    if adapter is not None and adapter.is_prompt_learning:
        return False  # its virtual tokens stand before a row, not before each sequence in it
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    known = getattr(causal, "_chatgui_can_pack", None)
    if known is None:
        known = causal._chatgui_can_pack = _measure(causal)
    return known


def _measure(causal: Any) -> bool:
    import torch

    if not hasattr(causal, "get_decoder") or getattr(causal.config, "attention_chunk_size", None):
        return False
    was_training = causal.training
    causal.eval()
    device = next(causal.parameters()).device
    first, second = (torch.tensor([ids], device=device) for ids in ([1, 2, 3, 4, 5], [3, 1, 2]))
    try:
        with torch.no_grad():
            decoder = causal.get_decoder()
            alone = torch.cat([decoder(input_ids=ids, use_cache=False).last_hidden_state for ids in (first, second)], 1)
            with packed_attention(causal):
                together = decoder(
                    input_ids=torch.cat([first, second], 1), use_cache=False, sequence_lengths=(5, 3),
                    position_ids=torch.tensor([[0, 1, 2, 3, 4, 0, 1, 2]], device=device),
                ).last_hidden_state  # fmt: skip
            exact = alone.dtype == torch.float32
            return torch.allclose(alone, together, rtol=1e-3 if exact else 0.05, atol=1e-4 if exact else 0.05)
    except (TypeError, ValueError, RuntimeError, IndexError):  # an architecture that takes none of it
        return False
    finally:
        causal.train(was_training)


def _attend(
    module: Any, query: "torch.Tensor", key: "torch.Tensor", value: "torch.Tensor", attention_mask: Any,
    dropout: float = 0.0, scaling: float | None = None, sliding_window: int | None = None,
    sequence_lengths: tuple[int, ...] | None = None, **others: Any,
) -> "tuple[torch.Tensor, None]":  # fmt: skip
    """Query (B, H, T, D), key and value (B, K, T, D) to (B, T, H, D); K divides H.

    `sequence_lengths` add up to T (then B is 1); without them each row is one sequence. Raises ValueError for what this
    function does not compute, which makes `can_pack` say no.
    """
    import torch

    unknown = [name for name in UNSUPPORTED if others.get(name) is not None]
    if unknown or attention_mask is not None or not getattr(module, "is_causal", True):
        raise ValueError(f"packed attention computes plain causal attention only, not {unknown or 'a mask'}")
    lengths = sequence_lengths or (query.shape[2],)
    longest = max(lengths)
    window = sliding_window if sliding_window and sliding_window < longest else None
    if query.is_cuda and sequence_lengths and not dropout and query.dtype in (torch.float16, torch.bfloat16):
        return _by_kernel(query, key, value, lengths, scaling, window), None
    options = {"dropout_p": dropout, "scale": scaling, "enable_gqa": query.shape[1] != key.shape[1]}
    parts = zip(*(states.split_with_sizes(lengths, dim=2) for states in (query, key, value)), strict=True)
    attended = [_one(q, k, v, window, options).transpose(1, 2) for q, k, v in parts]
    return (attended[0] if len(attended) == 1 else torch.cat(attended, 1)), None


def _one(
    query: "torch.Tensor", key: "torch.Tensor", value: "torch.Tensor", window: int | None, options: dict[str, Any]
) -> "torch.Tensor":
    import torch

    length = query.shape[2]
    attend = torch.nn.functional.scaled_dot_product_attention
    if window is None or length <= window:
        return attend(query, key, value, is_causal=True, **options)
    place = torch.arange(length, device=query.device)
    distance = place[:, None] - place[None, :]
    return attend(query, key, value, attn_mask=(distance >= 0) & (distance < window), **options)


def _by_kernel(
    query: "torch.Tensor", key: "torch.Tensor", value: "torch.Tensor", lengths: tuple[int, ...],
    scaling: float | None, window: int | None,
) -> "torch.Tensor":  # fmt: skip
    """torch's variable-length flash kernel: one launch for all sequences."""
    import torch
    from torch.nn.attention.varlen import varlen_attn

    ends = torch.tensor((0, *lengths), dtype=torch.int32).cumsum(0, dtype=torch.int32)
    ends = ends.to(query.device, non_blocking=True)
    q, k, v = (states[0].transpose(0, 1) for states in (query, key, value))  # (T, H, D)
    if query.shape[1] != key.shape[1]:
        k, v = (states.repeat_interleave(query.shape[1] // key.shape[1], dim=1) for states in (k, v))
    before = window - 1 if window else -1
    longest = max(lengths)
    attended: Any = varlen_attn(q, k, v, ends, ends, longest, longest, scale=scaling, window_size=(before, 0))
    return attended[None]
