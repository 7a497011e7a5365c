"""The curve of a run, followed: each look reads only what its events file has gained since the one before."""

import threading
from collections import OrderedDict
from contextlib import suppress

from chatgui.curves import SMOOTHING_SHARE, Curves
from chatgui.events import Event, Notice, Step
from chatgui.runs.store import Run

CURVES_KEPT = 12
"""Runs whose curves stay in memory; a hundred thousand steps take eight megabytes."""

PIECE_BYTES = 2**18
TAIL_BYTES = 128


class Follower:
    """The events of one run so far. `version` changes whenever there is something new to draw."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.curves = Curves()
        self.notices: list[Notice] = []
        self.last_step: Step | None = None
        self._begun = 0
        self._offset = 0
        self._tail = b""
        self._lock = threading.Lock()

    @property
    def version(self) -> str:
        """Names what has been read."""
        return f"{self._begun}-{self._offset}"

    def look(self, total_steps: int) -> None:
        """Read what is new; from the start when the run was begun anew: what stood before is not there any more."""
        with self._lock:
            if not self._begun or self._before() != self._tail:
                self._begin(total_steps)
            while True:  # in pieces: a hundred thousand events at once are slow to make and slow to forget
                events, after = self.run.events_since(self._offset, PIECE_BYTES)
                if after < self._offset:
                    self._begin(total_steps)
                    continue
                self._take(events)
                if after == self._offset:
                    self._tail = self._before()
                    return
                self._offset = after

    def _before(self) -> bytes:
        """The last bytes that were read, as they stand in the file now."""
        with suppress(OSError), (self.run.folder / "events.jsonl").open("rb") as stream:
            stream.seek(max(0, self._offset - TAIL_BYTES))
            return stream.read(min(self._offset, TAIL_BYTES))
        return b""

    def _begin(self, total_steps: int) -> None:
        self.curves = Curves(half_life=max(2.0, total_steps * SMOOTHING_SHARE))
        self.notices, self.last_step, self._offset = [], None, 0
        self._begun += 1

    def _take(self, events: list[Event]) -> None:
        self.curves.add(events)
        for event in events:
            if isinstance(event, Notice):
                self.notices.append(event)
            elif isinstance(event, Step):
                self.last_step = event


class Followers:
    """The runs that somebody looks at. Safe to use from several threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Follower] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, run: Run, total_steps: int) -> Follower:
        """The run's follower, which has just looked."""
        with self._lock:
            follower = self._known.pop(run.id, None) or Follower(run)
            self._known[run.id] = follower
            while len(self._known) > CURVES_KEPT:
                self._known.popitem(last=False)
        follower.look(total_steps)
        return follower
