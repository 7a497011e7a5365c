"""Which examples make a step, and how they are laid into tensors. Deterministic in the seed; knows no model."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chatgui.tokens.example import IGNORE_INDEX, Example

if TYPE_CHECKING:
    import torch

WINDOW_BATCHES = 16
"""Batches that are sorted by length together. Wide enough that little is padding, narrow enough to stay random."""


@dataclass(frozen=True)
class Batch:
    """`input_ids` and `labels`, both (B, T), padded on the right.

    Right-hand padding needs no attention mask in a causal model: no real token looks to its right. An example with
    rivals takes one row for itself and one for each rival behind it.
    """

    input_ids: "torch.Tensor"
    labels: "torch.Tensor"
    tokens: int
    """Real tokens, padding not counted."""
    supervised: int
    """Labels or whole sequences that teach: what the sum of losses is divided by."""
    lengths: "torch.Tensor"
    """Real tokens of each row (B)."""
    targets: "torch.Tensor | None" = None
    """Targets of the examples (N, K), float32, where they have any."""
    tally: dict[str, float] = field(default_factory=dict)
    """Sums over the batch that the task's loss leaves here (rewards, right answers); divided by `supervised`, they are
    its metrics."""


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


def micro_batches(indices: Sequence[int], lengths: Sequence[int], budget_tokens: int) -> Iterator[list[int]]:
    """Parts of a step that fit `budget_tokens` with their padding; a single longer example stands alone."""
    part: list[int] = []
    for index in sorted(indices, key=lambda index: lengths[index]):
        if part and lengths[index] * (len(part) + 1) > budget_tokens:
            yield part
            part = []
        part.append(index)
    if part:
        yield part


def collate(examples: Sequence[Example], device: "torch.device | str" = "cpu") -> Batch:
    """Tensors on `device`. Padding ids are 0: their labels are IGNORE_INDEX and nothing real attends to them."""
    import torch

    rows = [row for example in examples for row in (example, *example.rivals)]
    lengths = [len(row.input_ids) for row in rows]
    width = max(lengths)
    input_ids = [list(row.input_ids) + [0] * (width - len(row.input_ids)) for row in rows]
    labels = [list(row.labels) + [IGNORE_INDEX] * (width - len(row.labels)) for row in rows]
    targets = [example.target for example in examples]
    return Batch(
        input_ids=torch.tensor(input_ids, device=device),
        labels=torch.tensor(labels, device=device),
        tokens=sum(map(len, examples)),
        supervised=sum(example.supervised for example in examples),
        lengths=torch.tensor(lengths, device=device),
        targets=torch.tensor(targets, device=device) if all(targets) else None,
    )
