"""A run's folder: the only place that knows its file names. Truth is on disk, so every reader sees the same."""

import errno
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from chatgui.config import RunConfig, read_config, write_config
from chatgui.errors import ChatGuiError, RunError
from chatgui.events import Event, from_line, latest, to_line
from chatgui.home import home_folder as home_folder
from chatgui.runs.files import drop_torn_line, flush_to_disk, is_full, told, write_atomically
from chatgui.runs.process import started

LIVE = ("starting", "running", "stopping")
ENDED = ("stopped", "paused", "finished", "failed", "interrupted")
CHECKPOINTS_KEPT = 2
"""Newest checkpoints that stay; the one with the lowest validation loss stays as well."""


@dataclass(frozen=True)
class State:
    """What a run is doing. `state` is queued, one of LIVE or one of ENDED; times are seconds since the epoch."""

    state: str
    created: float
    place: int = 0
    """In the queue: lower ones come first."""
    pid: int | None = None
    pid_started: str | None = None
    """Mark of that process (`process.started`): a pid alone may have been given to another one."""
    heartbeat: float | None = None
    """Last sign of life, in seconds of the machine's monotonic clock: it neither jumps nor counts a closed lid."""
    step: int = 0
    seconds: float = 0.0
    """Of training, up to `step`."""
    seconds_left: list[float] | None = None
    """Until the last step, from and to."""
    total_steps: int = 0
    stage: str = ""
    stage_done: int = 0
    """Rows of `stage_total` that the stage is through with; both 0 where it does not count."""
    stage_total: int = 0
    message: dict[str, Any] = field(default_factory=dict)
    """Of an ended run: locale `key` and `values`."""
    result: dict[str, Any] = field(default_factory=dict)
    """Of a run that trained: seconds, losses, tokens per second, peak memory."""


