"""Trackers outside: TensorBoard's files in the run's folder, and Weights & Biases and trackio through accelerate.

They get the very events that go to `events.jsonl`. Each works in a thread of its own, so a slow network never holds up
a step; one that fails is told once and left out from then on. Knows nothing of models.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from chatgui.config import RunConfig
from chatgui.events import Evaluation, Event, Notice, Resumed, Step
from chatgui.fields import flatten
from chatgui.runs.store import Run

PROJECT = "chatgui"
"""The name under which the runs stand together in a tracker that has projects."""
CLOSING_SECONDS = 15.0
"""A tracker may take this long over its last values; a run that has ended does not wait longer."""


class Tracker(Protocol):
    """What accelerate's trackers have, and TensorBoard's here."""

    def log(self, values: dict[str, float], step: int) -> None:
        """Write values down under a step."""

    def finish(self) -> None:
        """Write the rest."""


def curves(event: Event) -> dict[str, float]:
    """The numbers of an event by the names of their curves: `train/loss`, `validation/perplexity`."""
    match event:
        case Step():
            names = ("epoch", "tokens", "loss", "learning_rate", "grad_norm", "tokens_per_second", "memory_bytes")
            found = {name: getattr(event, name) for name in names}
            return {f"train/{name}": value for name, value in {**found, **event.metrics}.items() if value is not None}
        case Evaluation():
            return {f"{event.split}/{name}": value for name, value in {"loss": event.loss, **event.metrics}.items()}
    return {}


class Trackers:
    """The trackers of one life of a run."""

    def __init__(self, run: Run, config: RunConfig) -> None:
        names = dict.fromkeys(config.tracker_names)
        self._lines = [_Line(name, partial(OPENERS[name], run, config)) for name in names]

    def see(self, event: Event) -> list[Notice]:
        """Pass an event on without waiting; gives a notice for each tracker that has failed since the last one."""
        for line in self._lines:
            line.events.put(event)
        return self._failures()

    def close(self) -> list[Notice]:
        """Let every tracker write its last values; the notices as above."""
        for line in self._lines:
            line.events.put(None)
        end = time.monotonic() + CLOSING_SECONDS
        for line in self._lines:
            line.thread.join(max(0.0, end - time.monotonic()))
            if line.thread.is_alive():
                line.failure = line.failure or f"no answer within {CLOSING_SECONDS:g} s"
        return self._failures()

    def _failures(self) -> list[Notice]:
        failed = [line for line in self._lines if line.failure]
        self._lines = [line for line in self._lines if line not in failed]
        return [Notice("run.tracker_failed", {"tracker": line.name, "reason": line.failure}) for line in failed]


class _Line:
    """One tracker with its thread. It is opened by the first event, which tells whether an earlier life went before."""

    def __init__(self, name: str, start: Callable[[int | None], Tracker]) -> None:
        self.name = name
        self.failure: str | None = None
        self.events: SimpleQueue[Event | None] = SimpleQueue()
        self._open = start
        self.thread = threading.Thread(target=self._work, name=f"tracker {name}", daemon=True)
        self.thread.start()

    def _work(self) -> None:
        try:
            self._follow()
        except BaseException as error:  # somebody else's library, which may even try to exit; it must not stop a run
            self.failure = (str(error).strip() or type(error).__name__).splitlines()[0][:300]

    def _follow(self) -> None:
        tracker: Tracker | None = None
        while (event := self.events.get()) is not None:
            values = curves(event)
            if tracker is None and (values or isinstance(event, Resumed)):
                tracker = self._open(event.step if isinstance(event, Resumed) else None)
            if tracker and values:
                tracker.log(values, getattr(event, "step", 0))
        if tracker:
            tracker.finish()


class TensorBoard:
    """Event files as TensorBoard reads them, written here and now: a full disk is told by the write itself.

    They hold 32-bit numbers, so a curve is that of `events.jsonl` rounded to seven digits.
    """

    def __init__(self, folder: Path, back_to: int | None) -> None:
        """`back_to` is the step a resumed run went back to: readers then drop the later ones. Without it, anew."""
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event as Record
        from tensorboardX.proto.event_pb2 import SessionLog

        if back_to is None:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        suffix = f".{os.getpid()}.{time.monotonic_ns()}"  # two lives may begin within the second that names the file
        self._writer = EventsWriter(str(folder / "events"), suffix)
        self._record = Record
        if back_to is not None:
            log = SessionLog(status=SessionLog.START)
            self._writer.write_event(Record(wall_time=time.time(), step=back_to + 1, session_log=log))

    def log(self, values: Mapping[str, float], step: int) -> None:
        """One record with all values of a step."""
        from tensorboardX.proto.summary_pb2 import Summary

        summary = Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()])
        self._writer.write_event(self._record(wall_time=time.time(), step=step, summary=summary))
        self._writer.flush()

    def finish(self) -> None:
        """Close the file."""
        self._writer.close()


def _tensorboard(run: Run, config: RunConfig, back_to: int | None) -> Tracker:
    return TensorBoard(run.folder / "tensorboard", back_to)


def _wandb(run: Run, config: RunConfig, back_to: int | None) -> Tracker:
    from accelerate.tracking import WandBTracker

    os.environ.setdefault("WANDB_SILENT", "true")
    return _started(WandBTracker(PROJECT, name=run.id, id=run.id, resume="allow", dir=str(run.folder)), config)


def _trackio(run: Run, config: RunConfig, back_to: int | None) -> Tracker:
    from accelerate.tracking import TrackioTracker

    return _started(TrackioTracker(PROJECT, name=run.id, resume="allow"), config)


def _started(tracker: Any, config: RunConfig) -> Tracker:
    from accelerate import PartialState

    PartialState()  # accelerate's trackers ask it which process is the main one
    tracker.start()
    tracker.store_init_configuration(flatten(config))
    return tracker


OPENERS: dict[str, Callable[[Run, RunConfig, int | None], Tracker]] = {
    "tensorboard": _tensorboard, "wandb": _wandb, "trackio": _trackio,
}  # fmt: skip
