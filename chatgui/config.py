"""RunConfig: the one description of a run. Form, command line, `config.yaml` and help all come from it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from chatgui.adapters import Adapter
from chatgui.adapters.lora import Lora
from chatgui.data.load import DataConfig
from chatgui.errors import ConfigError
from chatgui.evaluation.probes import ProbesConfig
from chatgui.fields import Config, Elsewhere, Simple, build, flatten, unflatten
from chatgui.tasks import Task
from chatgui.tasks.chat import Chat

TRACKERS = ("tensorboard", "wandb", "trackio")


def tracker_names(text: str | None) -> tuple[str, ...]:
    """The trackers of a list with commas between."""
    return tuple(name.strip() for name in (text or "").replace("，", ",").split(",") if name.strip())


def _known_trackers(text: str | None) -> str | None:
    if unknown := [name for name in tracker_names(text) if name not in TRACKERS]:
        raise PydanticCustomError("trackers", "unknown tracker", {"found": unknown[0], "known": ", ".join(TRACKERS)})
    return text


class ModelConfig(Config):
    """The model to start from."""

    name: Annotated[str, Simple()] = "starter"
    """The bundled starter, a folder with a model in it, or a name on the hub such as openai-community/gpt2."""
    revision: str | None = None
    """Branch, tag or commit on the hub; a commit makes the run repeatable."""
    random_weights: bool = False
    """Start from random weights in the shape of the model's config.json: pretraining from scratch."""


class TrainingConfig(Config):
    """How it is trained."""

    epochs: Annotated[float, Simple()] = Field(3.0, gt=0, le=1000)
    """Passes over the training data; more learn the data better, then by heart."""
    max_steps: int | None = Field(None, ge=1)
    """Exactly so many steps instead of the epochs; the data is repeated as needed."""
    learning_rate: Annotated[float, Simple()] = Field(5e-3, ge=1e-7, lt=1)
    """Size of a step; higher learns faster and forgets more. LoRA bears about ten times the rate of full training."""
    batch_size: int = Field(16, ge=1, le=4096)
    """Examples per step; larger gives calmer steps, fewer of them and the same memory (see micro_batch_tokens)."""
    micro_batch_tokens: int = Field(1024, ge=64)
    """Tokens computed at once; the result stays the same. Fewer need less memory; a GPU may want more (8,192)."""
    max_length_tokens: int | None = Field(None, ge=8)
    """Longer examples are cut at their end; empty means the model's own limit."""
    optimizer: Literal["adamw", "adamw_8bit", "muon", "sgd"] = "adamw"
    """AdamW suits everything; in 8 bits it needs a quarter of its memory; Muon is for training from scratch."""
    schedule: Literal[
        "cosine", "linear", "constant", "cosine_with_restarts", "polynomial", "warmup_stable_decay", "inverse_sqrt"
    ] = "cosine"
    """How the learning rate falls after the warm-up. Cosine is hardly ever beaten for a run of known length."""
    warmup_fraction: float = Field(0.05, ge=0, le=1)
    """Share of the steps in which the rate rises from zero; protects the first steps."""
    weight_decay: float = Field(0.0, ge=0, le=1)
    """Pull of the weights towards zero (L2, decoupled); norms and biases are spared."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients longer than this are shortened to it; protects against a wild batch."""
    evaluation_steps: int | None = Field(None, ge=1)
    """Steps between two looks at the validation split; empty means about ten looks in the run."""
    checkpoint_steps: int | None = Field(None, ge=1)
    """Steps between two checkpoints a run can be resumed from; empty means about every tenth of the run."""
    patience: int | None = Field(None, ge=1)
    """Stop after so many looks at the validation split in a row without a gain; empty trains to the planned end, to
    which the learning rate falls."""
    minimum_gain: float = Field(0.0, ge=0)
    """Fall of the validation loss, in nats, that counts as a gain for patience; 0 counts any."""
    result: Literal["last", "best"] = "last"
    """Which weights are the result: those of the last step, or of the look with the lowest validation loss. Best needs
    memory for a second copy of what learns."""
    replay_fraction: float = Field(0.0, ge=0, le=0.9)
    """Share of the training examples that is drawn from other data, so that the model forgets less of what it could; a
    tenth is usual. 0 trains on your data alone."""
    replay_source: str = "tutor"
    """Where they come from: a bundled sample, a file or folder, or a dataset on the hub, in the task's own form."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Share of an even guess mixed into each label; makes the model less sure. 0 keeps the loss comparable."""
    neftune_alpha: float = Field(0.0, ge=0, le=100)
    """Noise on the embeddings while training; 5 often gives fuller replies from little data. 0 adds none."""
    dropout: float | None = Field(None, ge=0, lt=1)
    """Dropout of the base model; empty keeps what its config says. 0 is faster, more is against learning by heart."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """What the passes compute in: auto takes bfloat16 where the device has it and float32 elsewhere."""
    gradient_checkpointing: Literal["auto", "on", "off"] = "auto"
    """Keep less in memory and compute it a second time: about a third slower. Auto turns it on when memory runs out."""
    seed: int = Field(0, ge=0)
    """Fixes the order of the data and the initial adapter, so that a run can be repeated."""


class LaunchConfig(Config):
    """On how many processes a run trains; the effective batch stays `training.batch_size`."""

    processes: int = Field(1, ge=1, le=64)
    """Processes of each machine that share every step: one for each of its GPUs. The curve stays the same."""
    sharding: Literal["none", "all", "machine"] = "none"
    """Frozen weights under an adapter, dealt out over all processes or over those of each machine: less memory for
    each, more sent between them."""
    machines: Annotated[int, Elsewhere()] = Field(1, ge=1, le=512)
    """Machines that train together. Each runs the same command with its own machine_rank."""
    machine_rank: Annotated[int, Elsewhere()] = Field(0, ge=0, le=511)
    """Number of this machine; machine 0 keeps the run."""
    main_address: Annotated[str | None, Elsewhere()] = None
    """Name or address of machine 0, as the others reach it."""
    main_port: Annotated[int, Elsewhere()] = Field(29500, ge=1024, le=65535)
    """Port on machine 0 through which the machines find each other."""

    @property
    def total(self) -> int:
        """Processes of all machines."""
        return self.processes * self.machines

    @property
    def shards(self) -> bool:
        """Whether a process holds but a part of the frozen weights."""
        return self.sharding != "none" and self.total > 1

    @model_validator(mode="after")
    def _machines_know_each_other(self) -> "LaunchConfig":
        if self.machines > 1 and not self.main_address:
            raise PydanticCustomError("main_address", "needs main_address", {})
        if self.machine_rank >= self.machines:
            raise PydanticCustomError("machine_rank", "too high", {"highest": self.machines - 1})
        return self


class GenerationConfig(Config):
    """How replies are drawn, the same on both sides."""

    temperature: float = Field(0.7, ge=0, le=5)
    """0 always takes the likeliest token; higher is livelier and less sure."""
    top_p: float = Field(0.9, gt=0, le=1)
    """Only the likeliest tokens that together hold this probability are drawn from."""
    top_k: int = Field(0, ge=0)
    """Only so many of the likeliest tokens are drawn from; 0 sets no such limit."""
    max_new_tokens: int = Field(256, ge=1, le=32768)
    """A reply that has not ended by itself is cut here."""
    seed: int = Field(0, ge=0)
    """The same seed draws the same reply again."""


class RunConfig(Config):
    """Data + model + adapter + task + training + generation."""

    version: Annotated[Literal[1], Elsewhere()] = 1
    """Of this file's form."""
    task: Task = Chat()
    """What the model learns to do."""
    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    adapter: Annotated[Adapter, Simple()] = Lora()
    """How the model is changed: by a small adapter beside frozen weights, or all of it."""
    training: TrainingConfig = TrainingConfig()
    launch: LaunchConfig = LaunchConfig()
    probes: ProbesConfig = ProbesConfig()
    trackers: Annotated[str | None, AfterValidator(_known_trackers)] = Field(None, examples=list(TRACKERS))
    """Where the curves are written as well, commas between: tensorboard (files in the run's folder, no network), wandb,
    trackio. One that fails is told and left out."""
    generation: Annotated[GenerationConfig, Elsewhere()] = GenerationConfig()

    @model_validator(mode="after")
    def _shards_are_frozen(self) -> "RunConfig":
        if self.launch.shards and (not self.adapter.FREEZES_BASE or self.adapter.quantized_bits):
            raise PydanticCustomError("sharding", "nothing to shard", {"adapter": self.adapter.kind})
        return self

    @property
    def tracker_names(self) -> tuple[str, ...]:
        """Those of `trackers`, one by one."""
        return tracker_names(self.trackers)