class Run:
    """One run, by its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def id(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def config(self) -> RunConfig:
        """The whole config as it was at the start."""
        return read_config(self.folder / "config.yaml")

    def rewrite_config(self, config: RunConfig) -> None:
        """Replace the config by one that says more, atomically."""
        temporary = self.folder / ".config.yaml"
        write_config(config, temporary)
        temporary.replace(self.folder / "config.yaml")

    @property
    def model_folder(self) -> Path:
        """Where the result is, once `has_model`."""
        return self.folder / "model"

    @property
    def has_model(self) -> bool:
        """Whether the run kept a result."""
        return (self.model_folder / "tokenizer_config.json").is_file()

    def result_folder(self) -> Path:
        """`model_folder`. Raises RunError when there is no result in it."""
        if not self.has_model:
            raise RunError("run.no_model", run=self.id, state=self.state().state)
        return self.model_folder

    @property
    def reviews(self) -> Path:
        """Reviews, their pairs and votes, and thumbs from the chat: `evaluation.reviews` reads and writes it."""
        return self.folder / "reviews.jsonl"

    @property
    def scorecard(self) -> Path:
        """Base and fine-tuned model on the test split, as `chatgui evaluate --json` prints it."""
        return self.folder / "scorecard.json"

    @property
    def samples(self) -> Path:
        """Answers to the probe prompts along the run: `evaluation.probes` reads and writes it."""
        return self.folder / "samples.jsonl"

    @property
    def log(self) -> Path:
        """Everything the worker printed."""
        return self.folder / "log.txt"

    def state(self) -> State:
        """The state as it is: a live one whose process is gone reads `interrupted`, one asked to stop `stopping`."""
        state = self._written()
        if state.state in LIVE and not is_alive(state):
            return replace(state, state="interrupted", message=self._why_gone())
        if state.state in LIVE and self.stop_request() not in (None, "epoch"):
            return replace(state, state="stopping")
        return state

    def _written(self) -> State:
        try:
            values = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
            return State(**{key: value for key, value in values.items() if key in State.__dataclass_fields__})
        except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, AttributeError) as error:
            raise RunError("run.no_state", run=self.id) from error

    def _why_gone(self) -> dict[str, Any]:
        """What a process that ended without a word may have died of, as far as it shows from outside."""
        key = "run.interrupted"
        with suppress(OSError):
            if not os.access(self.folder, os.W_OK):
                key = "run.interrupted_read_only"
            elif is_full(self.folder):
                key = "run.interrupted_full"
        return {"key": key, "values": {}}

    def set_state(self, **changes: Any) -> State:
        """Replace some fields of state.json, atomically."""
        state = replace(self._written(), **changes)
        write_atomically(self.folder / "state.json", json.dumps(asdict(state), ensure_ascii=False))
        return state

    def marked_interrupted(self) -> bool:
        """Whether the file itself already says so (`state` also says it when the process is just gone)."""
        return self._written().state == "interrupted"

    def claim(self, pid: int) -> None:
        """Say that process `pid` is about to train this run. Raises RunError unless it waits in the queue."""
        state = self.state().state
        if state != "queued":
            raise RunError("run.not_queued", run=self.id, state=state)
        self.set_state(state="starting", pid=pid, pid_started=started(pid), stage="imports", heartbeat=time.monotonic())

    def append(self, event: Event) -> None:
        """One more line in events.jsonl, whole or not at all: half a line would swallow the next one."""
        line = (to_line(event) + "\n").encode()
        with (self.folder / "events.jsonl").open("ab", buffering=0) as stream:
            size = stream.tell()
            if stream.write(line) < len(line):  # no exception: a full disk takes what still fits
                stream.truncate(size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def mend_events(self) -> None:
        """Take a torn last event away."""
        drop_torn_line(self.folder / "events.jsonl")

    def flush_events(self) -> None:
        """Events up to here survive a power cut: a checkpoint must not know of steps that its curve lacks."""
        flush_to_disk(self.folder / "events.jsonl")

    def events_since(self, offset: int, most_bytes: int = -1) -> tuple[list[Event], int]:
        """Events behind byte `offset`, and the offset to ask from next time. A torn last line waits for its rest.

        Reads `most_bytes` at the most (and then at least one event), all by default.

        From the start when the file is shorter than that: the run was begun anew.
        """
        try:
            with (self.folder / "events.jsonl").open("rb") as stream:
                offset = offset if offset <= stream.seek(0, os.SEEK_END) else 0
                stream.seek(offset)
                content = stream.read(most_bytes)
                while most_bytes > 0 and b"\n" not in content and (more := stream.read(most_bytes)):
                    content += more
        except FileNotFoundError:
            return [], 0
        whole = content[: content.rfind(b"\n") + 1]
        lines = whole.decode("utf-8", "replace").split("\n")
        return [event for line in lines if (event := from_line(line)) is not None], offset + len(whole)

    def events(self) -> list[Event]:
        """All events that count."""
        return latest(self.events_since(0)[0])

    def request_stop(self, discard: bool = False, *, after_epoch: bool = False) -> None:
        """Ask the worker to stop after its current step or epoch, keeping what was learnt or not.

        A queued run just ends. Raises RunError when the run has already ended, or the wish cannot be written.
        """
        self._wish("discard" if discard else "epoch" if after_epoch else "keep", "stopped", "run.stopped_in_queue")

    def request_pause(self) -> None:
        """Ask the worker to write a checkpoint after its current step and to leave. Raises RunError as above."""
        self._wish("pause", "paused", "run.paused_in_queue")

    def _wish(self, wish: str, end: str, key: str) -> None:
        state = self.state()
        if state.state in ENDED:
            raise RunError("run.not_running", run=self.id, state=state.state)
        with told(self.folder):
            write_atomically(self.folder / "stop.json", json.dumps({"wish": wish}))
            if state.state == "queued":
                self.set_state(state=end, message={"key": key, "values": {}})

    def withdraw_stop(self) -> None:
        """Take a wish to stop or to pause back, if the worker has not yet followed it."""
        with told(self.folder):
            (self.folder / "stop.json").unlink(missing_ok=True)

    def reopen(self, *, resume: bool, state: str = "queued") -> None:
        """Make an ended run ready to be trained again, from its last checkpoint or from the start.

        An old wish to stop is spent. Raises RunError while the run is live, or when its folder cannot be written.
        """
        if self.state().state in LIVE:
            raise RunError("run.still_running", run=self.id)
        with told(self.folder):
            (self.folder / "stop.json").unlink(missing_ok=True)
            if resume and self.checkpoints():
                fresh: dict[str, Any] = {}
            else:  # nothing to go on from: what an earlier try said would only stand beside the new curve
                fresh = {"step": 0, "seconds": 0.0, "total_steps": 0, "result": {}}
                self.forget_events()
                self.forget_weights()
            place = next_place(self.folder.parent)
            self.set_state(state=state, message={}, stage="", place=place, **fresh, **_process(state))

    def stop_request(self) -> str | None:
        """`keep`, `discard`, `epoch` (keep, at the end of the epoch), `pause`, or None when nobody asked."""
        try:
            text = (self.folder / "stop.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return str(json.loads(text)["wish"])

    def checkpoints(self) -> list[Path]:
        """Complete checkpoints, oldest first."""
        return sorted((self.folder / "checkpoints").glob("step-*"), key=step_of)

    def checkpoint(self, step: int) -> Path:
        """Raises RunError when there is none of that step, or no longer."""
        found = next((folder for folder in self.checkpoints() if step_of(folder) == step), None)
        if found is None:
            raise RunError("run.no_checkpoint", run=self.id, step=step)
        return found

    def thin_checkpoints(self, losses: Mapping[int, float]) -> None:
        """Keep the newest ones and the best: of `losses` (validation, by step) the lowest that has a checkpoint."""
        folders = self.checkpoints()
        known = [folder for folder in folders if step_of(folder) in losses]
        best = min(known, key=lambda folder: losses[step_of(folder)], default=None)
        for folder in folders[:-CHECKPOINTS_KEPT]:
            if folder != best:
                shutil.rmtree(folder, ignore_errors=True)

    def forget_events(self) -> None:
        """Remove the curve: the run begins anew."""
        (self.folder / "events.jsonl").unlink(missing_ok=True)
        self.samples.unlink(missing_ok=True)

    def forget_weights(self) -> None:
        """Remove what was learnt: the result and the checkpoints."""
        for folder in ("model", "checkpoints"):
            shutil.rmtree(self.folder / folder, ignore_errors=True)

    def clear_unfinished(self) -> None:
        """Remove what a write that broke off left under a temporary name; on a full disk that is what fills it."""
        for folder in (self.folder / ".model", *(self.folder / "checkpoints").glob(".*")):
            shutil.rmtree(folder, ignore_errors=True)

    def delete(self) -> None:
        """Remove the folder. Raises RunError while the run is live."""
        if self.state().state in LIVE:
            raise RunError("run.still_running", run=self.id)
        shutil.rmtree(self.folder)


def step_of(checkpoint: Path) -> int:
    """The step in the name of a checkpoint's folder."""
    return int(checkpoint.name.removeprefix("step-"))


