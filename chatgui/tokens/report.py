"""Rows to examples under a tokenizer, and the rows that give none."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from chatgui.data.conversation import Row
from chatgui.data.load import Dropped
from chatgui.errors import DataError
from chatgui.tokens.example import Example


@dataclass(frozen=True)
class Encoded:
    """Examples with the rows they came from (equally many), and the rows that gave none."""

    examples: Sequence[Example]
    rows: Sequence[Row]
    dropped: Sequence[Dropped]
    cut: int
    """Examples of which something was left out at the end."""


def encode_rows(rows: Iterable[Row], make_example: Callable[[Row], Example]) -> Encoded:
    """Rows to examples; a row whose labels are all gone (cut away, or empty) is dropped with its reason."""
    examples: list[Example] = []
    kept: list[Row] = []
    dropped: list[Dropped] = []
    for row in rows:
        try:
            example = make_example(row)
        except DataError as error:
            dropped.append(Dropped(row.origin, row.line, error))
            continue
        examples.append(example)
        kept.append(row)
    cut = sum(example.cut_tokens > 0 for example in examples)
    return Encoded(tuple(examples), tuple(kept), tuple(dropped), cut)


def must_teach(example: Example, max_length_tokens: int) -> Example:
    """The example itself. Raises DataError when no token of it teaches, saying whether the length is to blame."""
    if example.supervised:
        return example
    if example.cut_tokens:
        length = len(example) + example.cut_tokens
        raise DataError("data.reply_cut_away", length=length, limit=max_length_tokens)
    raise DataError("data.nothing_to_learn")


def steps_per_epoch(examples: Sequence[Example] | int, batch_size: int) -> int:
    """Optimizer steps for one pass, the last one possibly smaller."""
    count = examples if isinstance(examples, int) else len(examples)
    return -(-count // batch_size)
