"""Which examples make a step, and how they are laid into tensors. Deterministic in the seed; knows no model."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chatgui.tokens.example import IGNORE_INDEX, Example

if TYPE_CHECKING:
    import torch

WINDOW_BATCHES = 16
"""Batches that are sorted by length together. Wide enough that little is padding, narrow enough to stay random."""


@dataclass(frozen=True)
class Batch:
    """Examples as tensors: what a task's loss is given. An example's rivals are sequences behind its own.

    Padded: `input_ids` and `labels` are (B, T), one sequence a row, padding on the right with id 0 and label
    IGNORE_INDEX. Right-hand padding needs no attention mask in a causal model: no real token looks to its right.

    Packed: both are (1, T), the sequences end to end, `position_ids` (1, T) beginning at 0 with each of them. The label
    of a sequence's first token is IGNORE_INDEX, for there is nothing before it to be predicted from.
    """

    input_ids: "torch.Tensor"
    labels: "torch.Tensor"
    tokens: int
    """Real tokens, padding not counted."""
    supervised: int
    """Labels or whole sequences that teach: what the sum of losses is divided by."""
    lengths: "torch.Tensor"
    """Real tokens of each sequence (B)."""
    targets: "torch.Tensor | None" = None
    """Targets of the examples (N, K), float32, where they have any."""
    tally: dict[str, float] = field(default_factory=dict)
    """Sums over the batch that the task's loss leaves here (rewards, right answers); divided by `supervised`, they are
    its metrics."""
    position_ids: "torch.Tensor | None" = None
    """None when padded."""
    sequence_lengths: tuple[int, ...] = ()
    """`lengths` again, on the host, when packed: attention needs them without waiting for the device."""
    label_smoothing: float = 0.0
    """Share of an even guess that the training mixes into each label; 0 in an evaluation."""

    @property
    def packed(self) -> bool:
        """Whether the sequences lie end to end in one row."""
        return self.position_ids is not None

    def inputs(self) -> dict[str, Any]:
        """Arguments of a decoder's forward pass; for a packed batch it must run inside `packed_attention`."""
        ids = {"input_ids": self.input_ids, "use_cache": False}
        if not self.packed:
            return ids
        return {**ids, "position_ids": self.position_ids, "sequence_lengths": self.sequence_lengths}


def plan_epoch(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Indices of the examples of each step of one epoch: shuffled, neighbours of like length kept together."""
    rng = random.Random(f"{seed}/{epoch}")
    order = list(range(len(lengths)))
    rng.shuffle(order)
    window = batch_size * WINDOW_BATCHES
    steps: list[list[int]] = []
    for start in range(0, len(order), window):
        part = sorted(order[start : start + window], key=lambda index: lengths[index])
        steps += [part[place : place + batch_size] for place in range(0, len(part), batch_size)]
    rng.shuffle(steps)
    return steps


def micro_batches(
    indices: Sequence[int], lengths: Sequence[int], budget_tokens: int, *, packed: bool = False
) -> Iterator[list[int]]:
    """Parts of a step that fit `budget_tokens`, with their padding unless `packed`; a longer example stands alone."""
    part: list[int] = []
    tokens = 0
    for index in sorted(indices, key=lambda index: lengths[index]):
        full = tokens + lengths[index] if packed else lengths[index] * (len(part) + 1)
        if part and full > budget_tokens:
            yield part
            part, tokens = [], 0
        part.append(index)
        tokens += lengths[index]
    if part:
        yield part


def collate(examples: Sequence[Example], device: "torch.device | str" = "cpu", *, packed: bool = False) -> Batch:
    """The examples as tensors on `device`: padded to the longest sequence, or laid end to end."""
    import torch

    rows = [row for example in examples for row in (example, *example.rivals)]
    lengths = tuple(len(row.input_ids) for row in rows)
    targets = [example.target for example in examples]
    input_ids, labels, position_ids = (_packed if packed else _padded)(rows, max(lengths))
    return Batch(
        input_ids=torch.tensor(input_ids, device=device),
        labels=torch.tensor(labels, device=device),
        tokens=sum(map(len, examples)),
        supervised=sum(example.supervised for example in examples),
        lengths=torch.tensor(lengths, device=device),
        targets=torch.tensor(targets, device=device) if all(targets) else None,
        position_ids=torch.tensor(position_ids, device=device) if packed else None,
        sequence_lengths=lengths if packed else (),
    )


Rows = list[list[int]]


def _padded(rows: Sequence[Example], width: int) -> tuple[Rows, Rows, Rows]:
    """Padding ids are 0: their labels are IGNORE_INDEX and nothing real attends to them."""
    input_ids = [[*row.input_ids, *(0,) * (width - len(row.input_ids))] for row in rows]
    labels = [[*row.labels, *(IGNORE_INDEX,) * (width - len(row.labels))] for row in rows]
    return input_ids, labels, []


def _packed(rows: Sequence[Example], width: int) -> tuple[Rows, Rows, Rows]:
    input_ids = [token for row in rows for token in row.input_ids]
    labels = [label for row in rows for label in (IGNORE_INDEX, *row.labels[1:])]
    return [input_ids], [labels], [[place for row in rows for place in range(len(row.input_ids))]]
