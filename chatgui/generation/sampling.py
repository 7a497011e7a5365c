"""From logits to a token. Knows ids and numbers, not text.

A reply draws one uniform number a token from its own generator and inverts the cumulative probabilities with it, so
that its draws depend on its seed alone and never on who else is answered at the same time.
"""

from collections.abc import Callable, Sequence
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


@dataclass(frozen=True)
class Draw:
    """What one row of logits is drawn with."""

    settings: GenerationConfig
    generator: "torch.Generator"
    top_logprobs: int | None = None
    """Asks for log-probabilities: of the token, and of so many likeliest ones."""


def draw(logits: "torch.Tensor", draws: Sequence[Draw]) -> list[Token | ModelError]:
    """A token from each row of logits (B, V; float32): the likeliest at temperature 0, else nucleus sampling (Holtzman
    et al. 2020); an error where a logit is no number.

    All rows are computed together, and each as if it were alone: what runs along a row runs in order.
    """
    import torch

    finite = torch.isfinite(logits).all(dim=-1).tolist()
    chosen: dict[int, int] = {}
    for pick, places in _kinds(draws, finite):
        rows = logits[places]
        chosen.update(zip(places, pick(rows, [draws[place] for place in places]).tolist(), strict=True))
    return [
        _token(chosen[place], logits[place], one.top_logprobs) if good else ModelError("model.not_finite")
        for place, (one, good) in enumerate(zip(draws, finite, strict=True))
    ]


Pick = Callable[["torch.Tensor", Sequence[Draw]], "torch.Tensor"]


def _kinds(draws: Sequence[Draw], finite: Sequence[bool]) -> list[tuple[Pick, list[int]]]:
    """Which rows are drawn in which way."""
    kinds: dict[Pick, list[int]] = {}
    for place, (one, good) in enumerate(zip(draws, finite, strict=True)):
        if good:
            settings = one.settings
            is_whole = settings.top_p >= 1 and not settings.top_k
            pick = _likeliest if settings.temperature == 0 else _from_all if is_whole else _from_nucleus
            kinds.setdefault(pick, []).append(place)
    return list(kinds.items())


def _likeliest(logits: "torch.Tensor", draws: Sequence[Draw]) -> "torch.Tensor":
    return logits.argmax(dim=-1)


def _from_all(logits: "torch.Tensor", draws: Sequence[Draw]) -> "torch.Tensor":
    """From everything there is: nothing has to be put in order for it."""
    chances = _chances(logits, draws)
    return _invert(chances.double().cumsum(dim=-1), _uniform(draws), chances.shape[-1])


def _from_nucleus(logits: "torch.Tensor", draws: Sequence[Draw]) -> "torch.Tensor":
    """From the likeliest tokens that together have `top_p`, among the first `top_k`."""
    import torch

    chances, uniform = _chances(logits, draws), _uniform(draws)
    width = chances.shape[-1]
    limits = torch.tensor([min(one.settings.top_k or width, width) for one in draws])
    values, order = chances.topk(min(NUCLEUS_TOKENS, width))
    ids = _inside(values, order, limits, draws, uniform)
    held = values.double().cumsum(dim=-1)[:, -1].tolist()
    for place, (one, limit) in enumerate(zip(draws, limits.tolist(), strict=True)):
        if values.shape[-1] < limit and held[place] < one.settings.top_p:
            row = slice(place, place + 1)
            ids[row] = _inside(*chances[row].sort(descending=True), limits[row], [one], uniform[row])
    return ids


def _inside(
    values: "torch.Tensor", order: "torch.Tensor", limits: "torch.Tensor", draws: Sequence[Draw],
    uniform: "torch.Tensor",
) -> "torch.Tensor":  # fmt: skip
    """Ids (B) from sorted probabilities (B, K), the likeliest first, and their ids."""
    import torch

    allowed = torch.arange(values.shape[-1]) < limits[:, None]
    held = torch.where(allowed, values, 0).double()
    cumulative = held.cumsum(dim=-1)
    # top_p counts what top_k has left
    whole = [total if one.settings.top_k else 1.0
             for one, total in zip(draws, cumulative[:, -1].tolist(), strict=True)]  # fmt: skip
    bounds = [one.settings.top_p * total for one, total in zip(draws, whole, strict=True)]
    bound = torch.tensor(bounds, dtype=torch.float64)[:, None]
    # nothing stands before the likeliest token: it always stays
    kept = (((cumulative - held) < bound) & allowed).sum(dim=-1).clamp(min=1)
    end = cumulative.gather(-1, kept[:, None] - 1)
    place = torch.searchsorted(cumulative, uniform[:, None] * end, right=True)
    return order.gather(-1, torch.minimum(place, kept[:, None] - 1))[:, 0]


def _chances(logits: "torch.Tensor", draws: Sequence[Draw]) -> "torch.Tensor":
    import torch

    return torch.softmax(logits / torch.tensor([one.settings.temperature for one in draws])[:, None], dim=-1)


def _uniform(draws: Sequence[Draw]) -> "torch.Tensor":
    """One number of each reply's own generator."""
    import torch

    return torch.stack([torch.rand((), dtype=torch.float64, generator=one.generator) for one in draws])


def _invert(cumulative: "torch.Tensor", uniform: "torch.Tensor", width: int) -> "torch.Tensor":
    """Places at which cumulative probabilities (B, V) pass the uniform numbers."""
    import torch

    places = torch.searchsorted(cumulative, uniform[:, None] * cumulative[:, -1:], right=True)
    return places[:, 0].clamp(max=width - 1)


def _token(chosen: int, logits: "torch.Tensor", top_logprobs: int | None) -> Token:
    import torch

    if top_logprobs is None:
        return Token(chosen)
    logprobs = torch.log_softmax(logits, dim=-1)
    values, ids = logprobs.topk(min(top_logprobs, len(logprobs)))
    return Token(chosen, float(logprobs[chosen]), tuple(zip(ids.tolist(), values.tolist(), strict=True)))
