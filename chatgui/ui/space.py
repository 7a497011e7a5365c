"""What is different on a Hugging Face Space.

A page that everybody may open is for review only: chat, compare and vote. What is left out of the page cannot be
called; scripts that call the endpoints of the whole page get a sentence. On ZeroGPU a GPU is lent for seconds, to a
forked process: `on_gpu` and `gpu_trainer` run the very functions that run elsewhere in such a process.
"""

import logging
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from chatgui.runs.store import Run
from chatgui.runs.worker import Trainer
from chatgui.runs.workspace import Workspace
from chatgui.text import preferred_language, say
from chatgui.ui.form import Form
from chatgui.ui.session import bind


def here() -> bool:
    """Whether this is a Hugging Face Space."""
    return "SPACE_ID" in os.environ


def open_to_all(auth: str | None) -> bool:
    """Whether the page is for review only because everybody can reach it: a Space without a login."""
    return here() and not (auth or os.environ.get("CHATGUI_AUTH"))


class NoUploads:
    """Answers every upload with the sentence, before a byte of it is read."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].rstrip("/").endswith("/upload"):
            return await self.app(scope, receive, send)
        language = preferred_language(Request(scope).headers.get("accept-language"))
        refusal = JSONResponse({"error": say("space.review_only", language)}, status_code=403)
        return await refusal(scope, receive, send)


CLOSED: dict[str, Any] = {
    "app_kwargs": {"middleware": [Middleware(NoUploads)]},
    "css": "#review-panel :is(.train-on, .open-in, .score-make, .empty > button) { display: none }",
}
"""Options of a launch for review only."""


log = logging.getLogger(__name__)
REPLY_SECONDS = 60
"""Of a GPU that is asked for two replies; their visitor's quota is charged for what they really take."""
TRAINING_SECONDS = 240
"""Of a GPU that is asked for a run: about what a visitor has in a day (five minutes)."""
SAVING_SECONDS = 40
"""Before the end of these, a run is stopped, so that its result is saved and not lost."""


def is_zero_gpu() -> bool:
    """Whether GPUs are lent here, by the `spaces` package, for one call each."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "true")


def lend(function: Callable[..., Any], seconds: int) -> Callable[..., Any]:
    """`function` with a GPU for so long; it runs in a forked process, so what it changes in memory is lost."""
    import spaces  # only there, and brought by the Space itself

    lent: Callable[..., Any] = spaces.GPU(duration=seconds)(function)
    return lent


def on_gpu(handler: Callable[..., Any], *fixed: Any) -> Callable[..., Any]:
    """A generator of the page that computes with the model, as it is off ZeroGPU. `fixed` needs no pickling."""
    if not is_zero_gpu():
        return partial(handler, *fixed)

    def stream(*values: Any) -> Any:
        yield from handler(*fixed, *values)

    return lend(stream, REPLY_SECONDS)


def gpu_trainer() -> Trainer | None:
    """What trains on ZeroGPU instead of a worker process; None elsewhere."""
    if not is_zero_gpu():
        return None
    train = lend(train_for, TRAINING_SECONDS)

    def train_lent(run: Run) -> None:
        try:
            train(str(run.folder), TRAINING_SECONDS - SAVING_SECONDS)
        except Exception:  # a boundary as the worker's: no quota left, no GPU free
            log.exception("no GPU for %s", run.id)

    return train_lent


def train_for(folder: str, seconds: float) -> None:
    """Train the run of a folder; after `seconds` it is stopped and keeps what it has learnt."""
    from chatgui.runs.execute import execute

    run = Run(Path(folder))
    timer = threading.Timer(seconds, run.request_stop)
    timer.start()
    try:
        execute(run)
    finally:
        timer.cancel()


def draw_refusals(workspace: Workspace) -> None:
    """The endpoints of the whole page that change anything, under their names and parameters, which only refuse."""

    def refuse(language: str, **values: Any) -> None:
        workspace.must_be_whole()

    with gr.Column(visible=False):
        form = Form()
        form.draw(lambda knob: True)
        source: dict[str, Any] = {"source": gr.Textbox(label="source"), "format": gr.Textbox("auto", label="format")}
        run: dict[str, Any] = {"run": gr.Textbox(label="run"), "discard": gr.Checkbox(label="discard")}
        endpoints: dict[str, Any] = {"start_run": form.components, "load_dataset": source, "stop_run": run}
        for name, inputs in endpoints.items():
            gr.Button().click(bind(refuse), inputs_kwargs=inputs, outputs=None, api_name=name)
