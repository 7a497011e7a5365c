"""How a model goes from ids to logits while replies grow: the fastest way that gives what the plain model gives.

Three ways, each a little slower and less demanding than the one before: all replies in one pass, each with its own keys
and values (`Together`); one pass a reply with the model's own cache (`OneByOne`: Mamba, models with attention of their
own); everything computed anew for each token (`Afresh`: whatever has no cache that can be kept). `choose` tries them on
a few tokens and takes the first whose logits are the plain model's.
"""

import inspect
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from chatgui.models import precision

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)
TRIAL_TOKENS = 7
FAILURES = (ValueError, TypeError, RuntimeError, AttributeError, IndexError, KeyError, NotImplementedError)
"""What a model raises that does not get along with a way."""


class Way(Protocol):
    """A way to compute. A state is what it keeps of one reply between two steps."""

    name: str
    together: bool
    """Whether several replies share one pass, and a long prompt may come in pieces."""

    def begin(self) -> Any:
        """The state of a reply before its first token."""

    def logits(self, states: Sequence[Any], ids: Sequence[Sequence[int]]) -> "torch.Tensor":
        """Logits (B, V; float32, CPU) behind the last of T more ids of each reply (B lists of one length)."""


class Together:
    """One pass for all replies, no padding: see `rows`."""

    name = "together"
    together = True

    def __init__(self, model: Any) -> None:
        self.model = model
        self._place = _place(model)
        names = _parameters(model)
        if "position_ids" not in names or "past_key_values" not in names:
            raise ValueError("the model does not take places or a cache")
        if getattr(model, "_is_stateful", False) or not _attends_plainly(model.config):
            raise ValueError("the model keeps more than keys and values")
        self._extra = {"logits_to_keep": 1} if "logits_to_keep" in names else {}

    def begin(self) -> Any:
        from chatgui.generation.rows import Row

        return Row()

    def logits(self, states: Sequence[Any], ids: Sequence[Sequence[int]]) -> "torch.Tensor":
        import torch

        return self.run(states, {"input_ids": torch.tensor(ids, device=self._place)}, len(ids[0]))

    def run(self, states: Sequence[Any], inputs: "dict[str, torch.Tensor]", count: int) -> "torch.Tensor":
        """As `logits`, for whatever stands for `count` tokens (`inputs_embeds` (B, T, D), say)."""
        import torch

        from chatgui.generation.rows import Rows, attending

        cache = Rows(states)
        places = torch.tensor([range(row.length, row.length + count) for row in states], device=self._place)
        with _computing(self._place), attending(self.model):
            out = self.model(
                **inputs, position_ids=places, past_key_values=cache, use_cache=True, return_dict=True, **self._extra
            )
        cache.grow(count)
        return _last(out.logits)


class OneByOne:
    """A pass for each reply, with the cache that the model makes for itself."""

    name = "one by one"
    together = False

    def __init__(self, model: Any) -> None:
        self.model = model
        self._place = _place(model)
        names = _parameters(model)
        self._cache = next((name for name in ("past_key_values", "cache_params") if name in names), "")
        if not self._cache:
            raise ValueError("the model gives no cache")

    def begin(self) -> Any:
        return {}

    def logits(self, states: Sequence[Any], ids: Sequence[Sequence[int]]) -> "torch.Tensor":
        import torch

        rows = []
        for state, more in zip(states, ids, strict=True):
            with _computing(self._place):
                out = self.model(
                    input_ids=torch.tensor([more], device=self._place), use_cache=True, return_dict=True, **state
                )
            state[self._cache] = out[self._cache]
            rows.append(_last(out.logits))
        return torch.cat(rows)


class Afresh:
    """No cache: the whole text for every token. Always right, and slow for long replies."""

    name = "afresh"
    together = False

    def __init__(self, model: Any) -> None:
        self.model = model
        self._place = _place(model)

    def begin(self) -> Any:
        return []

    def logits(self, states: Sequence[Any], ids: Sequence[Sequence[int]]) -> "torch.Tensor":
        import torch

        rows = []
        for state, more in zip(states, ids, strict=True):
            state.extend(more)
            with _computing(self._place):
                out = self.model(
                    input_ids=torch.tensor([state], device=self._place),
                    attention_mask=torch.ones(1, len(state), dtype=torch.long, device=self._place),
                    use_cache=False, return_dict=True,
                )  # fmt: skip
            rows.append(_last(out.logits))
        return torch.cat(rows)


def choose(model: Any) -> Way:
    """The first way that gives this model's own logits, for two replies that take turns."""
    plain = Afresh(model)
    for kind in (Together, OneByOne):
        try:
            way = kind(model)
            if _agrees(way, plain):
                return way
            reason = "other logits"
        except FAILURES as error:
            reason = f"{type(error).__name__}: {error}"
        log.info("%s cannot be computed %s (%s)", type(model).__name__, kind.name, reason)
    return plain


def _agrees(way: Way, plain: Way) -> bool:
    import torch

    size = int(plain.model.get_input_embeddings().weight.shape[0])  # type: ignore[attr-defined]
    texts = [[(start + 5 * place) % size for place in range(TRIAL_TOKENS)] for start in (1, 3)]
    states = [way.begin(), way.begin()]
    for start, stop in ((0, 3), (3, 4), (4, 6), (6, 7)) if way.together else ((0, 5), (5, 6), (6, 7)):
        got = way.logits(states, [text[start:stop] for text in texts])
        expected = plain.logits([plain.begin(), plain.begin()], [text[:stop] for text in texts])
        scale = expected.std().clamp(min=1e-6)
        exact = next(plain.model.parameters()).dtype == torch.float32  # type: ignore[attr-defined]
        if not float((got - expected).abs().max() / scale) < (1e-3 if exact else 0.1):
            return False
    return True


def _attends_plainly(config: Any) -> bool:
    """Whether every layer looks at all tokens before it, or at a window of them."""
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    return kinds <= {"full_attention", "sliding_attention"} and not getattr(config, "attention_chunk_size", None)


def _parameters(model: Any) -> set[str]:
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return set(inspect.signature(type(inner).forward).parameters)


def _place(model: Any) -> "torch.device":
    device: torch.device = next(model.parameters()).device
    return device


@contextmanager
def _computing(device: "torch.device") -> Iterator[None]:
    import torch

    with torch.inference_mode(), precision(device):
        yield


def _last(logits: "torch.Tensor") -> "torch.Tensor":
    return logits[:, -1].float().cpu()
