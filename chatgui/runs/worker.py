"""The training thread of the page server, and the worker process it starts for each run.

The thread takes queued runs in order and looks after the live one; the worker trains. A worker outlives its server: a
new server finds it through `state.json`. A spare worker stands ready with its imports done, waiting for a run folder
on its standard input; it leaves when that closes.
"""

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, cast

from filelock import FileLock, Timeout

import chatgui
from chatgui.errors import ChatGuiError, RunError
from chatgui.runs.store import LIVE, Run, list_runs

POLL_SECONDS = 0.3
SPARE_AFTER_SECONDS = 20
"""Quiet time after a run before the next worker warms up: its imports would slow the first replies of the chat."""
log = logging.getLogger(__name__)


class TrainingThread:
    """Runs the queue of one home. Only the owner of the home's lock does; other servers read and wait for it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._lock = FileLock(home / "server.lock", thread_local=False)  # taken in our thread, given back by `close`
        self._wake = threading.Event()
        self._closing = False
        self._quiet_since = -float(SPARE_AFTER_SECONDS)
        self._spare: subprocess.Popen[str] | None = None
        self._workers: list[subprocess.Popen[str]] = []
        self._trouble = ""
        self._thread = threading.Thread(target=self._work, name="training", daemon=True)

    def start(self) -> None:
        """Begin to look after the queue."""
        self._thread.start()

    def wake(self) -> None:
        """Look at the queue now."""
        self._wake.set()

    def close(self) -> None:
        """Stop looking after the queue. A live worker goes on without us; the spare leaves."""
        self._closing = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        if self._spare and self._spare.stdin:
            self._spare.stdin.close()
            self._spare.terminate()  # it may still be at its imports, and would hear of the end seconds later
            self._spare.wait(timeout=10)
        self._lock.release()

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
        # poll() collects the exit status, so that no dead process lingers
        self._workers = [worker for worker in self._workers if worker.poll() is None]
        busy = False
        queued: list[Run] = []
        for run in list_runs(self.home):
            try:
                state = run.state()
            except RunError:  # deleted at this moment, or not one of ours
                continue
            if state.state == "interrupted" and not run.marked_interrupted():
                run.set_state(state="interrupted", message=state.message, stage="")
            busy = busy or state.state in LIVE
            if state.state == "queued":
                queued.append(run)
        if queued and not busy:
            self._launch(queued[-1])
            busy = True  # a spare that did its imports now would take a core from the first steps of this run
        if busy:
            self._quiet_since = time.monotonic()
        elif self._spare is None and time.monotonic() > self._quiet_since + SPARE_AFTER_SECONDS:
            self._spare = start_worker()

    def _launch(self, run: Run) -> None:
        worker = self._spare if self._spare and self._spare.poll() is None else start_worker()
        self._spare = None
        self._workers.append(worker)
        run.claim(worker.pid)
        with cast(IO[str], worker.stdin) as orders:
            orders.write(f"{run.folder}\n")
        log.info("worker %s trains %s", worker.pid, run.id)


def start_worker() -> "subprocess.Popen[str]":
    """A process that does its imports and waits for a run folder on its standard input."""
    package = str(Path(chatgui.__file__).parents[1])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, "-m", "chatgui.runs.worker"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, text=True, start_new_session=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def main() -> int:
    """A worker: import what training needs, wait for a run folder, train it, leave."""
    import peft  # noqa: F401  (imported ahead: the person who presses Start should not wait for it)
    import torch  # noqa: F401
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: F401

    from chatgui import prepare  # noqa: F401
    from chatgui.runs.execute import execute, redirect_to_log
    from chatgui.training import loop  # noqa: F401

    line = sys.stdin.readline().strip()
    if not line:
        return 0
    run = Run(Path(line))
    redirect_to_log(run)
    return 0 if execute(run) else 2


if __name__ == "__main__":
    raise SystemExit(main())
