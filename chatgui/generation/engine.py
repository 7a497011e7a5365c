"""The one decoding loop: chat, compare and every other reply go through it. Knows ids, not text.

transformers' `generate` cannot stream a batch, so the loop is our own: rows padded on the left, one cache, one random
generator a row, so that a row's reply does not depend on its neighbours.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from chatgui.config import GenerationConfig
from chatgui.errors import ModelError
from chatgui.models import precision

if TYPE_CHECKING:
    import torch


class Voice(Protocol):
    """Weights that answer. `active()` makes the model answer with them, for the length of the context."""

    @property
    def model(self) -> Any: ...

    def active(self) -> AbstractContextManager[Any]: ...


def decode(
    voice: Voice,
    prompts: Sequence[Sequence[int]],
    settings: GenerationConfig,
    *,
    stop_ids: frozenset[int],
    context_tokens: int,
) -> Iterator[list[int | None]]:
    """One new token a row and step; None for a row that has ended.

    `prompts` holds B lists of ids. A row ends after a token of `stop_ids` (which is yielded), after
    `max_new_tokens`, or when prompt and reply together fill `context_tokens`. The same seed, prompt and weights draw
    the same reply.
    """
    import torch

    device = next(voice.model.parameters()).device
    width = max(map(len, prompts))
    padding = [width - len(prompt) for prompt in prompts]
    ids = torch.tensor([[0] * pad + list(prompt) for pad, prompt in zip(padding, prompts, strict=True)], device=device)
    mask = torch.tensor([[0] * pad + [1] * (width - pad) for pad in padding], device=device)
    generators = [torch.Generator().manual_seed(settings.seed) for _ in prompts]
    alive = [len(prompt) < context_tokens for prompt in prompts]
    cache = None
    for made in range(1, settings.max_new_tokens + 1):
        if not any(alive):
            return
        logits, cache = _forward(voice, ids, mask if any(padding) else None, cache, context_tokens)
        drawn: list[int | None] = [
            _draw(row, settings, generator) if live else None
            for row, generator, live in zip(logits, generators, alive, strict=True)
        ]
        yield drawn
        for index, (token, prompt) in enumerate(zip(drawn, prompts, strict=True)):
            if token in stop_ids or len(prompt) + made >= context_tokens:
                alive[index] = False
        ids = torch.tensor([[token or 0] for token in drawn], device=device)
        mask = torch.cat([mask, mask.new_ones(len(prompts), 1)], dim=1)


def _forward(
    voice: Voice, ids: "torch.Tensor", mask: "torch.Tensor | None", cache: Any, context_tokens: int
) -> "tuple[torch.Tensor, Any]":
    """Logits behind the last token (B, V), float32 on the CPU, and the cache grown by `ids`."""
    import torch

    places = {}
    if mask is not None:  # with padding, a row's first real token is at place 0
        positions = (mask.cumsum(dim=1) - 1).clamp(0, context_tokens - 1)[
            :, -ids.shape[1] :
        ]  # a full row waits at its end
        places = {"attention_mask": mask, "position_ids": positions}
    with torch.inference_mode(), voice.active(), precision(ids.device):
        out = voice.model(input_ids=ids, past_key_values=cache, use_cache=True, **places)
    return out.logits[:, -1].float().cpu(), out.past_key_values


def _draw(logits: "torch.Tensor", settings: GenerationConfig, generator: "torch.Generator") -> int:
    """A token from logits (V): the likeliest at temperature 0, else nucleus sampling (Holtzman et al. 2020)."""
    import torch

    if not torch.isfinite(logits).all():
        raise ModelError("model.not_finite")
    if settings.temperature == 0:
        return int(logits.argmax())
    chances, order = torch.softmax(logits / settings.temperature, dim=-1).sort(descending=True)
    before = chances.cumsum(dim=-1) - chances  # the likeliest token always stays: nothing stands before it
    chances = torch.where(before < settings.top_p, chances, 0.0)
    return int(order[torch.multinomial(chances, 1, generator=generator)])
