"""What the model is shown and what it is taught: ids and labels of one row."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

IGNORE_INDEX = -100
"""Label of a token that teaches nothing; `torch.nn.functional.cross_entropy` skips it by default."""


@dataclass(frozen=True)
class Example:
    """`input_ids` and `labels` are equally long (T tokens); a label is the id itself or IGNORE_INDEX.

    The label stands at the token's own place; the loss shifts by one (`tasks/loss.py`).
    """

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    cut_tokens: int = 0
    """Tokens that did not fit and were left out at the end."""
    target: tuple[float, ...] = ()
    """What the example as a whole is, for a task that judges sequences and not tokens: a class, a number, a vote."""
    rivals: "tuple[Example, ...]" = ()
    """Further sequences that it is weighed against (the rejected reply, say), equally many in every example."""

    def __len__(self) -> int:
        return len(self.input_ids) + sum(map(len, self.rivals))

    @property
    def supervised(self) -> int:
        """What the loss is a mean over: 1 for a sequence with a target, else the labels that teach.

        The first token has nothing before it to be predicted from, so it never does.
        """
        return 1 if self.target else max(0, len(self.labels) - 1) - self.labels[1:].count(IGNORE_INDEX)


def lengths_of(examples: Sequence[Example]) -> list[int]:
    """Tokens of each example; none is read for it where they are known."""
    known: list[int] | None = getattr(examples, "lengths", None)
    return [len(example) for example in examples] if known is None else known


@dataclass(frozen=True)
class Span:
    """Half-open range of characters or tokens."""

    start: int
    stop: int


def label_spans(input_ids: Sequence[int], starts: Sequence[int], spans: Iterable[Span]) -> list[int]:
    """Labels (T) that teach only the tokens which begin inside one of `spans`.

    `starts` (T), none before an earlier one, gives the place of each token's first character. A token that straddles
    the start of a span belongs to the prompt: at chat time it would have been typed, not generated.
    """
    labels = [IGNORE_INDEX] * len(input_ids)
    for span in spans:
        taught = slice(bisect_left(starts, span.start), bisect_left(starts, span.stop))
        labels[taught] = input_ids[taught]
    return labels


def cut(input_ids: list[int], labels: list[int], max_length_tokens: int) -> Example:
    """The example within the limit; what stands behind it is left out and counted."""
    over = max(0, len(input_ids) - max_length_tokens)
    keep = len(input_ids) - over
    return Example(tuple(input_ids[:keep]), tuple(labels[:keep]), over)
