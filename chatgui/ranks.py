"""Several processes that train one model together: who computes which part of a step, and how the parts are joined.

Each process (a rank) holds the whole model, or its shard of it, and the same data. A step's examples are dealt out by
tokens, each rank sums the gradients of its share of the loss, and the sums are added. What a step learns is therefore
the mean over the labels of the whole batch, as with one process: `batch_size` stays the effective batch however many
there are. Knows neither runs nor what a loss is.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
BUCKET_BYTES = 64 * 1024 * 1024
"""Gradients are added in pieces of this size: few enough messages, and little memory beside the gradients."""
PATIENCE = timedelta(hours=12)
"""For the other ranks while one answers probes or writes a checkpoint. The launcher notices a dead one at once."""


@dataclass(frozen=True)
class Ranks:
    """The place of this process among all of them; by itself by default."""

    rank: int = 0
    count: int = 1
    sharded: bool = False
    """Whether each holds but a part of the frozen weights: then all must pass through the model together."""

    @property
    def is_main(self) -> bool:
        """Whether this process tells events, keeps checkpoints and saves the result."""
        return self.rank == 0

    def shares(self, indices: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
        """The examples of each rank, with about equally many tokens: the longest first, to whoever has least."""
        if self.count == 1:
            return [list(indices)]
        shares: list[list[int]] = [[] for _ in range(self.count)]
        loads = [0] * self.count
        for index in sorted(indices, key=lambda index: (-lengths[index], index)):
            lightest = loads.index(min(loads))
            shares[lightest].append(index)
            loads[lightest] += lengths[index]
        return shares

    def share_of_split(self, lengths: Sequence[int]) -> list[int]:
        """The examples of a whole split that this rank measures."""
        if self.count == 1:
            return list(range(len(lengths)))
        return sorted(range(len(lengths)), key=lengths.__getitem__)[self.rank :: self.count]

    def in_step(self, parts: Sequence[list[int]], spare: list[int]) -> list[tuple[list[int], int]]:
        """The micro-batches this rank computes, each with its weight.

        Ranks that hold parts of one model make equally many passes: who has fewer micro-batches adds passes over
        `spare`, which weigh 0.
        """
        own = [(part, 1) for part in parts]
        if not self.sharded:
            return own
        return [*own, *[(spare, 0)] * (max(self._all(len(own))) - len(own))]

    @contextmanager
    def one_after_another(self, together: int) -> Iterator[None]:
        """Of each `together` ranks, which share a machine, one at a time gets into the block."""
        import torch.distributed as group

        place = self.rank % together
        for _ in range(place):
            group.barrier()
        yield
        for _ in range(together - place):
            group.barrier()

    def any(self, flag: bool) -> bool:
        """Whether it is so on at least one rank."""
        return flag if self.count == 1 else any(self._all(flag))

    def same(self, value: Any) -> list[int]:
        """The ranks whose value is another than the first one's."""
        values = [value] if self.count == 1 else self._all(value)
        return [rank for rank, other in enumerate(values) if other != values[0]]

    def added(self, sums: Mapping[str, float]) -> dict[str, float]:
        """The sums of all ranks together, by name, added in the same order everywhere."""
        if self.count == 1:
            return dict(sums)
        total: Counter[str] = Counter()
        for part in self._all(dict(sums)):
            total.update(part)
        return dict(total)

    @overload
    def from_main(self, value: None) -> Any: ...
    @overload
    def from_main(self, value: T) -> T: ...
    def from_main(self, value: Any) -> Any:
        """What the first rank has, on all of them; the others' own values do not matter."""
        if self.count == 1:
            return value
        import torch.distributed as group

        box = [value]
        group.broadcast_object_list(box, src=0)
        return box[0]

    def add_gradients(self, weights: "Sequence[torch.nn.Parameter]") -> None:
        """Each weight's `grad` becomes the sum over all ranks; a rank without one counts as zero."""
        if self.count == 1:
            return
        for weight in weights:
            if weight.grad is None:
                weight.grad = weight.new_zeros(weight.shape)
        for bucket in _buckets([weight.grad for weight in weights if weight.grad is not None]):
            _add_up(bucket)

    def _all(self, value: T) -> list[T]:
        import torch.distributed as group

        values: list[Any] = [None] * self.count
        group.all_gather_object(values, value)
        return values


ALONE = Ranks()


def _buckets(gradients: "Sequence[torch.Tensor]") -> "list[list[torch.Tensor]]":
    """The gradients in their order, in pieces of one dtype that are not much larger than BUCKET_BYTES."""
    buckets: list[list[torch.Tensor]] = []
    room = 0
    for gradient in gradients:
        size = gradient.numel() * gradient.element_size()
        if not buckets or size > room or buckets[-1][0].dtype != gradient.dtype:
            buckets.append([])
            room = BUCKET_BYTES
        buckets[-1].append(gradient)
        room -= size
    return buckets


def _add_up(bucket: "list[torch.Tensor]") -> None:
    import torch
    import torch.distributed as group

    flat = torch.cat([gradient.reshape(-1) for gradient in bucket])
    group.all_reduce(flat)
    for gradient, added in zip(bucket, flat.split([gradient.numel() for gradient in bucket]), strict=True):
        gradient.copy_(added.view_as(gradient))


def join() -> Ranks:
    """This process's place among those that `accelerate launch` started, once they have found each other."""
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)
    return Ranks(state.process_index, state.num_processes)


def leave() -> None:
    """Take leave of the other ranks."""
    import torch.distributed as group

    if group.is_initialized():
        group.destroy_process_group()


def is_lost_rank(error: BaseException) -> bool:
    """Whether this is how torch says that another rank is gone."""
    import torch.distributed as group

    words = str(error).lower()
    marks = ("connection closed by peer", "connection reset by peer", "gloo", "nccl")
    return isinstance(error, getattr(group, "DistBackendError", ())) or any(mark in words for mark in marks)


def watch_parent(leave_now: Callable[[], None], pause: float = 1.0) -> None:
    """In a thread of its own: when the launcher that started this process is gone, `leave_now` is called once."""
    import threading
    import time

    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(pause)
        leave_now()

    threading.Thread(target=watch, name="parent", daemon=True).start()
