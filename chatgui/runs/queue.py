"""The runs that wait, in the order they will be trained. The order stands in their states, so every server sees it."""

from pathlib import Path

from chatgui.errors import RunError
from chatgui.runs.files import told
from chatgui.runs.store import Run, State, list_runs


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
