"""Who answers: a base, the result of a run, or one of its checkpoints, each with its own weights and nothing else."""

import hashlib
import json
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from chatgui import models
from chatgui.config import GenerationConfig, ModelConfig, RunConfig
from chatgui.generation.engine import Engine, Request
from chatgui.generation.loaded import ADAPTER, BASE, Loaded
from chatgui.generation.lowrank import read_low_rank
from chatgui.tokens.template import Template

if TYPE_CHECKING:
    import torch

WayOfPass = Literal["shared", "switched", "own"]


@dataclass(frozen=True, eq=False)
class Voice:
    """Weights that answer, with the template they are asked in."""

    model: Any
    """To be called inside `active()`."""
    adapter: Literal["on", "off", "none"]
    """Whether an adapter is used; `none` when these weights have none."""
    weights: str
    """Fingerprint of everything that takes part in the answer."""
    loaded: Loaded
    name: str
    """Of the adapter in `loaded`."""
    template: Template
    stop_ids: frozenset[int]
    context_tokens: int

    @property
    def device(self) -> str:
        """Where it computes."""
        return str(next(self.loaded.model.parameters()).device)

    @property
    def computed(self) -> WayOfPass:
        """In one pass with the other replies of these weights, in a pass with its adapter switched, or by itself."""
        if self.loaded.switched:
            return "switched"
        return "own" if self.adapter == "none" or not self.loaded.way.together else "shared"

    @contextmanager
    def active(self) -> Iterator[None]:
        """While it lasts the model answers with this voice, whatever other threads ask of it."""
        with self.loaded.only(self.name):
            yield

    def request(
        self, prompt: list[int], settings: GenerationConfig, *, top_logprobs: int | None = None,
        background: bool = False, name: str | None = None,
    ) -> Request:  # fmt: skip
        """What the engine is to be asked; `name` asks another adapter over the same weights."""
        return Request(
            self.loaded, self.name if name is None else name, tuple(prompt), settings, self.stop_ids,
            self.context_tokens, top_logprobs, background,
        )  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """Two voices to be compared, and the engine that makes them answer."""

    base: Voice
    tuned: Voice
    engine: Engine = field(default_factory=Engine)

    @property
    def template(self) -> Template:
        """Of the fine-tuned side."""
        return self.tuned.template

    @property
    def stop_ids(self) -> frozenset[int]:
        """Of the fine-tuned side."""
        return self.tuned.stop_ids

    @property
    def context_tokens(self) -> int:
        """The shorter context of the two."""
        return min(self.base.context_tokens, self.tuned.context_tokens)

    @property
    def device(self) -> str:
        """Of the fine-tuned side."""
        return self.tuned.device


class Voices:
    """Loads voices. Those over one base share its weights for as long as one of them is in use."""

    def __init__(self) -> None:
        self._bases: weakref.WeakValueDictionary[Any, Loaded] = weakref.WeakValueDictionary()
        self._lock = RLock()

    def pair(self, config: RunConfig, folder: Path, engine: Engine | None = None) -> Pair:
        """The base of a run and the result in `folder`: one set of weights with the adapter off and on, or two sets.

        The base is loaded from where the run took it, before any adapter touches it, and fingerprinted then. Raises
        ModelError when it has gone.
        """
        with self._lock:
            asked = _Asked(config, folder)
            if not models.is_adapter(folder):
                base, tuned = self._shared(asked), Loaded(*_whole(asked))
                sides = asked.voice(base), asked.voice(tuned)
            else:
                sides = self._mixed(asked) or self._switched(asked)
            return Pair(*sides, engine or Engine())

    def _shared(self, asked: "_Asked") -> Loaded:
        base = self._bases.get(asked.key)
        if base is None:
            base = self._bases[asked.key] = Loaded(*_base(asked))
        return base

    def _mixed(self, asked: "_Asked") -> tuple[Voice, Voice] | None:
        """Both sides over shared weights in one pass, for the adapters whose algebra allows it."""
        if not asked.is_causal:
            return None
        base, name = self._shared(asked), uuid4().hex
        updates = read_low_rank(asked.folder, base.model)
        if updates is None or not base.add_low_rank(name, updates):
            return None
        tuned = asked.voice(base, name=name, adapter="on")
        weakref.finalize(tuned, base.forget, name)
        return asked.voice(base, adapter="off"), tuned

    def _switched(self, asked: "_Asked") -> tuple[Voice, Voice]:
        """Both sides over one set of weights, a pass each: any adapter of peft, and our own."""
        model, weights = _base(asked)
        before = _trial_logits(model) if asked.is_causal else None
        attached = models.attach_saved(model, asked.folder)
        own = Loaded(attached, weights, switched=True)
        tuned = asked.voice(own, name=ADAPTER, adapter="on")
        with own.only(BASE):
            untouched = before is None or _is_close(before, _trial_logits(attached))
        return asked.voice(own if untouched else self._shared(asked), adapter="off"), tuned


