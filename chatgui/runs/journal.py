"""What a worker writes while it trains: events, state and signs of life; and what it is asked to do.

Its own thread writes state.json, so that the training never waits for a disk to flush, and so that a long stage
(an evaluation, a save) does not look dead. Knows nothing of models.
"""

import math
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import FrameType, TracebackType
from typing import Any

import psutil

from chatgui.errors import ChatGuiError
from chatgui.events import Evaluation, Event, Failed, Notice, Resumed, Stage, Step
from chatgui.runs.process import started
from chatgui.runs.store import Run
from chatgui.runs.trackers import Trackers
from chatgui.training.forecast import remaining_seconds

STATE_SECONDS = 0.5
"""Time between two writes of state.json while steps go by."""
HEARTBEAT_SECONDS = 5.0
"""Time between two of them while nothing else has changed."""
MEMORY_SECONDS = 1.0
"""Time between two looks at the memory in use."""
RESERVE_BYTES = 16 * 1024
"""Kept on the disk while a run trains, so that on a full one there is room for the sentence that says so."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Journal:
    """The record of one life of a run. A context: inside it the signals to end are heard and the heart beats."""

    def __init__(self, run: Run, on_event: Callable[[Event], None]) -> None:
        self.run = run
        self.terminated = False
        """Somebody ended this process with a signal (a machine going down, a Space going to sleep, Ctrl-C)."""
        self.validation_losses: dict[int, float] = {}
        """By step; infinite when it was no number."""
        self.last_step: Step | None = None
        self._epoch_before = math.nan
        self._steps: list[Step] = []
        self._total_steps = 0
        self._on_event = on_event
        self._said: list[Notice] = []
        self._memory = _Memory()
        self._trackers: Trackers | None = None
        self._changes: dict[str, Any] = {}
        self._writing = threading.Lock()
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="heart", daemon=True)
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> "Journal":
        if threading.current_thread() is threading.main_thread():  # no other may listen
            self._handlers = {number: signal.signal(number, self._hear) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._tell_of(self._trackers.close() if self._trackers else [])
        self._ended.set()
        if self._heart.ident:
            self._heart.join()
        self._give_reserve_back()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def begin(self) -> None:
        """Say who trains this run, sweep up after an earlier life, remember what it said. Raises OSError."""
        self.run.clear_unfinished()
        self.run.mend_events()
        for event in self.run.events():
            self._remember(event)
        self.set_state(state="starting", pid=os.getpid(), pid_started=started(), message={})
        self._heart.start()
        (self.run.folder / ".reserve").write_bytes(bytes(RESERVE_BYTES))

    def track(self, trackers: Trackers) -> None:
        """From now on these get every event as well."""
        self._trackers = trackers

    def _tell_of(self, failures: list[Notice]) -> None:
        """Of trackers, which never stop a run: not even by a disk that does not take the sentence."""
        for notice in failures:
            with suppress(OSError):
                self.emit(notice)

    def _give_reserve_back(self) -> None:
        with suppress(OSError):
            (self.run.folder / ".reserve").unlink(missing_ok=True)

    def emit(self, event: Event) -> None:
        """Append the event, and let its step and stage reach the state soon. Raises OSError when it does not fit."""
        if isinstance(event, Step):
            event = replace(event, memory_bytes=self._memory.read())
        if isinstance(event, Notice) and event in self._said:  # in an earlier life
            return
        self.run.append(event)
        self._on_event(event)
        self._remember(event)
        if isinstance(event, Step):
            self._epoch_before = self.last_step.epoch if self.last_step else event.epoch * (1 - 1 / event.step)
            self.last_step = event
            self._steps.append(event)
            self._changes = {**self._changes, "step": event.step, "seconds": event.seconds}
        elif isinstance(event, Stage):
            self.set_state(stage=event.name, stage_done=event.done, stage_total=event.total)
        if self._trackers and not isinstance(event, Notice):
            self._tell_of(self._trackers.see(event))

    def _remember(self, event: Event) -> None:
        if isinstance(event, Notice):
            self._said.append(event)
        elif isinstance(event, Evaluation) and event.split == "validation":
            self.validation_losses[event.step] = event.loss if math.isfinite(event.loss) else math.inf
        elif isinstance(event, Resumed):
            losses = self.validation_losses
            self.validation_losses = {step: loss for step, loss in losses.items() if step <= event.step}

    def set_state(self, **changes: Any) -> None:
        """Write the state now, with whatever the steps have changed."""
        self._total_steps = changes.get("total_steps", self._total_steps)
        with self._writing:
            waiting, self._changes = self._changes, {}
            if "step" in waiting and self._total_steps:
                waiting["seconds_left"] = list(remaining_seconds(self._steps, self._total_steps))
            self.run.set_state(**{**waiting, **changes, "heartbeat": time.monotonic()})

    def _beat(self) -> None:
        written = time.monotonic()
        while not self._ended.wait(STATE_SECONDS):
            if self._changes or time.monotonic() - written > HEARTBEAT_SECONDS:
                with suppress(OSError, ChatGuiError):  # the disk's troubles are told by whoever trains
                    self.set_state()
                written = time.monotonic()

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.terminated = True
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler)  # twice: now

    @property
    def wish(self) -> str | None:
        """`terminate`, or what the run's stop request says."""
        return "terminate" if self.terminated else self.run.stop_request()

    def should_stop(self) -> bool:
        """Whether the step that has just been told is to be the last one."""
        wish = self.wish
        if wish != "epoch" or self.last_step is None:
            return wish is not None and wish != "epoch"
        rounding = 1e-6
        return math.floor(self.last_step.epoch + rounding) > math.floor(self._epoch_before + rounding)

    def fail(self, key: str, values: dict[str, Any]) -> None:
        """The end by an error. On a disk that takes not even a line, readers see a dead process: interrupted."""
        self.run.clear_unfinished()
        self._give_reserve_back()
        with suppress(OSError, ChatGuiError):
            self.set_state(state="failed", message={"key": key, "values": values}, stage="")
            self.run.append(Failed(key, values))
        self._on_event(Failed(key, values))


class _Memory:
    """Memory in use, looked at once a second: of the GPU where one is used, else of this process."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._looked = -math.inf

    def read(self) -> int | None:
        """Bytes; None between two looks."""
        now = time.monotonic()
        if now - self._looked < MEMORY_SECONDS:
            return None
        self._looked = now
        return _gpu_bytes() or self._process.memory_info().rss


def _gpu_bytes() -> int:
    import torch

    return torch.cuda.memory_allocated() if torch.cuda.is_available() else 0
