"""Base and fine-tuned model, loaded so that each answers with its own weights and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any, Literal

from chatgui import models
from chatgui.config import ModelConfig, RunConfig
from chatgui.tokens.template import Template


@dataclass(frozen=True)
class Voice:
    """One side of a comparison."""

    model: Any
    adapter: Literal["on", "off", "none"]
    """Whether an adapter is used; `none` when these weights have none."""
    weights: str
    """Fingerprint of everything that takes part in the answer."""
    lock: Any
    """Shared by the voices of one model: switching an adapter concerns all of them."""

    @contextmanager
    def active(self) -> Iterator[None]:
        """While it lasts the model answers with this voice, whatever other threads ask of it."""
        with self.lock:
            if self.adapter == "off":
                with self.model.disable_adapter():
                    yield
            else:
                yield


@dataclass(frozen=True)
class Pair:
    """Two voices that share template, limits and device."""

    base: Voice
    tuned: Voice
    template: Template
    stop_ids: frozenset[int]
    context_tokens: int
    device: str


def load_pair(config: RunConfig, folder: Path) -> Pair:
    """The base of a run and the result in `folder`: one set of weights with the adapter off and on, or two sets.

    The base is loaded from where the run took it, before any adapter touches it, and fingerprinted then.
    """
    device = models.best_device()
    template = models.saved_template(folder)
    if config.model.random_weights:  # the base was drawn from this seed before the first step
        import torch

        torch.manual_seed(config.training.seed)
    options = config.task.head_options(template)
    bits = config.adapter.quantized_bits if device.type == "cuda" else None  # elsewhere beside the weights as they are
    base = models.load_model(config.model, config.task.HEAD, device, models.frozen_dtype(device), options, bits)
    base_print = models.weights_fingerprint(base)
    context = models.context_tokens(config.model) - config.adapter.virtual_tokens
    stop_ids = models.stop_ids(base, template)
    lock = RLock()
    if models.is_adapter(folder):
        model = models.attach_saved(base, folder)
        voices = Voice(model, "off", base_print, lock), Voice(model, "on", models.weights_fingerprint(model), lock)
    else:
        own = ModelConfig(name=str(folder))
        tuned = models.load_model(own, config.task.HEAD, device, models.frozen_dtype(device), options)
        voices = (
            Voice(base, "none", base_print, lock),
            Voice(tuned, "none", models.weights_fingerprint(tuned), RLock()),
        )
    return Pair(*voices, template, stop_ids, context, str(device))