def is_alive(state: State) -> bool:
    """Whether the process a state names still runs, and is the same process."""
    return state.pid is not None and state.pid_started is not None and started(state.pid) == state.pid_started


def silent_seconds(state: State) -> float:
    """How long a live run has given no sign of life: its process hangs, or its disk does not answer."""
    if state.state not in LIVE or state.heartbeat is None:
        return 0.0
    return max(0.0, time.monotonic() - state.heartbeat)


def new_run_id(config: RunConfig, made_by: str = "") -> str:
    """Time, subject and four random digits: sorts by age, says what it is, is never given twice."""
    subject = re.sub(r"[^a-z0-9]+", "-", Path(config.data.source).stem.lower()).strip("-")[:24] or "run"
    subject = f"{subject}-{made_by}" if made_by else subject
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{subject}-{secrets.token_hex(2)}"


def create_run(home: Path, config: RunConfig, state: str = "queued", run_id: str | None = None) -> Run:
    """A new run folder. Raises RunError when it cannot be written (a read-only home, a full disk).

    Its state is written last and makes it a run: with the `run_id` of one whose making broke off, that is made up for.
    """
    run = Run(home / "runs" / (run_id or new_run_id(config)))
    broke_off = run_id is not None and not (run.folder / "state.json").exists()
    with told(home):
        run.folder.mkdir(parents=True, exist_ok=broke_off)
    try:
        with told(home):
            write_config(config, run.folder / "config.yaml")
            first = State(state, time.time(), next_place(run.folder.parent), **_process(state))
            write_atomically(run.folder / "state.json", json.dumps(asdict(first)))
    except RunError:
        shutil.rmtree(run.folder, ignore_errors=True)
        raise
    return run


def next_place(runs: Path) -> int:
    """The place behind all runs that wait."""
    return 1 + max((state.place for state in _states(runs) if state.state == "queued"), default=0)


def _states(runs: Path) -> Iterator[State]:
    for file in runs.glob("*/state.json"):
        with suppress(RunError):  # deleted at this moment, or not one of ours
            yield Run(file.parent).state()


def _process(state: str) -> dict[str, Any]:
    """The process a state belongs to: this one when it is live, none otherwise."""
    alive = state in LIVE
    return {"pid": os.getpid() if alive else None, "pid_started": started() if alive else None}


def find_run(home: Path, name: str) -> Run:
    """A run by its id, a unique beginning or end of it, its folder, or `last`. Raises RunError when there is none."""
    if name and (Path(name) / "state.json").is_file():
        return Run(Path(name).absolute())
    runs = list_runs(home)
    if name == "last" and runs:
        return runs[0]
    fitting = [run for run in runs if run.id == name] or [
        run for run in runs if name and (run.id.startswith(name) or run.id.endswith(name))
    ]
    if len(fitting) != 1:
        known = ", ".join(run.id for run in runs[:5]) or "-"
        raise RunError("run.not_found" if not fitting else "run.ambiguous", run=name, home=str(home), known=known)
    return fitting[0]


def list_runs(home: Path) -> list[Run]:
    """All runs of a home, newest first."""
    folders = sorted((home / "runs").glob("*/state.json"), reverse=True)
    return [Run(file.parent) for file in folders]


def summaries(home: Path) -> Iterator[dict[str, Any]]:
    """A line for every run of a home; a folder that cannot be read is left out, it must not hide the others."""
    for run in list_runs(home):
        try:
            yield dict(summary(run))
        except ChatGuiError:
            continue


def summary(run: Run) -> Mapping[str, Any]:
    """One line of a table of runs."""
    state, config = run.state(), run.config
    return {
        "run": run.id, "state": state.state, "task": config.task.kind, "model": config.model.name,
        "data": config.data.source, "adapter": config.adapter.kind, "steps": state.step,
        "total_steps": state.total_steps, "created": state.created,
        "validation_loss": state.result.get("validation_loss"),
    }  # fmt: skip
