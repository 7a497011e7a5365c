"""Runs small enough to train in a second."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

import pytest

from chatgui.config import RunConfig
from chatgui.events import Evaluation, Step
from chatgui.fields import build
from chatgui.runs.store import Run
from chatgui.runs.worker import TrainingThread

Open = Callable[[Path], TrainingThread]


def wait_until(condition: Callable[[], object], seconds: float = 120) -> None:
    """Wait for a condition, and fail when it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} seconds in vain"
        time.sleep(0.05)


def wait_for(run: Run, *states: str, seconds: float = 120) -> None:
    """Wait for a state, and fail with the run's log when it does not come."""
    end = time.monotonic() + seconds
    while (state := run.state()).state not in states:
        assert time.monotonic() < end, f"{state}\n{run.log.read_text(encoding='utf-8') if run.log.exists() else ''}"
        time.sleep(0.005)


def curve(run: Run) -> list[tuple[Any, ...]]:
    """Everything in the events that is not a time or a memory."""
    points: list[tuple[Any, ...]] = []
    for event in run.events():
        if isinstance(event, Step):
            points.append((event.step, event.epoch, event.tokens, event.loss, event.learning_rate, event.grad_norm))
        elif isinstance(event, Evaluation):
            points.append((event.step, event.split, event.loss))
    return points


@pytest.fixture(scope="session")
def start() -> Iterator[Callable[[Run], int]]:
    """Start a worker on a run; gives its process id. (`forks` says how twenty of them start in seconds.)"""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.runs.forks"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    orders, answers = cast(IO[str], process.stdin), cast(IO[str], process.stdout)
    assert answers.readline() == "ready\n"

    def begin(run: Run) -> int:
        orders.write(f"{run.folder}\n")
        orders.flush()
        return int(answers.readline())

    yield begin
    orders.close()
    process.wait(timeout=20)
    answers.close()


@pytest.fixture
def make_config(tiny_model: Path, conversations: Path) -> Callable[..., RunConfig]:
    """A run over the 24 conversations with the tiny model; `training` as given."""

    def make(source: str | Path = conversations, **training: Any) -> RunConfig:
        values = {"batch_size": 4, "max_steps": 3, "checkpoint_steps": 1, **training}
        return build(
            RunConfig,
            {
                "model": {"name": str(tiny_model)}, "data": {"source": str(source)}, "training": values,
                "probes": {"count": 0},
            },
        )  # fmt: skip

    return make


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("mounting a disk needs rights this user does not have")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def open_thread() -> Iterator[Open]:
    """Start a training thread over a home; at the end it is closed, and its workers are no more."""
    threads: list[TrainingThread] = []

    def start(home: Path) -> TrainingThread:
        home.mkdir(exist_ok=True)
        thread = TrainingThread(home)
        thread.start()
        threads.append(thread)
        return thread

    yield start
    for thread in threads:
        thread.close()
        for worker in thread._workers:
            with contextlib.suppress(ProcessLookupError):
                worker.process.kill()
            worker.process.wait()


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No spare worker: it would only keep the processor busy."""
    monkeypatch.setattr("chatgui.runs.worker.SPARE_AFTER_SECONDS", 10**9)
