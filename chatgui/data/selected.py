"""Some rows of a long sequence, by their places: nothing is read before it is asked for."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import overload

import numpy as np
import numpy.typing as npt

from chatgui.data.conversation import Item, Row


class Selected(Sequence[Row]):
    """Rows of `rows` at `places`, in that order, their items mended on the way out."""

    def __init__(
        self, rows: Sequence[Row], places: npt.ArrayLike, mends: Sequence[Callable[[Item], Item]] = ()
    ) -> None:
        self.rows = rows
        self.places = np.asarray(places, np.int64)
        self.mends = tuple(mends)

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> "Selected": ...
    def __getitem__(self, index: int | slice) -> "Row | Selected":
        if isinstance(index, slice):
            return Selected(self.rows, self.places[index], self.mends)
        return self._mended(self.rows[int(self.places[index])])

    def __iter__(self) -> Iterator[Row]:
        if len(self.places) == len(self.rows) and bool((self.places == np.arange(len(self.rows))).all()):
            yield from map(self._mended, self.rows)  # from the beginning on, which a long file is read fastest by
            return
        for place in self.places.tolist():
            yield self._mended(self.rows[place])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(Row.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]

    def _mended(self, row: Row) -> Row:
        if not self.mends:
            return row
        item = row.item
        for mend in self.mends:
            item = mend(item)
        return row if item is row.item else replace(row, item=item)
