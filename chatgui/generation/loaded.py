"""One loaded model, the adapters that share its weights, and how it is computed. Knows no text and no request."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any

from chatgui import devices
from chatgui.generation import ways
from chatgui.generation.projection import LowRank, Mix, adapt, can_pack, project

if TYPE_CHECKING:
    import torch

BASE = ""
"""Name under which the model answers without an adapter."""
ADAPTER = "adapter"
"""Name of the one adapter of a model whose adapter is switched on and off as a whole."""
ROOM_FACTOR = 3
"""Weights are laid out a second time for faster products when so many times their size is free."""


class Loaded:
    """A model whose replies all go through `logits`, whichever adapter they ask for."""

    def __init__(self, model: Any, weights: str, *, switched: bool = False) -> None:
        """`weights` is the fingerprint of the model without adapters.

        `switched`: `model` is a `PeftModel` whose adapter can only be on or off for a whole pass.
        """
        self.model = model
        self.weights = weights
        self.switched = switched
        self.lock = RLock()
        """Held while the model computes: an adapter switched meanwhile would answer for another."""
        self._mix = Mix()
        model.requires_grad_(False)
        weight = next(model.parameters())
        self.packed = can_pack(weight.device, weight.dtype) and _has_room(model)
        self._projections = project(model, self._mix, packed=self.packed)

    @cached_property
    def way(self) -> ways.Way:
        """How it is computed. Found out when the first reply wants to know: models of other tasks make none."""
        with self.lock:
            return ways.choose(self.model)

    def add_low_rank(self, name: str, updates: Mapping[str, LowRank]) -> bool:
        """Know a LoRA adapter. False, and nothing has changed, when this model cannot mix it with other rows."""
        with self.lock:
            adapt(self.model, self._projections, self._mix, name, updates)
            try:
                self.logits([name, BASE], [self.way.begin(), self.way.begin()], [[1, 2], [1, 2]])
            except ways.FAILURES:
                self.forget(name)
                return False
        return True

    def updates(self, name: str) -> dict[str, LowRank]:
        """What makes a LoRA adapter, by layer."""
        return {layer: found.updates[name] for layer, found in self._projections.items() if name in found.updates}

    def forget(self, name: str) -> None:
        """Drop an adapter."""
        with self.lock:
            for projection in self._projections.values():
                projection.updates.pop(name, None)

    def logits(self, names: Sequence[str], states: Sequence[Any], ids: Sequence[Sequence[int]]) -> "torch.Tensor":
        """Logits (B, V; float32, CPU) behind T more ids of each reply; `names` says who answers."""
        import torch

        with self.lock:
            if self.way.together and not self.switched:
                with self._mix.of(names):
                    return self.way.logits(states, ids)
            rows: list[torch.Tensor] = [torch.empty(0)] * len(names)
            for name in dict.fromkeys(names):
                places = [place for place, other in enumerate(names) if other == name]
                with self.only(name):
                    made = self.way.logits([states[place] for place in places], [ids[place] for place in places])
                for place, row in zip(places, made, strict=True):
                    rows[place] = row
            return torch.stack(rows)

    @contextmanager
    def only(self, name: str) -> Iterator[None]:
        """While it lasts the model answers as `name`, whatever batch it is given, and nobody else computes with it."""
        with self.lock:
            if self.switched and name == BASE:
                with self.model.disable_adapter():
                    yield
            else:
                with self._mix.all(name):
                    yield


def _has_room(model: Any) -> bool:
    size = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    return size * ROOM_FACTOR < devices.memory()[1]
