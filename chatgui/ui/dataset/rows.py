"""What the views of the Dataset tab share: the rows on show, and notices."""

from collections.abc import Sequence
from itertools import accumulate
from typing import overload

from chatgui.data.conversation import Row
from chatgui.data.load import DataConfig
from chatgui.data.split import NAMES as SPLITS
from chatgui.data.split import Splits
from chatgui.errors import ChatGuiError
from chatgui.runs.workspace import Workspace
from chatgui.ui.item_view import shown

FAILED = 'class="failed" role="alert"'


def notice(text: str, attributes: str, more: str = "") -> str:
    """A paragraph of plain text."""
    extra = f"<small>{shown(more)}</small>" if more else ""
    return f"<p {attributes}>{shown(text)}{extra}</p>"


class Chosen(Sequence[tuple[int, Row, str]]):
    """Rows with their number and their split, read when they are asked for; what is trained on comes first."""

    def __init__(self, splits: Splits, names: Sequence[str]) -> None:
        self._splits = splits
        self._names = names
        starts = accumulate((len(splits.named(name)) for name in SPLITS), initial=0)
        self._first_numbers = {name: start + 1 for name, start in zip(SPLITS, starts, strict=False)}

    def __len__(self) -> int:
        return sum(len(self._splits.named(name)) for name in self._names)

    @overload
    def __getitem__(self, index: int) -> tuple[int, Row, str]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[int, Row, str]]: ...
    def __getitem__(self, index: int | slice) -> tuple[int, Row, str] | list[tuple[int, Row, str]]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        for name in self._names:
            count = len(self._splits.named(name))
            if index < count:
                return self._first_numbers[name] + index, self._splits.named(name)[index], name
            index -= count
        raise IndexError(index)


def chosen(workspace: Workspace, data: DataConfig, part: str = "all") -> Sequence[tuple[int, Row, str]]:
    """Rows of a split, or of all, with number and split: what is trained on comes first. None when unreadable."""
    try:
        splits = workspace.splits(data)
    except ChatGuiError:  # the summary says it
        return []
    return Chosen(splits, [name for name in SPLITS if part in ("all", name)])
