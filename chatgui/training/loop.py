"""The training loop: examples in, events out. Knows neither process, disk nor screen."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chatgui.config import TrainingConfig
from chatgui.errors import ModelError
from chatgui.evaluation.losses import LeftOff, measure
from chatgui.events import Evaluation, Event, Notice, Step
from chatgui.ranks import ALONE, Ranks
from chatgui.tasks import Task
from chatgui.tokens.batches import plan_epoch
from chatgui.tokens.example import Example, lengths_of
from chatgui.tokens.report import steps_per_epoch
from chatgui.training.optimizer import make_optimizers, make_schedules
from chatgui.training.step import Gradients, random_state, set_random_state

if TYPE_CHECKING:
    import torch

LOOKS_PER_RUN = 10
"""Evaluations and checkpoints of a run whose config leaves them open, ..."""
SHORTEST_PAUSE_STEPS = 20
"""... but not more often than this: in a short run they would cost more than the training."""
MOST_SKIPPED = 3
"""Batches in a row whose loss is no number, after which the run is held to have diverged."""


@dataclass(frozen=True)
class Outcome:
    """How it ended. Losses are in nats per labelled token; `validation_loss` is None without a validation split."""

    steps: int
    seconds: float
    tokens: int
    train_loss: float
    validation_loss: float | None
    stopped: bool
    result_step: int = 0
    """The step whose weights the model has now: the last one, or the best when `training.result` asks for it."""


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
    budget_tokens: int = 0
    """Of a micro-batch, where memory made it smaller than the config says; 0 means the config's."""
    checkpointing: int = 0
    """1 when activations are computed again in the backward pass."""
    skipped: int = 0
    """Batches left out in a row just before."""
    best_loss: float = math.inf
    best_step: int = 0
    looks_without_gain: int = 0
    best_weights: "dict[str, torch.Tensor] | None" = None
    """Only where `training.result` is the best step."""
    recent: list[float] = field(default_factory=list)
    """Losses of the last steps, oldest first."""
    owes_look: int = 0
    """1 when the look at the validation split after this step was broken off."""


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
    must_leave: Callable[[], bool] = lambda: False,
    ranks: Ranks = ALONE,
) -> Outcome:
    """Train `model` in place and leave it in evaluation mode.

    `emit` gets a Step for every optimizer step and an Evaluation at step 0, along the run and at its end; a Notice when
    a batch is left out because its loss or gradient is no number, and when memory makes micro-batches smaller.
    `should_stop` is asked after each step. `keep` gets a Snapshot every `checkpoint_steps` and at a stop (it may raise
    to leave at once, without the last evaluation); given back as `resume`, it goes on as if nothing had happened (same
    machine, threads and versions). `must_leave` is asked within an evaluation as well and breaks it off. Each of
    several `ranks` calls this with the same data. Raises ModelError when MOST_SKIPPED batches in a row give no numbers;
    the weights then are those of the last good step.
    """
    loop = _Loop(model, task, train_examples, validation_examples, config, emit, resume, must_leave, ranks)
    with loop.gradients:
        stopped = loop.run(should_stop, keep)
    return loop.outcome(stopped, keep)


