"""Examples in a file that is mapped into memory: written once, read where they lie, equal to what was written.

An Arrow file; a rival is a sequence of its own behind the example that it is weighed against. Knows no rows.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from chatgui.tokens.example import Example

if TYPE_CHECKING:
    import pyarrow as pa


def _schema() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema(
        {"input_ids": pa.list_(pa.int32()), "labels": pa.list_(pa.int32()), "cut_tokens": pa.int32(),
         "target": pa.list_(pa.float64()), "is_rival": pa.bool_()}
    )  # fmt: skip


def batch_of(examples: Iterable[Example]) -> "pa.RecordBatch":
    """Examples as a part of such a file; small enough to be handed from process to process."""
    import pyarrow as pa

    columns: dict[str, list[Any]] = {name: [] for name in _schema().names}
    for example in examples:
        for rival, sequence in enumerate((example, *example.rivals)):
            columns["input_ids"].append(sequence.input_ids)
            columns["labels"].append(sequence.labels)
            columns["cut_tokens"].append(sequence.cut_tokens)
            columns["target"].append(sequence.target)
            columns["is_rival"].append(rival > 0)
    return pa.RecordBatch.from_pydict(columns, _schema())


def write(path: Path, batches: Iterable["pa.RecordBatch"]) -> None:
    """A whole file or none: what was begun and not ended leaves nothing behind. Raises OSError."""
    import pyarrow as pa

    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        with part.open("wb") as stream, pa.ipc.new_file(stream, _schema()) as file:
            for batch in batches:
                file.write_batch(batch)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class Stored(Sequence[Example]):
    """The examples of a file. Only what is asked for is read; their lengths are known without reading."""

    def __init__(self, path: Path) -> None:
        """Raises OSError or ValueError when it is not there or not whole."""
        import pyarrow as pa

        self.path = path
        file = pa.ipc.open_file(pa.memory_map(str(path)))
        batches = [file.get_batch(number) for number in range(file.num_record_batches)]
        self._parts = [_Part(batch) for batch in batches if batch.num_rows]
        self._first = np.cumsum([0, *(len(part.is_rival) for part in self._parts)])
        is_rival = np.concatenate([np.zeros(0, bool), *(part.is_rival for part in self._parts)])
        self._starts = np.append(np.flatnonzero(~is_rival), len(is_rival))

    @cached_property
    def lengths(self) -> list[int]:
        """Tokens of each example, its rivals' among them."""
        sizes = np.concatenate([np.zeros(0, np.int64), *(np.diff(part.offsets["input_ids"]) for part in self._parts)])
        sums = np.append(0, np.cumsum(sizes))[self._starts]
        return np.diff(sums).astype(int).tolist()

    @cached_property
    def cut(self) -> int:
        """Examples of which something was left out at the end."""
        cut = np.concatenate([np.zeros(0, np.int32), *(part.cut_tokens for part in self._parts)])
        return int((cut[self._starts[:-1]] > 0).sum())

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(index)
        own, *rivals = (self._sequence(at) for at in range(int(self._starts[place]), int(self._starts[place + 1])))
        return Example(*own, tuple(Example(*rival) for rival in rivals))

    def __iter__(self) -> Iterator[Example]:
        return (self[place] for place in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(Example.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]

    def _sequence(self, at: int) -> tuple[tuple[int, ...], tuple[int, ...], int, tuple[float, ...]]:
        part = int(np.searchsorted(self._first, at, "right")) - 1
        return self._parts[part].sequence(at - int(self._first[part]))


class _Part:
    """One batch as arrays that lie in the file."""

    def __init__(self, batch: "pa.RecordBatch") -> None:
        lists = {name: batch.column(name) for name in ("input_ids", "labels", "target")}
        self.offsets = {name: column.offsets.to_numpy() for name, column in lists.items()}
        self.values = {name: column.values.to_numpy() for name, column in lists.items()}
        self.cut_tokens = batch.column("cut_tokens").to_numpy()
        self.is_rival: npt.NDArray[np.bool_] = batch.column("is_rival").to_numpy(zero_copy_only=False)

    def sequence(self, at: int) -> tuple[tuple[int, ...], tuple[int, ...], int, tuple[float, ...]]:
        ids, labels, target = (
            tuple(self.values[name][self.offsets[name][at] : self.offsets[name][at + 1]].tolist())
            for name in ("input_ids", "labels", "target")
        )
        return ids, labels, int(self.cut_tokens[at]), target
