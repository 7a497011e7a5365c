"""What was read, in a few numbers and sentences."""

from collections.abc import Iterator
from functools import lru_cache
from html import escape

from chatgui.data.conversation import Document, is_weighed
from chatgui.data.load import DataConfig, Dataset, load, samples
from chatgui.data.split import NAMES as SPLITS
from chatgui.data.split import Splits, source_splits
from chatgui.errors import ChatGuiError, DataError
from chatgui.runs.workspace import Workspace
from chatgui.tasks import task_for
from chatgui.text import say
from chatgui.ui import conversation_view as view
from chatgui.ui.dataset.rows import FAILED, notice
from chatgui.ui.item_view import shown

MOST_FILES_NAMED = 12
LOOKED_AT_ROWS = 100


@lru_cache
def usable_samples() -> tuple[str, ...]:
    """Bundled samples that some task can learn from; the default one first."""

    def usable(name: str) -> bool:
        try:
            task_for(load(DataConfig(source=name)).rows[0].item)
        except DataError:
            return False
        return True

    return tuple(sorted(filter(usable, samples()), key=lambda name: (name != DataConfig().source, name)))


def show_source(workspace: Workspace, language: str, data: DataConfig) -> tuple[str, str | None]:
    """The summary, and the sample that is chosen, if it is one."""
    try:
        summary = summary_html(workspace, language, data)
    except ChatGuiError as error:
        summary = notice(error.text(language), FAILED)
    return summary, data.source if data.source in usable_samples() else None


def summary_html(workspace: Workspace, language: str, data: DataConfig) -> str:
    """What was read and how it is divided. Raises ChatGuiError when it cannot be read."""
    dataset, splits = workspace.dataset(data), workspace.splits(data)
    numbers = {"read": dataset.read, "usable": len(dataset.rows), "dropped": len(dataset.dropped)}
    numbers |= {name: len(splits.named(name)) for name in SPLITS}
    counts = {name: f"{count:,}" for name, count in numbers.items()}
    how = " ".join(say(f"dataset.read_as.{name}", language) for name in dataset.format.split(", "))
    encoding = "" if dataset.encoding == "binary" else say("dataset.encoding", language, encoding=dataset.encoding)
    notes = "".join(f"<li>{escape(note)}</li>" for note in _notes(dataset, splits, data, language))
    return (
        f'<div class="summary"><p><b>{shown(dataset.name)}</b> {escape(how)} '
        f'<span class="whole">{escape(encoding)}</span></p>'
        f'<div class="tiles">{view.tiles_html(counts, language)}</div><ul>{notes}</ul></div>'
    )


def _notes(dataset: Dataset, splits: Splits, data: DataConfig, language: str) -> Iterator[str]:
    for row in dataset.dropped[-MOST_FILES_NAMED:]:  # where a file breaks off, its last row says so
        if row.reason.key == "data.json_rest":
            yield say("dataset.note.broken", language, origin=row.origin, line=row.line)
    own = set(source_splits(dataset.rows).tolist())
    if data.format != "auto":
        yield say("dataset.note.forced", language)
    if "test" in own:
        yield say("dataset.note.own_test", language)
    if "validation" in own:
        yield say("dataset.note.own_validation", language)
    if data.validation_fraction and not splits.validation:
        yield say("dataset.note.no_validation", language)
    if data.test_fraction and not splits.test:
        yield say("dataset.note.no_test", language)
    if any(is_weighed(row.item) for row in dataset.rows[:LOOKED_AT_ROWS]):
        yield say("dataset.note.weights", language)
    if isinstance(dataset.rows[0].item, Document):
        yield say("dataset.note.text", language)
