"""The training loop: examples in, events out. Knows neither process, disk nor screen."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chatgui.attention import packed_attention, packs
from chatgui.config import TrainingConfig
from chatgui.errors import ModelError
from chatgui.evaluation.losses import measure
from chatgui.events import Evaluation, Event, Step
from chatgui.models import precision
from chatgui.tasks import Task
from chatgui.tokens.batches import collate, micro_batches, plan_epoch
from chatgui.tokens.example import Example
from chatgui.tokens.report import steps_per_epoch
from chatgui.training.optimizer import make_optimizers, make_schedules

if TYPE_CHECKING:
    import torch

LOOKS_PER_RUN = 10
"""Evaluations and checkpoints of a run whose config leaves them open, ..."""
SHORTEST_PAUSE_STEPS = 20
"""... but not more often than this: in a short run they would cost more than the training."""


@dataclass(frozen=True)
class Outcome:
    """How it ended. Losses are in nats per labelled token; `validation_loss` is None without a validation split."""

    steps: int
    seconds: float
    tokens: int
    train_loss: float
    validation_loss: float | None
    stopped: bool


@dataclass(frozen=True)
class Snapshot:
    """All that a resumed run needs: trained weights by name, optimizer and schedule states, random states, place."""

    step: int
    tokens: int
    seconds: float
    weights: "dict[str, torch.Tensor]"
    optimizers: list[dict[str, Any]]
    schedules: list[dict[str, Any]]
    random: "dict[str, torch.Tensor]"


def total_steps(examples: int, config: TrainingConfig) -> int:
    """Optimizer steps of a run over that many examples."""
    if config.max_steps:
        return config.max_steps
    return max(1, round(steps_per_epoch(examples, config.batch_size) * config.epochs))


def train(
    model: Any,
    task: Task,
    train_examples: Sequence[Example],
    validation_examples: Sequence[Example],
    config: TrainingConfig,
    *,
    emit: Callable[[Event], None],
    should_stop: Callable[[], bool] = lambda: False,
    keep: Callable[[Snapshot], None] | None = None,
    resume: Snapshot | None = None,
) -> Outcome:
    """Train `model` in place and leave it in evaluation mode.

    `emit` gets a Step for every optimizer step and an Evaluation at step 0, along the run and at its end.
    `should_stop` is asked after each step. `keep` gets a Snapshot every `checkpoint_steps` and at a stop (it may raise
    to leave at once, without the last evaluation); given back as `resume`,
    it goes on as if nothing had happened (same machine, threads and versions). Raises ModelError when loss or
    gradients are no numbers any more; the weights then are those of the step before.
    """
    total = total_steps(len(train_examples), config)
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    optimizers = make_optimizers(model, config)
    schedules = make_schedules(optimizers, config, total)
    step, tokens, earlier_seconds = (resume.step, resume.tokens, resume.seconds) if resume else (0, 0, 0.0)
    if resume:
        _restore(resume, weights, optimizers, schedules)

    def look(at: int) -> float | None:
        if not validation_examples:
            return None
        loss, metrics = measure(model, task, validation_examples, config.micro_batch_tokens)
        emit(Evaluation(at, "validation", loss, metrics))
        return loss

    validation_loss = None if resume else look(0)
    pause = max(SHORTEST_PAUSE_STEPS, total // LOOKS_PER_RUN)
    every, keep_every = config.evaluation_steps or pause, config.checkpoint_steps or pause
    started = time.monotonic() - earlier_seconds
    recent: list[float] = []
    stopped = False
    lengths = [len(example) for example in train_examples]
    packed = packs(model, task)
    for indices in _steps(lengths, config, step, total):
        began = time.monotonic()
        rate = float(schedules[0].get_last_lr()[0])
        parts = [
            [train_examples[i] for i in part]
            for part in micro_batches(indices, lengths, config.micro_batch_tokens, packed=packed)
        ]
        loss, grad_norm, step_tokens, metrics = _step(model, task, parts, list(weights.values()), config, packed)
        if not math.isfinite(loss + grad_norm):
            raise ModelError("training.diverged", step=step + 1, rate=f"{rate:g}")
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        step += 1
        tokens += step_tokens
        now = time.monotonic()
        epoch = step / steps_per_epoch(len(lengths), config.batch_size)
        speed = step_tokens / max(now - began, 1e-9)
        emit(Step(step, epoch, tokens, now - started, loss, rate, grad_norm, speed, metrics))
        recent = [*recent[-19:], loss]
        stopped = should_stop()
        if not stopped and step % every == 0 and step < total:
            validation_loss = look(step)
        if keep and (stopped or (step % keep_every == 0 and step < total)):
            keep(_snapshot(step, tokens, time.monotonic() - started, weights, optimizers, schedules))
        if stopped:
            break
    seconds = time.monotonic() - started
    validation_loss = look(step)
    model.eval()
    return Outcome(step, seconds, tokens, sum(recent) / max(1, len(recent)), validation_loss, stopped)


def _step(
    model: Any, task: Task, parts: Sequence[Sequence[Example]], weights: "list[torch.nn.Parameter]",
    config: TrainingConfig, packed: bool,
) -> tuple[float, float, int, dict[str, float]]:  # fmt: skip
    """Gradients of the mean over all labelled tokens of the step, whatever its micro-batches.

    Returns that mean, the length of the gradient before it is shortened, the tokens, and the task's metrics.
    """
    import torch

    model.train()
    device = weights[0].device
    batches = [collate(part, device, packed=packed) for part in parts]
    supervised = max(1, sum(batch.supervised for batch in batches))
    total = torch.zeros((), device=device)
    with packed_attention(model) if packed else nullcontext():
        for batch in batches:
            with precision(device):
                loss = task.loss(model, batch) / supervised
            loss.backward()
            total += loss.detach()
    grad_norm = torch.nn.utils.clip_grad_norm_(weights, config.max_grad_norm)
    tally: Counter[str] = Counter()
    for batch in batches:
        tally.update(batch.tally)
    metrics = {name: value / supervised for name, value in tally.items()}
    return total.item(), grad_norm.item(), sum(batch.tokens for batch in batches), metrics


def _steps(lengths: Sequence[int], config: TrainingConfig, done: int, total: int) -> Iterator[list[int]]:
    """The batches of steps `done` to `total`; the data is repeated, in a new order each epoch."""
    per_epoch = steps_per_epoch(len(lengths), config.batch_size)
    for epoch in range(done // per_epoch, -(-total // per_epoch)):
        planned = plan_epoch(lengths, config.batch_size, config.seed, epoch)
        first = epoch * per_epoch
        yield from planned[max(0, done - first) : total - first]


def _snapshot(
    step: int, tokens: int, seconds: float, weights: "dict[str, torch.nn.Parameter]", optimizers: Any, schedules: Any
) -> Snapshot:
    import torch

    random = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        random["cuda"] = torch.cuda.get_rng_state()
    return Snapshot(
        step, tokens, seconds, {name: weight.detach() for name, weight in weights.items()},
        [optimizer.state_dict() for optimizer in optimizers], [schedule.state_dict() for schedule in schedules], random,
    )  # fmt: skip


def _restore(snapshot: Snapshot, weights: Any, optimizers: Any, schedules: Any) -> None:
    import torch

    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(snapshot.weights[name])
    for part, state in zip([*optimizers, *schedules], [*snapshot.optimizers, *snapshot.schedules], strict=True):
        part.load_state_dict(state)
    torch.set_rng_state(snapshot.random["cpu"])
    if "cuda" in snapshot.random and torch.cuda.is_available():
        torch.cuda.set_rng_state(snapshot.random["cuda"])
