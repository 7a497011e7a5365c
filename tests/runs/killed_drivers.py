"""Drives a search and is killed before its first write to the disk, its second one, its third one, until one is left.

`python -m tests.runs.killed_drivers SEARCH_FOLDER [--torn|--spared]`: each driver is a fork of this process, so that
fifty of them take seconds. Their runs are trained by a thread here that writes what a worker writes and needs no model.
With `--torn`, a driver that dies while it writes Optuna's record leaves half a line in it; with `--spared`, none dies.
Ends with the status of the last driver, and prints how many there were.
"""

import math
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from chatgui.cli import main
from chatgui.config import RunConfig
from chatgui.events import Evaluation
from chatgui.runs import driving
from chatgui.runs.queue import next_run
from chatgui.runs.store import Run

WRITES = os.O_WRONLY | os.O_RDWR
PATIENCE_SECONDS = 120.0


def loss_of(config: RunConfig) -> float:
    """Best at a learning rate of 1e-2."""
    return abs(math.log10(config.training.learning_rate) + 2)


class Queue:
    """In place of the training thread and its workers."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.closing = False
        self.thread = threading.Thread(target=self.work, daemon=True)

    def start(self) -> None:
        self.thread.start()

    def close(self) -> None:
        self.closing = True
        self.thread.join()

    def work(self) -> None:
        while not self.closing:
            for folder in (self.home / "runs").glob("*/state.json"):
                run = Run(folder.parent)
                if run.state().state == "interrupted" and not run.marked_interrupted():
                    run.set_state(state="interrupted")
            if following := next_run(self.home):
                train(following)
            time.sleep(0.001)


def train(run: Run) -> None:
    """Four steps, with a look at the validation split after each."""
    run.claim(os.getpid())
    run.set_state(state="running")
    loss = loss_of(run.config)
    for step in range(1, 5):
        run.append(Evaluation(step, "validation", loss + 1 / step - 1 / 4))
        if run.stop_request():
            run.set_state(state="stopped")
            return
        time.sleep(0.01)
    run.set_state(state="finished", result={"validation_loss": loss})


def kill_at(write: int, home: str, torn: bool) -> None:
    """This process dies before its `write`-th write below `home`."""
    seen = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        writes = event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir") or (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES
        )
        if not (writes and str(arguments[0]).startswith(home)):
            return
        seen += 1
        if seen == write:
            if torn and str(arguments[0]).endswith("journal.log"):
                with Path(arguments[0]).open("ab") as stream:
                    stream.write(b'{"op_code":5,"worker')
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def drive_until_killed(folder: Path, write: int, how: list[str]) -> int:
    """Status of one driver."""
    child = os.fork()
    if child == 0:
        if "--spared" not in how:
            kill_at(write, str(folder.parents[1]), "--torn" in how)
        os._exit(main(["search", folder.name, "--home", str(folder.parents[1])]))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    import optuna  # noqa: F401  once, before the forks

    driving.TrainingThread = Queue  # type: ignore[assignment, misc]  # no run is trained here
    driving.POLL_SECONDS = 0.001
    end = time.monotonic() + PATIENCE_SECONDS
    drivers, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL and time.monotonic() < end:
        drivers += 1
        status = drive_until_killed(Path(sys.argv[1]), drivers, sys.argv[2:])
    print(drivers)
    raise SystemExit(status if status >= 0 else 99)
