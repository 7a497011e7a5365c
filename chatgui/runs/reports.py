"""Reports on data, made in the background and kept in the home: a page that is reloaded finds them again.

Small data is measured by a thread of this process, large data by a process of its own, which costs the page neither
time nor memory.
"""

import hashlib
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from chatgui.config import RunConfig, write_config
from chatgui.data.load import DataConfig, Dataset
from chatgui.errors import ChatGuiError, RunError
from chatgui.measure import ALONE_ROWS, Measures, measure

log = logging.getLogger(__name__)
KEPT = 20
"""Measured data sets that stay on the disk; the one used longest ago makes room."""
UNWATCHED_SECONDS = 5.0
"""A job that nobody has asked for so long makes room for another one."""
NOT_MEASURED = ("remedies", "validation_fraction", "test_fraction", "split_seed", "split_by", "split_column")
"""Fields of the data that change what is done with the rows, but not the rows."""


@dataclass(eq=False)
class Job:
    """One measuring: how far it is, and what came of it."""

    config: RunConfig
    folder: Path
    total: int
    state_of_files: tuple[object, ...] = ()
    """Tells one version of the source's files from another."""
    done: int = 0
    state: str = "running"
    """running, done, stopped or failed."""
    measures: Measures | None = None
    error: ChatGuiError | None = None
    started: float = field(default_factory=time.monotonic)
    watched: float = field(default_factory=time.monotonic)
    asked_to_stop: bool = False

    @property
    def seconds_left(self) -> float | None:
        """By the rate so far; None before anything is done."""
        if not self.done:
            return None
        return (time.monotonic() - self.started) / self.done * (self.total - self.done)


class Reports:
    """The measurings of one home. Safe to use from several threads."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "reports"
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def job(self, config: RunConfig, dataset: Dataset, state: tuple[object, ...], again: bool = False) -> Job:
        """The measuring of this data under this tokenizer, begun if it was not yet; `again` after it was stopped.

        `state` tells one version of the source's files from another.
        """
        key = _key(config, state)
        with self._lock:
            job = self._jobs.get(key)
            if job is None or (again and job.state in ("stopped", "failed")):
                self._make_room()
                job = self._jobs[key] = Job(config, self.folder / key, len(dataset.rows), state)
                job.measures = Measures.read(job.folder)
                if job.measures is not None and len(job.measures) == len(dataset.rows):
                    job.done, job.state = job.total, "done"
                else:
                    thread = threading.Thread(target=self._work, args=(job, dataset), name="report", daemon=True)
                    thread.start()
        job.watched = time.monotonic()
        return job

    def known(self, config: DataConfig, state: tuple[object, ...]) -> Measures | None:
        """What was measured of some rows under any tokenizer; None when nothing was yet."""
        rows = unmeasured(config)
        with self._lock:
            jobs = [job for job in self._jobs.values() if job.measures is not None and job.config.data == rows]
        return next((job.measures for job in jobs if job.state_of_files == state), None)

    def _make_room(self) -> None:
        now = time.monotonic()
        for key, job in list(self._jobs.items()):
            if now - job.watched > UNWATCHED_SECONDS:
                job.asked_to_stop = True
                if len(self._jobs) > KEPT:
                    del self._jobs[key]

    def _work(self, job: Job, dataset: Dataset) -> None:
        try:
            if len(dataset.rows) <= ALONE_ROWS:
                job.measures = measure(job.config, dataset.rows, _tell(job), lambda: job.asked_to_stop)
                if job.measures is not None:
                    job.measures.save(job.folder)
            else:
                self._measure_apart(job)
            job.state = "stopped" if job.measures is None else "done"
            if job.measures is not None:
                self._forget_old()
        except ChatGuiError as error:
            job.error, job.state = error, "failed"
        except OSError as error:
            reason = error.strerror or str(error)
            job.error, job.state = RunError("run.cannot_write", path=str(job.folder), reason=reason), "failed"
        except Exception as error:  # the page's boundary: a thread that just ended would leave its reader waiting
            log.exception("the report on %s failed", job.config.data.source)
            job.error, job.state = RunError("report.failed", reason=str(error) or type(error).__name__), "failed"

    def _measure_apart(self, job: Job) -> None:
        """By a process that imports no page. Raises RunError with its last line when it fails."""
        job.folder.mkdir(parents=True, exist_ok=True)
        config = job.folder / "config.yaml"
        write_config(job.config, config)
        command = [sys.executable, "-m", "chatgui.measure", str(config), str(job.folder)]
        with (job.folder / "log.txt").open("w+", encoding="utf-8") as errors:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
            )  # fmt: skip
            watch = threading.Thread(target=_end_when_stopped, args=(process, job), daemon=True)
            watch.start()
            with process:
                for line in process.stdout or ():
                    told = json.loads(line)
                    _tell(job)(told["done"], told["total"])
            watch.join()
            if process.returncode and not job.asked_to_stop:
                errors.seek(0)
                last = (errors.read().strip().splitlines() or ["-"])[-1]
                raise RunError("report.failed", reason=last[:300])
        job.measures = None if job.asked_to_stop else Measures.read(job.folder)

    def _forget_old(self) -> None:
        import shutil

        folders = sorted(self.folder.iterdir(), key=lambda folder: folder.stat().st_mtime, reverse=True)
        for folder in folders[KEPT:]:
            shutil.rmtree(folder, ignore_errors=True)


def _tell(job: Job) -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        job.done, job.total = done, total

    return tell


def _end_when_stopped(process: "subprocess.Popen[str]", job: Job) -> None:
    import os
    import signal

    while process.poll() is None:
        if job.asked_to_stop:
            os.killpg(process.pid, signal.SIGTERM)  # its own workers stand in its group
            return
        time.sleep(0.1)


def _key(config: RunConfig, state: tuple[object, ...]) -> str:
    data = config.data.model_dump(mode="json", exclude=set(NOT_MEASURED))
    told = {
        "data": data, "state": [str(part) for part in state], "model": config.model.model_dump(mode="json"),
        "task": config.task.model_dump(mode="json"), "limit": config.training.max_length_tokens,
    }  # fmt: skip
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def unmeasured(config: DataConfig) -> DataConfig:
    """The data as it is measured: without what only decides about its rows."""
    default = DataConfig()
    return config.model_copy(update={name: getattr(default, name) for name in NOT_MEASURED})