class _Loop:
    """One run: what it moves, and where it stands."""

    def __init__(
        self, model: Any, task: Task, examples: Sequence[Example], validation: Sequence[Example],
        config: TrainingConfig, emit: Callable[[Event], None], resume: Snapshot | None,
        must_leave: Callable[[], bool], ranks: Ranks,
    ) -> None:  # fmt: skip
        self.model, self.task, self.validation, self.config, self.emit = model, task, validation, config, emit
        self.must_leave, self.ranks = must_leave, ranks
        self.lengths = lengths_of(examples)
        self.total = total_steps(len(examples), config)
        self.weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self.optimizers = make_optimizers(model, config)
        self.schedules = make_schedules(self.optimizers, config, self.total)
        self.step = self.tokens = self.skipped = self.best_step = self.looks_without_gain = 0
        self.best_loss = math.inf
        self.best_weights: dict[str, torch.Tensor] | None = None
        self.validation_loss: float | None = None
        self.recent: list[float] = []
        self.owes_look = False
        self.started = time.monotonic()
        budget, checkpointing = (resume.budget_tokens, bool(resume.checkpointing)) if resume else (0, False)
        self.gradients = Gradients(
            model, task, examples, config, say=emit, budget_tokens=budget, checkpointing=checkpointing, ranks=ranks
        )
        if resume:
            self._restore(resume)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def run(self, should_stop: Callable[[], bool], keep: Callable[[Snapshot], None] | None) -> bool:
        """All steps to the end; True when somebody stopped it before."""
        if (self.step == 0 or self.owes_look) and not self._look() and keep:
            keep(self._snapshot())
        pause = max(SHORTEST_PAUSE_STEPS, self.total // LOOKS_PER_RUN)
        every, keep_every = self.config.evaluation_steps or pause, self.config.checkpoint_steps or pause
        for indices in _steps(self.lengths, self.config, self.step, self.total):
            self._train_on(indices)
            stopped = should_stop()
            if not stopped and self.step % every == 0 and self.step < self.total:
                stopped = not self._look()
            if keep and (stopped or (self.step % keep_every == 0 and self.step < self.total)):
                keep(self._snapshot())
            if stopped:
                return True
            if self.config.patience and self.looks_without_gain >= self.config.patience:
                values = {"step": self.step, "best": self.best_step, "looks": self.looks_without_gain}
                self.emit(Notice("training.stopped_early", values))
                return False
        return False

    def _train_on(self, indices: Sequence[int]) -> None:
        """One optimizer step, or none when the batch gives no numbers; the schedule goes on either way."""
        began = time.monotonic()
        rate = float(self.schedules[0].get_last_lr()[0])
        computed = self.gradients.compute(indices, self.step + 1)
        self.step += 1
        good = math.isfinite(computed.loss) and math.isfinite(computed.grad_norm)
        self.skipped = 0 if good else self.skipped + 1
        if self.skipped >= MOST_SKIPPED:
            raise ModelError("training.diverged", step=self.step, rate=f"{rate:g}")
        for optimizer, schedule in zip(self.optimizers, self.schedules, strict=True):
            if good:
                optimizer.step()
            _advance(schedule)
            optimizer.zero_grad()
        if not good:
            rows = ", ".join(str(index + 1) for index in sorted(indices))
            self.emit(Notice("training.batch_skipped", {"step": self.step, "rows": rows}))
            return
        self.tokens += computed.tokens
        epoch = self.step / steps_per_epoch(len(self.lengths), self.config.batch_size)
        speed = computed.tokens / max(time.monotonic() - began, 1e-9)
        self.emit(
            Step(
                self.step, epoch, self.tokens, self.seconds, computed.loss, rate, computed.grad_norm, speed,
                computed.metrics,
            )
        )  # fmt: skip
        self.recent = [*self.recent[-19:], computed.loss]

    def _look(self) -> bool:
        """The loss on the validation split, and whether it is the best so far. False when it was broken off."""
        if not self.validation:
            return True
        budget, wanted = self.gradients.budget_tokens, self.config.precision
        try:
            loss, metrics = measure(
                self.model, self.task, self.validation, budget, wanted, self.ranks, self.must_leave
            )  # fmt: skip
        except LeftOff:
            self.owes_look = self.step < self.total  # the last one is made at the end in any case
            return False
        self.owes_look = False
        self.emit(Evaluation(self.step, "validation", loss, metrics))
        self.validation_loss = loss
        if loss < self.best_loss - self.config.minimum_gain:
            self.looks_without_gain = 0
        elif self.step:
            self.looks_without_gain += 1
        if loss < self.best_loss:
            self.best_loss, self.best_step = loss, self.step
            if self.config.result == "best":
                self.best_weights = {name: weight.detach().cpu().clone() for name, weight in self.weights.items()}
        return True

    def outcome(self, stopped: bool, keep: Callable[[Snapshot], None] | None) -> Outcome:
        """The last look; then the best weights are put back where they are asked for."""
        seconds = self.seconds
        if not self._look() and keep:
            keep(self._snapshot())
        loss, result_step = self.validation_loss, self.step
        if self.best_weights is not None and self.best_step != self.step:
            self._put(self.best_weights)
            loss, result_step = self.best_loss, self.best_step
            self.emit(Notice("training.best_taken", {"step": result_step, "loss": f"{loss:.4f}"}))
        self.model.eval()
        train_loss = sum(self.recent) / max(1, len(self.recent))
        return Outcome(self.step, seconds, self.tokens, train_loss, loss, stopped, result_step)

    def _snapshot(self) -> Snapshot:
        gradients = self.gradients
        reduced = gradients.budget_tokens if gradients.budget_tokens != self.config.micro_batch_tokens else 0
        return Snapshot(
            self.step, self.tokens, self.seconds, {name: weight.detach() for name, weight in self.weights.items()},
            [optimizer.state_dict() for optimizer in self.optimizers],
            [schedule.state_dict() for schedule in self.schedules], random_state(gradients.device),
            budget_tokens=reduced, checkpointing=int(gradients.checkpointing), skipped=self.skipped,
            best_loss=self.best_loss, best_step=self.best_step, looks_without_gain=self.looks_without_gain,
            best_weights=self.best_weights, recent=list(self.recent), owes_look=int(self.owes_look),
        )  # fmt: skip

    def _restore(self, snapshot: Snapshot) -> None:
        self._put(snapshot.weights)
        parts: list[Any] = [*self.optimizers, *self.schedules]
        for part, state in zip(parts, [*snapshot.optimizers, *snapshot.schedules], strict=True):
            part.load_state_dict(state)
        for name in ("step", "tokens", "skipped", "recent", "best_loss", "best_step", "best_weights"):
            setattr(self, name, getattr(snapshot, name))
        self.looks_without_gain, self.owes_look = snapshot.looks_without_gain, bool(snapshot.owes_look)
        self.started = time.monotonic() - snapshot.seconds
        if self.ranks.is_main:  # the others draw from their own
            set_random_state(snapshot.random, self.gradients.device)

    def _put(self, weights: "dict[str, torch.Tensor]") -> None:
        import torch

        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(weights[name])


def _advance(schedule: Any) -> None:
    """The next learning rate. A batch that was left out moves the schedule as well, which torch would warn about."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step", category=UserWarning)
        schedule.step()


def _steps(lengths: Sequence[int], config: TrainingConfig, done: int, total: int) -> Iterator[list[int]]:
    """The batches of steps `done` to `total`; the data is repeated, in a new order each epoch."""
    per_epoch = steps_per_epoch(len(lengths), config.batch_size)
    for epoch in range(done // per_epoch, -(-total // per_epoch)):
        planned = plan_epoch(lengths, config.batch_size, config.seed, epoch)
        first = epoch * per_epoch
        yield from planned[max(0, done - first) : total - first]
