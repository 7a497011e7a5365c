"""Optimizers and learning-rate schedules, from torch and transformers."""

from typing import TYPE_CHECKING, Any

from chatgui.config import TrainingConfig

if TYPE_CHECKING:
    import torch


def make_optimizers(model: Any, config: TrainingConfig) -> "list[torch.optim.Optimizer]":
    """One optimizer, or two: Muon takes the hidden matrices only, AdamW the rest (Jordan et al. 2024).

    Weight decay spares norms and biases, that is, everything with fewer than two dimensions.
    """
    import torch

    from chatgui.training.muon import Muon

    trained = [weight for weight in model.parameters() if weight.requires_grad]
    hidden: dict[int, torch.nn.Parameter] = {}
    if config.optimizer == "muon":
        ends = _embeddings(model)
        hidden = {id(weight): weight for weight in trained if weight.ndim == 2 and id(weight) not in ends}
    rest = [weight for weight in trained if id(weight) not in hidden]
    optimizers: list[torch.optim.Optimizer] = [_adamw(rest, config)] if rest else []
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


def _adamw(weights: "list[torch.nn.Parameter]", config: TrainingConfig) -> "torch.optim.Optimizer":
    import torch

    groups = [
        {"params": [w for w in weights if w.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=config.learning_rate, fused=True)


def _embeddings(model: Any) -> set[int]:
    """Identities of the weights at both ends of the model: embeddings and the output layer, tied or not."""
    import torch

    ends = {id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)}
    output = model.get_output_embeddings()
    return ends if output is None else {*ends, id(output.weight)}


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