RETIRED = (("training", "compile"),)
"""Fields of files that an older version wrote: what they did is no longer done, and the run stays readable."""


def read_config(path: Path, overrides: Mapping[str, Any] | None = None) -> RunConfig:
    """A config file, with dotted overrides (`{"training.epochs": "2"}`) on top.

    Raises ConfigError that names the file, or the field, what was found and what is allowed.
    """
    values = read_yaml(path)
    for group, field in RETIRED:
        if isinstance(values.get(group), dict):
            values[group].pop(field, None)
    return build(RunConfig, merged(values, unflatten(overrides or {})))


def read_yaml(path: Path) -> dict[str, Any]:
    """The groups of a config file. Raises ConfigError that names the file when it is not one."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError("config.not_found", path=str(path)) from error
    except (yaml.YAMLError, UnicodeDecodeError, IsADirectoryError) as error:
        raise ConfigError("config.unreadable", path=str(path), reason=" ".join(str(error).split())[:200]) from error
    if not isinstance(values, dict):
        raise ConfigError("config.not_mapping", path=str(path), found=type(values).__name__)
    return values


def write_config(config: RunConfig, path: Path) -> None:
    """The whole config as YAML, so that a later change of a default does not change an old run."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    path.write_text(text, encoding="utf-8")


def differences(config: RunConfig) -> dict[str, Any]:
    """Dotted fields that differ from their defaults."""
    default = flatten(RunConfig())
    return {name: value for name, value in flatten(config).items() if default.get(name) != value}


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested groups with changes on top; another kind of a union replaces the whole group."""
    result = dict(values)
    for name, change in changes.items():
        old = result.get(name)
        if isinstance(change, dict) and isinstance(old, dict):
            other_kind = "kind" in change and change["kind"] != old.get("kind")
            result[name] = change if other_kind else merged(old, change)
        else:
            result[name] = change
    return result
