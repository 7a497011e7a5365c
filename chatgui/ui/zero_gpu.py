"""ZeroGPU: a GPU is lent for seconds, for one call, to a forked process; by the `spaces` package, which is only there.

`lent` and `trainer` run in such a process the very functions that run elsewhere. Whatever is not lent computes on the
processor (`models.best_device`).
"""

import inspect
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial, wraps
from pathlib import Path
from typing import Any

import gradio as gr

from chatgui.devices import LENT, is_zero_gpu
from chatgui.errors import ChatGuiError, RunError
from chatgui.runs.store import LIVE, Run
from chatgui.runs.worker import Trainer
from chatgui.ui.session import toast

log = logging.getLogger(__name__)
REPLY_SECONDS = 60
"""Of a GPU that is asked for replies; their visitor's quota is charged for what they really take."""
TRAINING_SECONDS = 240
"""Of a GPU that is asked for a run: about what a visitor has in a day (five minutes). $CHATGUI_GPU_SECONDS is for
Spaces whose visitors have more."""
SAVING_SECONDS = 40
"""Before the end of these (at most half of them) a run is paused, so that its checkpoint is written and not lost."""


def _lend(function: Callable[..., Any], seconds: int) -> Callable[..., Any]:
    """`function` with a GPU for so long. It runs in a forked process, so what it changes in memory is lost."""
    import spaces

    with_gpu: Callable[..., Any] = spaces.GPU(duration=seconds)(function)
    return with_gpu


def lent(handler: Callable[..., Any], *fixed: Any) -> Callable[..., Any]:
    """A handler of the page that computes with a model, `fixed` bound to it; on ZeroGPU in the forked process.

    `fixed` is there by the fork; what the page gives is pickled: first of all, as `bind` does, the reader's language.
    Of an error only Gradio's own comes back whole, so it holds the sentence.
    """
    if not is_zero_gpu():
        return partial(handler, *fixed)

    @wraps(handler)
    def stream(language: str, *values: Any, **named: Any) -> Iterator[Any]:
        os.environ[LENT] = "1"
        with _told(language):
            yield from handler(*fixed, language, *values, **named)

    @wraps(handler)
    def call(language: str, *values: Any, **named: Any) -> Any:
        os.environ[LENT] = "1"
        with _told(language):
            return handler(*fixed, language, *values, **named)

    borrowed = _lend(stream if inspect.isgeneratorfunction(handler) else call, REPLY_SECONDS)
    # Gradio asks for the parameters, and the wrapper shows those of `stream` or `call`; mypy knows no such attribute
    borrowed.__signature__ = inspect.signature(partial(handler, *fixed))  # type: ignore[attr-defined]
    return borrowed


@contextmanager
def _told(language: str) -> Iterator[None]:
    try:
        yield
    except ChatGuiError as error:
        raise toast(error.text(language)) from None


def trainer() -> Trainer | None:
    """What trains on ZeroGPU instead of a worker process; None elsewhere."""
    if not is_zero_gpu():
        return None
    seconds = int(os.environ.get("CHATGUI_GPU_SECONDS") or TRAINING_SECONDS)
    train = _lend(train_for, seconds)

    def train_lent(run: Run) -> None:
        try:
            train(str(run.folder), seconds - min(SAVING_SECONDS, seconds / 2))
        except gr.Error as error:  # no quota left, no GPU free, longer than it was lent for
            log.warning("no GPU for %s: %s", run.id, error.message)
            if run.state().state in (*LIVE, "interrupted"):
                told = {"key": "space.no_gpu", "values": {"reason": str(error.message)}}
                run.set_state(state="interrupted", message=told, stage="")

    return train_lent


def train_for(folder: str, seconds: float) -> None:
    """Train the run of a folder; after `seconds` it is paused, and goes on when somebody resumes it."""
    from chatgui.runs.execute import execute

    os.environ[LENT] = "1"
    run = Run(Path(folder))
    over = threading.Event()

    def end() -> None:
        with suppress(RunError):  # it has ended at this moment
            if run.stop_request() in (None, "epoch"):  # a person's wish counts more
                over.set()
                run.request_pause()

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        execute(run)
    finally:
        timer.cancel()
    if over.is_set() and (state := run.state()).state == "paused":
        values = {"seconds": round(seconds), "step": state.step}
        run.set_state(message={"key": "space.time_over", "values": values})