class _Asked:
    """What is to be loaded: a run's config and the folder of a result."""

    def __init__(self, config: RunConfig, folder: Path) -> None:
        self.config = config
        self.folder = folder
        self.template = models.saved_template(folder)
        self.device = models.best_device()
        self.is_causal = config.task.HEAD == "AutoModelForCausalLM"

    @property
    def key(self) -> Any:
        """Equal keys, equal bases. A head of its own makes a base that nobody else can use."""
        seed = self.config.training.seed if self.config.model.random_weights else None
        return self.config.model, seed, self.bits, None if self.is_causal else self.folder

    def load(self, model: ModelConfig, bits: int | None = None) -> Any:
        """A model with the task's head."""
        options = self.config.task.head_options(self.template)
        dtype = models.frozen_dtype(self.device)
        return models.load_model(model, self.config.task.HEAD, self.device, dtype, options, bits)

    @property
    def bits(self) -> int | None:
        """Of a quantized base; where there is no GPU the adapter stands beside the weights as they are."""
        return self.config.adapter.quantized_bits if self.device.type == "cuda" else None

    def voice(self, loaded: Loaded, *, name: str = BASE, adapter: Literal["on", "off", "none"] = "none") -> Voice:
        """One side over loaded weights."""
        taken = self.config.adapter.virtual_tokens if adapter == "on" else 0
        return Voice(
            loaded.model, adapter, _adapted(loaded.weights, self.folder) if adapter == "on" else loaded.weights,
            loaded, name, self.template, models.stop_ids(loaded.model, self.template),
            models.context_tokens(self.config.model) - taken,
        )  # fmt: skip


def load_pair(config: RunConfig, folder: Path, engine: Engine | None = None) -> Pair:
    """As `Voices.pair`, for one pair alone."""
    return Voices().pair(config, folder, engine)


@contextmanager
def checkpoint_result(config: RunConfig, checkpoint: Path, template: Template, total_steps: int) -> Iterator[Path]:
    """A folder with what the run would have saved at a checkpoint, for the length of the context."""
    import torch
    from safetensors.torch import load_file

    torch.manual_seed(config.training.seed)  # as the run did: some adapters are drawn before they are trained
    device = torch.device("cpu")
    options = config.task.head_options(template)
    model = models.load_model(config.model, config.task.HEAD, device, torch.float32, options)
    model = config.adapter.attach(model, total_steps)
    weights = load_file(checkpoint / "weights.safetensors")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name in weights:
                weight.copy_(weights[name])
    with tempfile.TemporaryDirectory(prefix="chatgui-") as folder:
        model.save_pretrained(folder)
        template.tokenizer.save_pretrained(folder)
        yield Path(folder)


def _base(asked: _Asked) -> tuple[Any, str]:
    if asked.config.model.random_weights:  # the base was drawn from this seed before the first step
        import torch

        torch.manual_seed(asked.config.training.seed)
    model = asked.load(asked.config.model, asked.bits)
    return model, models.weights_fingerprint(model)


def _whole(asked: _Asked) -> tuple[Any, str]:
    model = asked.load(ModelConfig(name=str(asked.folder)))
    return model, models.weights_fingerprint(model)


def _adapted(base: str, folder: Path) -> str:
    """12 hex digits over the base's fingerprint and an adapter's settings and weights."""
    digest = hashlib.sha256(base.encode())
    settings = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    settings.pop("base_model_name_or_path", None)  # where the base lies says nothing about what it is
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for file in sorted(folder.glob("*.safetensors")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _trial_logits(model: Any) -> "torch.Tensor":
    import torch

    device = next(model.parameters()).device
    with torch.inference_mode(), models.precision(device):
        return model(input_ids=torch.tensor([[1, 2, 3, 4]], device=device)).logits.float()


def _is_close(left: "torch.Tensor", right: "torch.Tensor") -> bool:
    return left.shape == right.shape and float((left - right).abs().max()) <= 1e-4 * float(left.std())
