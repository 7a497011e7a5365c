"""The runs that wait, in the order they will be trained. The order stands in their states, so every server sees it.

Whether the queue rests, and whether it goes on behind a run that failed, stands in `queue.json` of the home.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from chatgui.errors import RunError
from chatgui.runs.files import told, write_atomically
from chatgui.runs.store import Run, State, list_runs


@dataclass(frozen=True)
class Rules:
    """How the queue is worked through."""

    paused: bool = False
    """No run is begun; the one that trains goes on."""
    continue_on_error: bool = True
    """Begin the next run also when the last one failed; else the queue pauses."""


def read_rules(home: Path) -> Rules:
    """As they were written last; the usual ones when nothing was, or the file is broken."""
    with suppress(OSError, ValueError, TypeError):
        values = json.loads((home / "queue.json").read_text(encoding="utf-8"))
        return Rules(**{name: bool(values[name]) for name in Rules.__dataclass_fields__ if name in values})
    return Rules()


def write_rules(home: Path, rules: Rules) -> None:
    """Raises RunError when the home cannot be written."""
    with told(home):
        home.mkdir(parents=True, exist_ok=True)
        write_atomically(home / "queue.json", json.dumps(asdict(rules)))


def next_run(home: Path) -> Run | None:
    """The run to begin now, if one may be begun."""
    waiting = queued_runs(home)
    return waiting[0] if waiting and not read_rules(home).paused else None


def rest_after(home: Path, run: Run) -> None:
    """Pause the queue when `run` has failed and the rules say so."""
    rules = read_rules(home)
    if not rules.continue_on_error and not rules.paused and run.state().state == "failed":
        write_rules(home, replace(rules, paused=True))


def queued_runs(home: Path) -> list[Run]:
    """First come, first served, unless somebody moved them."""
    return [run for run, _ in _waiting(home)]


def move(home: Path, run: Run, by: int) -> None:
    """Move a waiting run `by` places: -1 is one place sooner. At either end it stays where it is.

    Raises RunError when it does not wait (any more), or nothing can be written.
    """
    waiting = _waiting(home)
    at = next((index for index, (other, _) in enumerate(waiting) if other.id == run.id), None)
    if at is None:
        raise RunError("run.not_queued", run=run.id, state=run.state().state)
    order = [other for other, _ in waiting]
    order.insert(min(max(0, at + by), len(order) - 1), order.pop(at))
    with told(home):
        for place, other in enumerate(order, start=1):
            other.set_state(place=place)


def _waiting(home: Path) -> list[tuple[Run, State]]:
    found = []
    for run in list_runs(home):
        try:
            state = run.state()
        except RunError:  # deleted at this moment, or not one of ours
            continue
        if state.state == "queued":
            found.append((run, state))
    return sorted(found, key=lambda pair: (pair[1].place, pair[0].id))
