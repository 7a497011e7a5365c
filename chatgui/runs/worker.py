"""The training thread of the page server, and the worker process it starts for each run.

The thread takes queued runs in order and looks after the live one; the worker trains. A worker outlives its server: a
new server finds it through `state.json`. A spare worker stands ready with its imports done, waiting for a run folder
on its standard input; it leaves when that closes.
"""

import contextvars
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, cast

from filelock import FileLock, Timeout

import chatgui
from chatgui.devices import THREADS
from chatgui.errors import ChatGuiError, RunError
from chatgui.runs.queue import next_run, rest_after
from chatgui.runs.store import LIVE, Run, State, list_runs

POLL_SECONDS = 0.3
FAREWELL_SECONDS = 20
"""Time a worker gets to write its checkpoint when the machine goes down; a Space kills what is left after 30."""
OUTPUT = "workers.txt"
"""In the home: what workers print before they know the log of their run."""
MEMORY = {"THP_MEM_ALLOC_ENABLE": "1"}
"""For torch on Linux: large tensors lie in huge pages, which spares the page faults of large gradients."""
MOST_OUTPUT_BYTES = 2**20
SPARE_AFTER_SECONDS = 20
"""Quiet time after a run before the next worker warms up: its imports would slow the first replies of the chat."""
log = logging.getLogger(__name__)
Trainer = Callable[[Run], object]
"""Trains a run to its end."""


class TrainingThread:
    """Runs the queue of one home. Only the owner of the home's lock does; other servers read and wait for it."""

    def __init__(self, home: Path, trainer: Trainer | None = None) -> None:
        """`trainer` trains in the place of worker processes, where the machine does not let them have its GPU."""
        self.home = home
        self.trainer = trainer
        self._lock = FileLock(home / "server.lock", thread_local=False)  # taken in our thread, given back by `close`
        self._wake = threading.Event()
        self._closing = False
        self._quiet_since = -float(SPARE_AFTER_SECONDS)
        self._spare: Worker | None = None
        self._workers: list[Worker] = []
        self._trouble = ""
        self._asker: contextvars.Context | None = None
        self._thread = threading.Thread(target=self._work, name="training", daemon=True)

    def start(self) -> None:
        """Begin to look after the queue."""
        self._thread.start()

    def wake(self) -> None:
        """Look at the queue now, on behalf of whoever caused the event that calls this."""
        self._asker = contextvars.copy_context()
        self._wake.set()

    def close(self) -> None:
        """Stop looking after the queue; the spare leaves.

        A live worker goes on without us, unless the machine goes with us: then it writes a checkpoint first.
        """
        self._closing = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        if self._spare:
            self._spare.orders.close()
            self._spare.process.terminate()  # it may still be at its imports, and would hear of the end seconds later
            self._spare.process.wait(timeout=10)
        if self.owns and _machine_goes_with_us():
            self._bid_farewell()
        self._lock.release()

    def _bid_farewell(self) -> None:
        """Ask the live workers to leave, and give them time to write their checkpoints."""
        end = time.monotonic() + FAREWELL_SECONDS
        pids = [state.pid for run in list_runs(self.home) if (state := _state(run)) and state.state in LIVE]
        for pid in filter(None, pids):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        while time.monotonic() < end and any(
            (state := _state(run)) and state.state in LIVE for run in list_runs(self.home)
        ):
            time.sleep(0.1)

    @property
    def owns(self) -> bool:
        """Whether this server is the one that takes the runs of its home."""
        return self._lock.is_locked

    def _work(self) -> None:
        while not self._closing:
            try:
                if self._own():
                    self._look()
                self._trouble = ""
            except (OSError, ChatGuiError) as error:  # a full or vanished disk may come back; we must be there then
                if str(error) != self._trouble:  # once, not three times a second
                    log.exception("the training thread could not read or write %s", self.home)
                self._trouble = str(error)
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()

    def _own(self) -> bool:
        if not self.owns:
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                return False
        return True

    def _look(self) -> None:
        busy = False
        for run in list_runs(self.home):
            state = _state(run)
            if state is None:
                continue
            if state.state == "interrupted" and not run.marked_interrupted():
                self._bury(run, state)
            busy = busy or state.state in LIVE
        self._rest_after_failure()
        self._workers = [worker for worker in self._workers if worker.process.poll() is None]
        following = None if busy else next_run(self.home)
        if following:
            self._launch(following)
            busy = True  # a spare that did its imports now would take a core from the first steps of this run
        if busy:
            self._quiet_since = time.monotonic()
        elif not (self.trainer or self._spare) and time.monotonic() > self._quiet_since + SPARE_AFTER_SECONDS:
            self._spare = start_worker(self.home)

    def _rest_after_failure(self) -> None:
        """For each run that was begun here; its state says so before its process has left."""
        for worker in self._workers:
            if worker.run is not None:
                with suppress(RunError):
                    rest_after(self.home, worker.run)

    def _bury(self, run: Run, state: State) -> None:
        """Write down that the process of a run is gone, and what it died of where that is known."""
        worker = next((worker for worker in self._workers if worker.process.pid == state.pid), None)
        name, message = _cause(run, worker) if worker else ("interrupted", state.message)
        with suppress(OSError, RunError):  # a disk that takes nothing: readers see the dead process all the same
            run.set_state(state=name, message=message, stage="")

    def _launch(self, run: Run) -> None:
        if self.trainer:
            if self._asker is None:
                return  # whoever wants it has to ask for it again: what the trainer needs is lent to them
            asker, self._asker = self._asker, None
            run.claim(os.getpid())
            lent = threading.Thread(target=asker.run, args=(self.trainer, run), name=run.id, daemon=True)
            lent.start()  # whatever it raises ends that thread, and is logged, and not this one
            lent.join()
            if _state(run) and run.state().state in LIVE:  # it was ended without a word: out of time, out of quota
                run.set_state(state="interrupted", message={"key": "run.interrupted", "values": {}}, stage="")
            return
        worker = self._spare if self._spare and self._spare.process.poll() is None else start_worker(self.home)
        self._spare = None
        self._workers.append(replace(worker, run=run))
        run.claim(worker.process.pid)
        with worker.orders as orders:
            orders.write(f"{run.folder}\n")
        log.info("worker %s trains %s", worker.process.pid, run.id)

    def lend_worker(self) -> "subprocess.Popen[str]":
        """A worker for another order than a run: the spare one, or a new one. It belongs to who asked for it."""
        spare, self._spare = self._spare, None
        worker = spare if spare and spare.process.poll() is None else start_worker(self.home)
        return worker.process


