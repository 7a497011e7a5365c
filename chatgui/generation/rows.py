"""Keys and values of many replies at once, each reply with a length of its own: no padding, no mask, no copying.

A reply joins and leaves between two steps without touching the others. Linear layers see all replies as one batch;
attention goes through them one by one, so that a reply is computed as if it were alone. Works for models that attend
through transformers' attention interface; `decoders` finds out whether a model does.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AttentionInterface
from transformers.cache_utils import Cache
from transformers.integrations.sdpa_attention import sdpa_attention_forward

NAME = "chatgui_rows"
FIRST_TOKENS = 128
"""Room for a reply that begins; it doubles whenever it is full."""


class Row:
    """Keys and values of one reply in all layers."""

    def __init__(self) -> None:
        self.layers: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self.length = 0
        """Tokens of which all layers know."""

    def write(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Append (1, H, T, D) behind the tokens there are. Gives all of the layer's keys and values, as views."""
        stop = self.length + keys.shape[2]
        stored = self.layers.get(layer, (None, None))
        if stored[0] is None or stored[0].shape[2] < stop:
            old_keys, old_values = stored
            stored = (_grown(old_keys, keys, self.length, stop), _grown(old_values, values, self.length, stop))
            self.layers[layer] = stored
        all_keys, all_values = self.layers[layer]
        all_keys[:, :, self.length : stop] = keys
        all_values[:, :, self.length : stop] = values
        return all_keys[:, :, :stop], all_values[:, :, :stop]


def _grown(old: torch.Tensor | None, new: torch.Tensor, used: int, needed: int) -> torch.Tensor:
    batch, heads, _, width = new.shape
    room = FIRST_TOKENS
    while room < needed:
        room *= 2
    grown = new.new_empty(batch, heads, room, width)
    if old is not None:
        grown[:, :, :used] = old[:, :, :used]
    return grown


class Rows(Cache):
    """The rows of one forward pass, as the cache that the model is given."""

    def __init__(self, rows: Sequence[Row]) -> None:
        super().__init__(layers=[])
        self.rows = rows

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **named: Any
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Append keys and values (B, H, T, D); gives each row's own, which only `attend` can read."""
        written = [
            row.write(layer_idx, key_states[place : place + 1], value_states[place : place + 1])
            for place, row in enumerate(self.rows)
        ]
        return [keys for keys, _ in written], [values for _, values in written]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Length of the longest row; models ask for it to number tokens, which are numbered for them here."""
        return max(row.length for row in self.rows)

    def grow(self, tokens: int) -> None:
        """Every row has become longer, in all layers."""
        for row in self.rows:
            row.length += tokens


@contextmanager
def attending(model: Any) -> Iterator[None]:
    """While it lasts, the model's attention reads `Rows`. It must attend by torch's own kernels otherwise."""
    configs = [model.config, *(getattr(model.config, name) for name in getattr(model.config, "sub_configs", {}))]
    before = [config._attn_implementation for config in configs]
    if any(name != "sdpa" for name in before):
        raise ValueError("the model does not attend by scaled_dot_product_attention")
    for config in configs:
        config._attn_implementation = NAME
    try:
        yield
    finally:
        for config, name in zip(configs, before, strict=True):
            config._attn_implementation = name


def attend(
    module: Any,
    query: torch.Tensor,
    key: list[torch.Tensor],
    value: list[torch.Tensor],
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **named: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of query (B, H, T, D) over each row's own keys; (B, T, H, D).

    Raises ValueError for a kind of attention that is not known here.
    """
    if attention_mask is not None or any(named.get(name) is not None for name in ("softcap", "s_aux", "position_bias")):
        raise ValueError("this attention needs more than keys and values")
    rows = zip(query.split(1), key, value, strict=True)
    if query.shape[2] == 1:
        return torch.cat([_attend_one(q, k, v, scaling, sliding_window) for q, k, v in rows]), None
    outputs = [
        sdpa_attention_forward(module, q, k, v, _mask(q, k, sliding_window), scaling=scaling, is_causal=True)[0]
        for q, k, v in rows
    ]
    return torch.cat(outputs), None


def _attend_one(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scaling: float | None, window: int | None
) -> torch.Tensor:
    """One new token (1, H, 1, D), which sees everything; query heads that share a key are laid side by side."""
    if window:
        keys, values = keys[:, :, -window:], values[:, :, -window:]
    _, heads, _, width = query.shape
    shared = query.reshape(1, keys.shape[1], -1, width)
    out = torch.nn.functional.scaled_dot_product_attention(shared, keys, values, scale=scaling)
    return out.reshape(1, 1, heads, -1)


def _mask(query: torch.Tensor, keys: torch.Tensor, window: int | None) -> torch.Tensor | None:
    """What each of T new tokens sees of S (T, S); None where the kernel's own causal mask says it."""
    new, all_ = query.shape[2], keys.shape[2]
    if new == all_ and (not window or window >= all_):
        return None
    seen = torch.ones(new, all_, dtype=torch.bool, device=query.device).tril(all_ - new)
    if window:
        seen = seen.triu(all_ - new - window + 1)
    return seen[None, None]


AttentionInterface.register(NAME, attend)
