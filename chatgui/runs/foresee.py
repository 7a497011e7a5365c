"""A forecast of a run: its config in, the figures out, in this process or in a worker process.

The process should be a fresh one: its peak memory stands for that of the run. It must not train the run afterwards.
"""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from chatgui import devices
from chatgui.config import RunConfig, read_config, write_config
from chatgui.errors import ChatGuiError, RunError
from chatgui.runs.store import write_atomically
from chatgui.training.forecast import Forecast, forecast

if TYPE_CHECKING:
    from chatgui.prepare import Prepared

WANTED = "wanted"
ORDER = "forecast "
"""Begins the line that asks a worker for a forecast; a folder with config.yaml follows."""


def foresee(config: RunConfig, scratch: Path) -> Forecast:
    """Load all that the run would load and take some of its steps. Raises what the run would raise."""
    from chatgui.prepare import prepare
    from chatgui.runs.execute import make_model
    from chatgui.training.loop import total_steps

    prepared = prepare(config)
    model = make_model(prepared.config, prepared.template, total_steps(len(prepared.train), config.training))
    return _forecast(model, prepared, scratch)


def foresee_in_place(model: Any, prepared: "Prepared", folder: Path) -> Forecast:
    """The same in the process that is about to train this model, which is left as it was. Kept in the run's folder."""
    from chatgui.training.step import random_state, set_random_state

    state = random_state(model.device)
    with tempfile.TemporaryDirectory(prefix=".forecast", dir=folder) as scratch:
        made = _forecast(model, prepared, Path(scratch), in_place=True)
    set_random_state(state, model.device)
    keep_forecast(folder, made)
    return made


def _available(device: Any) -> int:
    """Bytes that this process may fill, with those it has already."""
    import torch

    if device.type == "cuda":
        return devices.device().free_memory_bytes + torch.cuda.memory_reserved(device)
    return devices.memory()[1] + psutil.Process().memory_info().rss


def _forecast(model: Any, prepared: "Prepared", scratch: Path, *, in_place: bool = False) -> Forecast:
    from chatgui.runs.checkpoints import write_checkpoint
    from chatgui.runs.execute import make_probes, peak_memory_bytes
    from chatgui.training.forecast import Machine

    config = prepared.config

    def keep(snapshot: Any) -> float:
        began = time.monotonic()
        folder = write_checkpoint(scratch, snapshot)
        seconds = time.monotonic() - began
        shutil.rmtree(folder)
        return seconds

    probes = make_probes(prepared)

    def ask_probes() -> float:
        began = time.monotonic()
        probes.answer(model, 0)
        return time.monotonic() - began

    machine = Machine(lambda: peak_memory_bytes(model.device), _available(model.device), keep, ask_probes)
    return forecast(
        model, config.task, prepared.train, prepared.validation, config.training, machine, in_place=in_place
    )  # fmt: skip


def obey(folder: Path) -> int:
    """What a worker does with the order: the figures, or the reason why there are none, as `forecast.json`."""
    try:
        answer = asdict(foresee(read_config(folder / "config.yaml"), folder))
    except ChatGuiError as error:
        answer = {"error": error.plain()}
    except (RuntimeError, MemoryError) as error:
        if "memory" not in str(error).lower() and not isinstance(error, MemoryError):
            raise
        answer = {"error": {"key": "forecast.does_not_fit", "values": {}}}
    write_atomically(folder / "forecast.json", json.dumps(answer))
    return 0


def ask(
    worker: "subprocess.Popen[str]", config: RunConfig, should_stop: Callable[[], bool] = lambda: False
) -> Forecast:
    """Let a waiting worker process make the forecast; it leaves afterwards, or is ended when `should_stop` says so.

    Raises the error a run would raise; RunError when the worker died, which mostly means that memory ran out.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_config(config, folder / "config.yaml")
        try:
            if worker.stdin is None:
                raise RunError("forecast.died")
            worker.stdin.write(f"{ORDER}{folder}\n")
            worker.stdin.close()
            while worker.poll() is None and not should_stop():
                time.sleep(0.1)
        except BrokenPipeError as error:
            raise RunError("forecast.died") from error
        finally:
            if worker.poll() is None:
                worker.kill()
            worker.wait()
        return read_forecast(folder)


def read_forecast(folder: Path) -> Forecast:
    """What `obey` or `keep_forecast` wrote. Raises RunError when there is none, or the reason in it."""
    try:
        values = json.loads((folder / "forecast.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError("forecast.died") from error
    if WANTED in values:
        raise RunError("forecast.not_yet")
    if "error" in values:
        raise RunError(values["error"]["key"], **values["error"]["values"])
    return Forecast(**{**values, "advice": tuple(values["advice"])})


def want_forecast(folder: Path) -> None:
    """Let the run of this folder begin with a forecast."""
    write_atomically(folder / "forecast.json", json.dumps({WANTED: True}))


def is_wanted(folder: Path) -> bool:
    """Whether `want_forecast` was asked, and nothing came of it yet."""
    try:
        return WANTED in json.loads((folder / "forecast.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


def keep_forecast(folder: Path, made: Forecast) -> None:
    """Beside the run it is about, so that forecast and fact can be held against each other."""
    write_atomically(folder / "forecast.json", json.dumps(asdict(made)))
