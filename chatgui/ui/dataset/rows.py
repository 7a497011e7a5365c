"""What the views of the Dataset tab share: the rows on show, and notices."""

from chatgui.data.conversation import Row
from chatgui.data.load import DataConfig
from chatgui.data.split import NAMES as SPLITS
from chatgui.errors import ChatGuiError
from chatgui.runs.workspace import Workspace
from chatgui.ui.item_view import shown

FAILED = 'class="failed" role="alert"'


def notice(text: str, attributes: str, more: str = "") -> str:
    """A paragraph of plain text."""
    extra = f"<small>{shown(more)}</small>" if more else ""
    return f"<p {attributes}>{shown(text)}{extra}</p>"


def chosen(workspace: Workspace, data: DataConfig, part: str = "all") -> list[tuple[int, Row, str]]:
    """Rows of a split, or of all, with number and split: what is trained on comes first. None when unreadable."""
    try:
        splits = workspace.splits(data)
    except ChatGuiError:  # the summary says it
        return []
    pairs = [(row, name) for name in SPLITS for row in splits.named(name)]
    return [(number, row, name) for number, (row, name) in enumerate(pairs, start=1) if part in ("all", name)]
