"""One run from its folder to its result, in this process: what `chatgui train RUN` does.

Everything that can go wrong ends in a truthful state and a sentence; this is one of the two places that catch all.
"""

import errno
import json
import math
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from chatgui.config import RunConfig
from chatgui.errors import ChatGuiError
from chatgui.events import Checkpoint, Event, Failed, Finished, Notice, Resumed, Stage, Step
from chatgui.runs.store import Run, write_atomically

if TYPE_CHECKING:
    from chatgui.prepare import Prepared
    from chatgui.tokens.template import Template
    from chatgui.training.loop import Outcome, Snapshot

STATE_SECONDS = 0.5
"""Longest time between two writes of state.json while steps go by."""
FULL_BYTES = 2**20
"""A disk with less free space than this is full."""


def execute(run: Run, on_event: Callable[[Event], None] = lambda event: None) -> bool:
    """Train the run, from its last checkpoint if it has one. True when it ended well.

    The reason of a failure is in its state and events.

    `on_event` sees every event as well (the terminal prints them).
    """
    process = psutil.Process()
    journal = _Journal(run, on_event)
    signal.signal(signal.SIGTERM, lambda number, frame: journal.ask_to_stop())
    try:
        run.set_state(
            state="starting", pid=process.pid, pid_started=process.create_time(), heartbeat=time.time(), message={}
        )
        _train(run, journal)
    except ChatGuiError as error:
        journal.fail(**error.plain())
    except MemoryError:
        journal.fail("run.out_of_memory", {})
    except Exception as error:  # the worker's boundary: whatever it was, the run must say so
        key, reason = _reason(run, error)
        journal.fail(key, {} if key == "run.out_of_memory" else {"reason": reason, "log": str(run.log)})
        _log_traceback(run)
    return run.state().state in ("finished", "stopped")


def _reason(run: Run, error: Exception) -> tuple[str, str]:
    """Key and reason of an error nobody foresaw."""
    if "out of memory" in str(error).lower():
        return "run.out_of_memory", ""
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    if full or shutil.disk_usage(run.folder).free < FULL_BYTES:  # torch and safetensors do not tell it by number
        return "run.disk_full", os.strerror(errno.ENOSPC)
    return "run.crashed", _first_line(error)


def _log_traceback(run: Run) -> None:
    """Into the run's log, wherever the run was started. A full disk goes without: its sentence says enough."""
    with suppress(OSError), run.log.open("a", encoding="utf-8") as stream:
        traceback.print_exc(file=stream)


class _Journal:
    """Writes events and state, and knows whether somebody asked to stop."""

    def __init__(self, run: Run, on_event: Callable[[Event], None]) -> None:
        self.run = run
        self.on_event = on_event
        self.terminated = False
        self.written = 0.0

    def emit(self, event: Event) -> None:
        self.run.append(event)
        self.on_event(event)
        if isinstance(event, Stage):
            self.run.set_state(stage=event.name, heartbeat=time.time())
        elif isinstance(event, Step) and time.monotonic() - self.written > STATE_SECONDS:
            self.run.set_state(step=event.step, seconds=event.seconds, heartbeat=time.time())
            self.written = time.monotonic()

    def ask_to_stop(self) -> None:
        self.terminated = True

    def should_stop(self) -> bool:
        return self.terminated or self.run.stop_request() is not None

    def fail(self, key: str, values: dict[str, Any]) -> None:
        self.run.clear_unfinished()
        with suppress(OSError):  # not even a line fits on the disk: a dead process with a live state is "interrupted"
            self.run.set_state(state="failed", message={"key": key, "values": values}, stage="")
            self.run.append(Failed(key, values))
        self.on_event(Failed(key, values))


def _train(run: Run, journal: _Journal) -> None:
    config = run.config
    journal.emit(Stage("imports"))
    from chatgui.prepare import prepare
    from chatgui.training.loop import total_steps, train

    journal.emit(Stage("data"))
    prepared = prepare(config)
    if prepared.config != config:  # what the task learnt of the data belongs to the run: a resumed one must not differ
        config = prepared.config
        run.rewrite_config(config)
    for notice in _notices(prepared):
        journal.emit(notice)
    write_atomically(run.folder / "splits.json", json.dumps(prepared.splits.fingerprints()))
    total = total_steps(len(prepared.train), config.training)
    run.set_state(total_steps=total)
    journal.emit(Stage("model"))
    model = _model(config, prepared.template, total)
    start = _last_snapshot(run, model.device)
    if start:
        journal.emit(Resumed(start.step))
    if journal.should_stop():
        journal.emit(Finished(start.step if start else 0, 0.0, reason="stopped"))
        run.set_state(state="stopped", stage="", message={"key": "run.stopped_early", "values": {}})
        return
    journal.emit(Stage("training"))
    run.set_state(state="running")
    outcome = train(
        model, config.task, prepared.train, prepared.validation, config.training,
        emit=journal.emit, should_stop=journal.should_stop, keep=_keeper(run, journal), resume=start,
    )  # fmt: skip
    wish = run.stop_request() or "keep"
    if outcome.stopped and wish == "discard":
        run.forget_weights()
    else:
        journal.emit(Stage("saving"))
        _save(run, model, prepared.template.tokenizer, config)
    name, key = ("stopped", f"run.stopped_{wish}") if outcome.stopped else ("finished", "run.finished")
    journal.emit(Finished(outcome.steps, outcome.seconds, reason="stopped" if outcome.stopped else "done"))
    run.set_state(
        state=name, step=outcome.steps, result=_result(outcome, model.device), stage="",
        message={"key": key, "values": {}},
    )  # fmt: skip


