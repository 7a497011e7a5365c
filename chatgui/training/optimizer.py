"""Optimizers and learning-rate schedules, from torch and transformers."""

from typing import TYPE_CHECKING, Any

from chatgui.config import TrainingConfig

if TYPE_CHECKING:
    import torch


def make_optimizers(model: Any, config: TrainingConfig) -> "list[torch.optim.Optimizer]":
    """One optimizer, or two: Muon takes the hidden matrices only, AdamW the rest (Jordan et al. 2024).

    Weight decay spares norms and biases, that is, everything with fewer than two dimensions.
    """
    from chatgui.training.muon import Muon

    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    hidden = [w for name, w in trained.items() if w.ndim == 2 and "embed" not in name and not _is_embedding(model, w)]
    if config.optimizer == "muon" and hidden:
        chosen = {id(weight) for weight in hidden}
        muon = Muon(hidden, lr=config.learning_rate, weight_decay=config.weight_decay)
        return [muon, _adamw([weight for weight in trained.values() if id(weight) not in chosen], config)]
    return [_adamw(list(trained.values()), config)]


def _adamw(weights: "list[torch.nn.Parameter]", config: TrainingConfig) -> "torch.optim.Optimizer":
    import torch

    groups = [
        {"params": [w for w in weights if w.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=config.learning_rate, fused=True)


def _is_embedding(model: Any, weight: "torch.nn.Parameter") -> bool:
    import torch

    return any(isinstance(m, torch.nn.Embedding) and m.weight is weight for m in model.modules())


def make_schedules(
    optimizers: "list[torch.optim.Optimizer]", config: TrainingConfig, total_steps: int
) -> "list[torch.optim.lr_scheduler.LRScheduler]":
    """transformers' schedules, one for each optimizer: a linear warm-up, then the chosen fall to zero."""
    from transformers import get_scheduler

    warmup_steps = round(total_steps * config.warmup_fraction)
    name = "constant_with_warmup" if config.schedule == "constant" else config.schedule
    return [
        get_scheduler(name, optimizer, num_warmup_steps=warmup_steps, num_training_steps=total_steps)
        for optimizer in optimizers
    ]
