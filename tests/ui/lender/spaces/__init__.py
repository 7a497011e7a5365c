"""Lends a GPU that is not there, under the rules of the package of this name on ZeroGPU.

A call runs in a thread of a forked daemon process; what goes in and comes out is pickled, but of an error that is not
Gradio's only the name; a visitor must have asked (Gradio's request stands in the context); when the time is over, the
process is killed. Each loan is a line of $LOANS.
"""

import functools
import inspect
import json
import multiprocessing
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import gradio as gr
import torch  # noqa: F401  the real one needs it before it is forked
from gradio.context import LocalContext

FORK = multiprocessing.get_context("fork")


def GPU(duration: int = 60) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """As the real one: for a function or a generator."""

    def lend(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def stream(*values: Any, **named: Any) -> Iterator[Any]:
            yield from _borrow(function, duration, values, named)

        @functools.wraps(function)
        def call(*values: Any, **named: Any) -> Any:
            *_, result = _borrow(function, duration, values, named)
            return result

        return stream if inspect.isgeneratorfunction(function) else call

    return lend


def gradio_auto_wrap(task: Any) -> Any:
    """Gradio calls it for every listener."""
    return task


def _borrow(function: Callable[..., Any], duration: int, values: Any, named: Any) -> Iterator[Any]:
    if LocalContext.request.get() is None:
        raise gr.Error("Space app has reached its GPU limit")
    ours, theirs = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_wait_for, args=(theirs, function, pickle.dumps((values, named))), daemon=True)
    begun = time.monotonic()
    process.start()
    theirs.close()
    aborted = True
    try:
        while ours.poll(max(0.0, begun + duration - time.monotonic())):
            kind, value = pickle.loads(ours.recv_bytes())
            if kind != "value":
                aborted = False
                if kind == "error":
                    raise value
                return
            yield value
        raise gr.Error("GPU task aborted")
    finally:
        process.kill()
        process.join()
        loan = {"function": function.__name__, "duration": duration, "seconds": time.monotonic() - begun}
        with open(os.environ["LOANS"], "a", encoding="utf-8") as stream:
            stream.write(json.dumps({**loan, "aborted": aborted, "process": process.pid}) + "\n")


def _wait_for(*work: Any) -> None:
    thread = threading.Thread(target=_work, args=work)
    thread.start()
    thread.join()


def _work(out: Connection, function: Callable[..., Any], given: bytes) -> None:
    values, named = pickle.loads(given)
    try:
        made = function(*values, **named)
        for value in made if inspect.isgenerator(made) else (made,):
            out.send_bytes(pickle.dumps(("value", value)))
        out.send_bytes(pickle.dumps(("end", None)))
    except Exception as error:  # as the real one: whatever it was, it crosses the pipe
        told = error if isinstance(error, gr.Error) else gr.Error(type(error).__name__)
        out.send_bytes(pickle.dumps(("error", told)))
