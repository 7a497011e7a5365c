"""All runs of a home as a table, and what differs between some of them. Reads run folders, changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from chatgui.config import RunConfig
from chatgui.errors import ChatGuiError
from chatgui.events import Evaluation, Step
from chatgui.fields import flatten
from chatgui.runs.notes import read_notes
from chatgui.runs.store import Run, list_runs

SPARK_POINTS = 40


@dataclass(frozen=True)
class Line:
    """One run in the table. `losses` are at most SPARK_POINTS training losses along the run."""

    run: str
    state: str
    task: str
    model: str
    data: str
    adapter: str
    steps: int
    total_steps: int
    created: float
    """Seconds since the epoch."""
    validation_loss: float | None
    losses: tuple[float, ...]
    tags: tuple[str, ...]
    note: str
    bytes: int
    """On the disk, checkpoints included."""

    def holds(self, words: str) -> bool:
        """Whether every word of `words` stands somewhere in the line."""
        text = " ".join([self.run, self.state, self.task, self.model, self.data, self.adapter, self.note, *self.tags])
        return all(word in text.lower() for word in words.lower().split())


def lines(home: Path, words: str = "") -> list[Line]:
    """Newest first; a folder that cannot be read is left out, it must not hide the others."""
    found = []
    for run in list_runs(home):
        try:
            found.append(line(run))
        except ChatGuiError:
            continue
    return [each for each in found if each.holds(words)]


def line(run: Run) -> Line:
    """Raises ChatGuiError when state or config cannot be read."""
    state, config, notes = run.state(), run.config, read_notes(run)
    events = run.events()
    losses = [event.loss for event in events if isinstance(event, Step)]
    looks = [event.loss for event in events if isinstance(event, Evaluation) and event.split == "validation"]
    return Line(
        run.id, state.state, config.task.kind, config.model.name, config.data.source, config.adapter.kind, state.step,
        state.total_steps, state.created, state.result.get("validation_loss", looks[-1] if looks else None),
        thinned(losses), notes.tags, notes.note, disk_bytes(run.folder),
    )  # fmt: skip


def thinned(losses: Sequence[float]) -> tuple[float, ...]:
    """At most SPARK_POINTS means of equal stretches."""
    if len(losses) <= SPARK_POINTS:
        return tuple(losses)
    edges = [round(index * len(losses) / SPARK_POINTS) for index in range(SPARK_POINTS + 1)]
    return tuple(sum(losses[start:stop]) / (stop - start) for start, stop in pairwise(edges) if stop > start)


def disk_bytes(folder: Path) -> int:
    """Of all files below; one that vanishes meanwhile counts nothing."""
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:
            continue
    return total


def differences(configs: Sequence[RunConfig]) -> dict[str, tuple[Any, ...]]:
    """Dotted fields in which the configs differ, with the value of each (None where a config has no such field)."""
    flat = [flatten(config) for config in configs]
    names = dict.fromkeys(name for values in flat for name in values)
    rows = {name: tuple(values.get(name) for values in flat) for name in names}
    return {name: values for name, values in rows.items() if any(value != values[0] for value in values)}