def _notices(prepared: "Prepared") -> Iterator[Notice]:
    """What the person should know of the data before it is trained on."""
    for dropped, key in ((prepared.dataset.dropped, "run.rows_dropped"), (prepared.encoded.dropped, "run.rows_unfit")):
        if dropped:
            first = dropped[0]
            yield Notice(key, {"count": len(dropped), "line": first.line, "reason": first.reason.plain()})
    if prepared.encoded.cut:
        yield Notice("run.rows_cut", {"count": prepared.encoded.cut, "limit": prepared.max_length_tokens})


def _model(config: RunConfig, template: "Template", total_steps: int) -> Any:
    """The model with its adapter, on the best device. The seed fixes the adapter's first weights."""
    import torch

    from chatgui import models

    torch.manual_seed(config.training.seed)
    device = models.best_device()
    dtype = models.frozen_dtype(device) if config.adapter.FREEZES_BASE else torch.float32
    options, bits = config.task.head_options(template), config.adapter.quantized_bits
    base = models.load_model(config.model, config.task.HEAD, device, dtype, options, bits)
    model = config.adapter.attach(base, total_steps)
    for weight in model.parameters():
        if weight.requires_grad:  # what learns is kept in full precision, whatever the frozen weights have
            weight.data = weight.data.float()
    return model


def _last_snapshot(run: Run, device: Any) -> "Snapshot | None":
    from chatgui.runs.checkpoints import read_checkpoint

    checkpoints = run.checkpoints()
    return read_checkpoint(checkpoints[-1], device) if checkpoints else None


def _result(outcome: "Outcome", device: Any) -> dict[str, Any]:
    return {
        "seconds": round(outcome.seconds, 2), "tokens": outcome.tokens, "train_loss": _finite(outcome.train_loss),
        "validation_loss": _finite(outcome.validation_loss),
        "tokens_per_second": round(outcome.tokens / max(outcome.seconds, 1e-9), 1),
        "peak_memory_bytes": _peak_memory_bytes(device),
    }  # fmt: skip


def _finite(loss: float | None) -> float | None:
    """None for a loss that is no number, which JSON could not say."""
    return loss if loss is not None and math.isfinite(loss) else None


def _keeper(run: Run, journal: _Journal) -> Callable[[Any], None]:
    from chatgui.runs.checkpoints import write_checkpoint

    def keep(snapshot: Any) -> None:
        folder = write_checkpoint(run.folder / "checkpoints", snapshot)
        run.thin_checkpoints()
        journal.emit(Checkpoint(snapshot.step, folder.name))

    return keep


def _save(run: Run, model: Any, tokenizer: Any, config: RunConfig) -> None:
    """The result under a temporary name first: a model folder is whole or not there."""
    temporary = run.folder / ".model"
    shutil.rmtree(temporary, ignore_errors=True)
    model.save_pretrained(temporary)
    tokenizer.save_pretrained(temporary)
    (temporary / "README.md").write_text(_card(run, config), encoding="utf-8")
    shutil.rmtree(run.model_folder, ignore_errors=True)
    temporary.rename(run.model_folder)


def _card(run: Run, config: RunConfig) -> str:
    return (
        f"# {run.id}\n\n"
        f"Fine-tuned with ChatGUI from `{config.model.name}` on `{config.data.source}` "
        f"(task {config.task.kind}, adapter {config.adapter.kind}).\n\n"
        "The config beside this folder (`config.yaml`) repeats the run; `splits.json` names the rows of each split.\n"
    )


def _peak_memory_bytes(device: Any) -> int:
    """Of the GPU where there is one, else of this process (resident)."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts kibibytes, macOS bytes


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def redirect_to_log(run: Run) -> None:
    """Send this process's output to the run's log file, for good."""
    path = Path(run.log)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