def _state(run: Run) -> State | None:
    """None for a run that was deleted at this moment, or that is not one of ours."""
    try:
        return run.state()
    except RunError:
        return None


def _machine_goes_with_us() -> bool:
    """Whether our end is the end of all processes here: a Space going to sleep, a container that is stopped."""
    return "SPACE_ID" in os.environ or os.getpid() == 1


@dataclass(frozen=True)
class Worker:
    """A worker process, and where in the home's OUTPUT its own words begin."""

    process: "subprocess.Popen[str]"
    output: Path
    offset: int
    run: Run | None = None
    """What it was told to train."""

    @property
    def orders(self) -> IO[str]:
        """Its standard input: the folder of the run to train."""
        return cast(IO[str], self.process.stdin)

    def words(self) -> str:
        """What it printed before its run's log was open."""
        try:
            with self.output.open("rb") as stream:
                stream.seek(self.offset)
                return stream.read().decode("utf-8", "replace")
        except OSError:
            return ""


def _cause(run: Run, worker: Worker) -> tuple[str, dict[str, Any]]:
    """State and message of a run whose worker has ended without a word of its own."""
    status = worker.process.wait(timeout=10)
    words = worker.words()
    if words:
        with suppress(OSError), run.log.open("a", encoding="utf-8") as stream:
            stream.write(words)
    if status == -signal.SIGKILL:  # not by us: we never send it
        return "interrupted", {"key": "run.killed", "values": {}}
    if status < 0:
        return "interrupted", {"key": "run.ended_by_signal", "values": {"signal": signal.Signals(-status).name}}
    if not words.strip():
        return "interrupted", {"key": "run.interrupted", "values": {}}
    reason = words.strip().splitlines()[-1][:300]
    return "failed", {"key": "run.crashed", "values": {"reason": reason, "log": str(run.log)}}


def start_worker(home: Path) -> Worker:
    """A process that does its imports and waits for a run folder on its standard input."""
    package = str(Path(chatgui.__file__).parents[1])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    output = home / OUTPUT
    with output.open("ab") as stream:
        if stream.tell() > MOST_OUTPUT_BYTES:
            stream.truncate(0)
        offset = stream.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            [sys.executable, "-m", "chatgui.runs.worker"], stdin=subprocess.PIPE, stdout=stream, stderr=stream,
            text=True, start_new_session=True, env={**MEMORY, **THREADS, **os.environ, "PYTHONPATH": path},
        )  # fmt: skip
    return Worker(process, output, offset)


def main() -> int:
    """A worker: import what training needs, wait for a run folder, train it, leave."""
    import_ahead()
    from chatgui.runs.foresee import ORDER, obey

    line = sys.stdin.readline().strip()
    if line.startswith(ORDER):
        return obey(Path(line.removeprefix(ORDER)))
    return train_in_place(Path(line)) if line else 0


def import_ahead() -> None:
    """What takes seconds: the person who presses Start should not wait for it."""
    import peft  # noqa: F401
    import torch  # noqa: F401
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: F401

    from chatgui import prepare  # noqa: F401
    from chatgui.runs import checkpoints, execute  # noqa: F401
    from chatgui.training import loop  # noqa: F401


def train_in_place(folder: Path) -> int:
    """Train the run of a folder, with everything this process prints in its log. Gives the exit status."""
    from chatgui.runs.execute import execute, redirect_to_log

    run = Run(folder)
    redirect_to_log(run)
    return 0 if execute(run) else 2


if __name__ == "__main__":
    raise SystemExit(main())
