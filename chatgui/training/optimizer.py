"""Optimizers and learning-rate schedules, from torch and transformers."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from chatgui.config import TrainingConfig
from chatgui.errors import ConfigError

if TYPE_CHECKING:
    import torch

MOMENTUM = 0.9
"""Of SGD: what nearly all published recipes use."""
RESTARTS = 3
"""Falls of the cosine with restarts; more of them leave none the time to settle."""
POWER = 2.0
"""Of the polynomial fall; with 1 it would be the linear one."""
DECAY_SHARE = 0.2
"""Of the steps in which a warm-up-stable-decay rate falls: 10 to 20 % do (Hägele et al. 2024, arXiv:2405.18392)."""


def make_optimizers(model: Any, config: TrainingConfig) -> "list[torch.optim.Optimizer]":
    """One optimizer, or two: Muon takes the hidden matrices only, AdamW the rest (Jordan et al. 2024).

    Weight decay spares norms and biases, that is, everything with fewer than two dimensions. Raises ConfigError for
    8-bit AdamW without an NVIDIA GPU or without bitsandbytes.
    """
    import torch

    from chatgui.training.muon import Muon

    trained = [weight for weight in model.parameters() if weight.requires_grad]
    hidden: dict[int, torch.nn.Parameter] = {}
    if config.optimizer == "muon":
        ends = _embeddings(model)
        hidden = {id(weight): weight for weight in trained if weight.ndim == 2 and id(weight) not in ends}
    rest = [weight for weight in trained if id(weight) not in hidden]
    optimizers: list[torch.optim.Optimizer] = [_usual(rest, config)] if rest else []
    if hidden:
        muon = Muon(list(hidden.values()), lr=config.learning_rate, weight_decay=config.weight_decay)
        optimizers.insert(0, muon)
    _tell(getattr(model, "step_hooks", None), optimizers)
    return optimizers


def _tell(hooks: Any, optimizers: "list[torch.optim.Optimizer]") -> None:
    """An adapter that takes part in the steps hears of each before the first optimizer and after the last."""
    if hooks:
        optimizers[0].register_step_pre_hook(lambda optimizer, *_: hooks.before_step(optimizer))
        optimizers[-1].register_step_post_hook(lambda optimizer, *_: hooks.after_step(optimizer))


def _usual(weights: "list[torch.nn.Parameter]", config: TrainingConfig) -> "torch.optim.Optimizer":
    """AdamW or SGD, in one kernel for all weights of a device where torch has one."""
    import torch

    rate = config.learning_rate
    groups = [
        {"params": [w for w in weights if w.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
    ]
    filled = [group for group in groups if group["params"]]
    if config.optimizer == "sgd":
        return torch.optim.SGD(filled, lr=rate, momentum=MOMENTUM, fused=True)
    if config.optimizer == "adamw_8bit":
        must_have_8bit(weights[0].device.type)
        from bitsandbytes.optim import AdamW8bit

        return AdamW8bit(filled, lr=rate)
    return torch.optim.AdamW(filled, lr=rate, fused=True)


STATE_BYTES = {"adamw": 8, "adamw_8bit": 2, "muon": 8, "sgd": 4}
"""What an optimizer holds for each trained weight, at most: Muon half as much for the matrices it takes."""


def must_have_8bit(device: str) -> None:
    """Raises ConfigError where 8-bit AdamW cannot run."""
    if device != "cuda":
        raise ConfigError("training.8bit_needs_gpu", field="training.optimizer", device=device)
    if find_spec("bitsandbytes") is None:
        raise ConfigError("training.8bit_needs_library", field="training.optimizer")


def _embeddings(model: Any) -> set[int]:
    """Identities of the weights at both ends of the model: embeddings and the output layer, tied or not."""
    import torch

    ends = {id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)}
    output = model.get_output_embeddings()
    return ends if output is None else {*ends, id(output.weight)}


def make_schedules(
    optimizers: "list[torch.optim.Optimizer]", config: TrainingConfig, total_steps: int
) -> "list[torch.optim.lr_scheduler.LRScheduler]":
    """transformers' schedules, one for each optimizer: a linear warm-up, then the chosen fall to zero.

    `constant` stays where it is, and `inverse_sqrt` falls for ever without arriving.
    """
    from transformers import get_scheduler

    warmup_steps = round(total_steps * config.warmup_fraction)
    name = "constant_with_warmup" if config.schedule == "constant" else config.schedule
    special = {
        "cosine_with_restarts": {"num_cycles": RESTARTS},
        "polynomial": {"power": POWER, "lr_end": 0.0},
        "warmup_stable_decay": {"num_decay_steps": round(total_steps * DECAY_SHARE)},
    }.get(config.schedule)
    return [
        get_scheduler(name, optimizer, warmup_steps, total_steps, scheduler_specific_kwargs=special)
        for optimizer in optimizers
    ]
