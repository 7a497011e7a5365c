"""From logits to a token. Knows ids and numbers, not text.

A reply draws one uniform number a token from its own generator and inverts the cumulative probabilities with it, so
that its draws depend on its seed alone and never on who else is answered at the same time.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatgui.config import GenerationConfig
from chatgui.errors import ModelError

if TYPE_CHECKING:
    import torch

NUCLEUS_TOKENS = 512
"""So many of the likeliest tokens are sorted first; nearly always they hold the nucleus, and sorting all is slow."""


@dataclass(frozen=True)
class Token:
    """One drawn token."""

    id: int
    logprob: float | None = None
    """Natural logarithm of its probability at temperature 1, when it was asked for."""
    likeliest: tuple[tuple[int, float], ...] = ()
    """Ids and log-probabilities of the likeliest tokens at its place, likeliest first, when they were asked for."""


def draw(
    logits: "torch.Tensor", settings: GenerationConfig, generator: "torch.Generator", top_logprobs: int | None = None
) -> Token:
    """A token from logits (V, float32): the likeliest at temperature 0, else nucleus sampling (Holtzman et al. 2020).

    `top_logprobs` asks for log-probabilities: of the token, and of so many likeliest ones. Raises ModelError when a
    logit is no number.
    """
    import torch

    if not torch.isfinite(logits).all():
        raise ModelError("model.not_finite")
    if settings.temperature == 0:
        chosen = int(logits.argmax())
    else:
        chances, order = _nucleus(torch.softmax(logits / settings.temperature, dim=-1), settings)
        chosen = int(order[_invert(chances, generator)])
    return Token(chosen) if top_logprobs is None else _scored(chosen, logits, top_logprobs)


def _nucleus(chances: "torch.Tensor", settings: GenerationConfig) -> "tuple[torch.Tensor, torch.Tensor]":
    """Probabilities that may be drawn, likeliest first, and their ids."""
    limit = min(settings.top_k or len(chances), len(chances))
    values, order = chances.topk(min(limit, NUCLEUS_TOKENS))
    if len(values) < limit and float(values.sum()) < settings.top_p:
        values, order = chances.sort(descending=True)
        values, order = values[:limit], order[:limit]
    before = values.cumsum(dim=-1) - values  # the likeliest token always stays: nothing stands before it
    held = values / values.sum() if settings.top_k else values
    if settings.top_k:
        before = held.cumsum(dim=-1) - held
    kept = max(1, int((before < settings.top_p).sum()))
    return values[:kept], order[:kept]


def _invert(chances: "torch.Tensor", generator: "torch.Generator") -> int:
    """Place at which the cumulative probability passes a uniform number of the reply's own generator."""
    import torch

    cumulative = chances.double().cumsum(dim=-1)
    uniform = torch.rand((), dtype=torch.float64, generator=generator)
    place = int(torch.searchsorted(cumulative, uniform * cumulative[-1], right=True))
    return min(place, len(chances) - 1)


def _scored(chosen: int, logits: "torch.Tensor", top_logprobs: int) -> Token:
    import torch

    logprobs = torch.log_softmax(logits, dim=-1)
    values, ids = logprobs.topk(min(top_logprobs, len(logprobs)))
    return Token(chosen, float(logprobs[chosen]), tuple(zip(ids.tolist(), values.tolist(), strict=True)))
