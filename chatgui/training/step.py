"""The gradient of one step: micro-batches, precision, noise, and what is done when memory runs out.

Knows nothing of optimizers, schedules or events along the run but the notices it gives.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chatgui.attention import packed_attention, packs
from chatgui.config import TrainingConfig
from chatgui.events import Notice
from chatgui.models import precision
from chatgui.ranks import ALONE, Ranks
from chatgui.tasks import Task
from chatgui.tokens.batches import Batch, collate, micro_batches
from chatgui.tokens.example import Example, lengths_of
from chatgui.training.fused import fuse_lora

if TYPE_CHECKING:
    import torch

SMALLEST_BUDGET_TOKENS = 64
"""Below it a micro-batch is a single example anyway."""


@dataclass(frozen=True)
class Computed:
    """A step's mean loss over all its labels, the length of its gradient before it is shortened, its real tokens and
    the task's metrics. `loss` and `grad_norm` may be no numbers."""

    loss: float
    grad_norm: float
    tokens: int
    metrics: dict[str, float]


class Gradients:
    """Computes the gradients of one step after the other. Use as a context manager: it leaves the model as it was.

    `budget_tokens` is what micro-batches keep to; it is halved for the rest of the run when memory runs out.
    """

    def __init__(
        self, model: Any, task: Task, examples: Sequence[Example], config: TrainingConfig, *,
        say: Callable[[Notice], None], budget_tokens: int | None = None, checkpointing: bool = False,
        ranks: Ranks = ALONE,
    ) -> None:  # fmt: skip
        self.model, self.task, self.examples, self.config, self.say = model, task, examples, config, say
        self.weights = [weight for weight in model.parameters() if weight.requires_grad]
        self.device = self.weights[0].device
        self.lengths = lengths_of(examples)
        self.spare = [min(range(len(self.lengths)), key=self.lengths.__getitem__)]
        self.budget_tokens = budget_tokens or config.micro_batch_tokens
        self.checkpointing = checkpointing or config.gradient_checkpointing == "on"
        self.packed = packs(model, task)
        self.ranks = ranks
        self._batch: Batch | None = None
        self._undo: list[Callable[[], Any]] = []

    def __enter__(self) -> "Gradients":
        if self.config.neftune_alpha:
            self._undo.append(self.model.get_input_embeddings().register_forward_hook(self._noise).remove)
        if self.config.dropout is not None:
            self._undo += set_dropout(self.model, self.config.dropout)
        self._undo += fuse_lora(self.model)
        if self.checkpointing:
            self._checkpoint()
        return self

    def __exit__(self, *_: Any) -> None:
        for undo in reversed(self._undo):
            undo()

    def compute(self, indices: Sequence[int], step: int) -> Computed:
        """Gradients of the mean over all labels of the step, whatever its micro-batches and ranks; the weights' `grad`
        hold them.

        When memory runs out, the same step is computed again in smaller micro-batches, with the same random numbers.
        Raises what torch raised when not even a single example fits.
        """
        state = random_state(self.device)
        while True:
            failure: Exception = MemoryError()  # of another rank
            try:
                loss, tally = self._pass(indices)
                full = False
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error) or self.ranks.sharded:  # the others wait within their pass
                    raise
                failure = error.with_traceback(None)  # its frames hold the tensors that are in the way
                full = True
            if not self.ranks.any(full):
                return self._joined(indices, loss, tally)
            for weight in self.weights:
                weight.grad = None
            self._batch = None
            if self.device.type == "cuda":
                import torch

                torch.cuda.empty_cache()
            if not self._shrink(indices, step):
                raise failure
            set_random_state(state, self.device)

    def _pass(self, indices: Sequence[int]) -> "tuple[torch.Tensor, Counter[str]]":
        """Gradients of this rank's share of the mean loss; the share, and what the task has counted."""
        import torch

        self.model.train()
        parts = self.ranks.in_step(self._parts(self._shares(indices)[self.ranks.rank]), self.spare)
        batches = [(self._collate(part), weight) for part, weight in parts]
        supervised = self._supervised(indices)
        total = torch.zeros((), device=self.device)
        with packed_attention(self.model) if self.packed else nullcontext():
            for batch, weight in batches:
                self._batch = batch
                with precision(self.device, self.config.precision):
                    loss = self.task.loss(self.model, batch) * weight / supervised
                loss.backward()
                total += loss.detach()
        tally: Counter[str] = Counter()
        for batch, weight in batches:
            tally.update(batch.tally if weight else {})
        return total, tally

    def _joined(self, indices: Sequence[int], loss: "torch.Tensor", tally: "Counter[str]") -> Computed:
        """The step as all ranks have computed it together."""
        import torch

        self.ranks.add_gradients(self.weights)
        grad_norm = torch.nn.utils.clip_grad_norm_(self.weights, self.config.max_grad_norm)
        mean, norm = torch.stack([loss, grad_norm]).tolist()  # the one time a step waits for the device
        sums = self.ranks.added({"": mean, **tally})
        mean = sums.pop("")
        metrics = {name: value / self._supervised(indices) for name, value in sums.items()}
        return Computed(mean, norm, sum(self.lengths[index] for index in indices), metrics)

    def _supervised(self, indices: Sequence[int]) -> int:
        return max(1, sum(self.examples[index].supervised for index in indices))

    def _shares(self, indices: Sequence[int]) -> list[list[int]]:
        return self.ranks.shares(indices, self.lengths)

    def _parts(self, indices: Sequence[int]) -> list[list[int]]:
        return list(micro_batches(indices, self.lengths, self.budget_tokens, packed=self.packed))

    def _collate(self, part: Sequence[int]) -> Batch:
        batch = collate([self.examples[index] for index in part], self.device, packed=self.packed)
        return replace(batch, label_smoothing=self.config.label_smoothing)

    def _shrink(self, indices: Sequence[int], step: int) -> bool:
        """Make the next try smaller and say so; False when there is nothing left to make smaller."""
        parts = [part for share in self._shares(indices) for part in self._parts(share)]
        if max(map(len, parts)) > 1:
            before = self.budget_tokens
            largest = max(sum(self.lengths[index] for index in part) for part in parts if len(part) > 1)
            self.budget_tokens = max(SMALLEST_BUDGET_TOKENS, min(before, largest) // 2)
            if self.budget_tokens < before:
                self.say(
                    Notice("training.smaller_batches", {"step": step, "before": before, "now": self.budget_tokens})
                )
                return True
        if self.config.gradient_checkpointing == "auto" and not self.checkpointing:
            self.checkpointing = self._checkpoint()
            if self.checkpointing:
                self.say(Notice("training.checkpointing", {"step": step}))
            return self.checkpointing
        return False

    def _checkpoint(self) -> bool:
        """Keep only each layer's input and compute the rest again in the backward pass. False where it is unknown."""
        base = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        if not getattr(base, "supports_gradient_checkpointing", False):
            return False
        if hasattr(base, "activation_checkpointing_enable"):
            base.activation_checkpointing_enable({"use_reentrant": False})
            self._undo.append(base.activation_checkpointing_disable)
        else:  # its name before transformers 5.23
            base.gradient_checkpointing_enable({"use_reentrant": False})
            self._undo.append(base.gradient_checkpointing_disable)
        return True

    def _noise(self, module: Any, inputs: Any, embeddings: "torch.Tensor") -> "torch.Tensor":
        """NEFTune (Jain et al. 2023, arXiv:2310.05914): even noise of size alpha / sqrt(L D) on L embeddings of D."""
        import torch

        if self._batch is None or not module.training:
            return embeddings
        lengths = self._batch.lengths.to(embeddings.dtype)
        packed = self._batch.packed  # then (1, T), else (B, 1)
        lengths = lengths.repeat_interleave(self._batch.lengths)[None] if packed else lengths[:, None]
        size = self.config.neftune_alpha / (lengths * embeddings.shape[-1]).sqrt()
        return embeddings + (torch.rand_like(embeddings) * 2 - 1) * size[..., None]


def set_dropout(model: Any, share: float) -> list[Callable[[], Any]]:
    """Give every dropout of the base model that share; an adapter's own dropout keeps its. Returns what undoes it."""
    import torch

    undo: list[Callable[[], Any]] = []

    def put(module: Any, name: str) -> None:
        before = getattr(module, name)
        undo.append(lambda: setattr(module, name, before))
        setattr(module, name, share)

    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Dropout) and "lora_" not in name:
            put(module, "p")
        if isinstance(getattr(module, "attention_dropout", None), float):
            put(module, "attention_dropout")
    return undo


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; the CPU's allocator says so in words only."""
    import torch

    words = str(error).lower()
    return (
        isinstance(error, (MemoryError, torch.OutOfMemoryError))
        or "can't allocate memory" in words or "out of memory" in words
    )  # fmt: skip


def random_state(device: "torch.device") -> "dict[str, torch.Tensor]":
    """States of the generators that a step draws from."""
    import torch

    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_random_state(state: "dict[str, torch.Tensor]", device: "torch.device") -> None:
    """Go back to a state of `random_state`."""
    import torch

    torch.set_rng_state(state["cpu"])
    if "cuda" in state and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
