"""What the Chat tab draws: everything on it that follows from a transcript, as values for its components."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import gradio as gr

from chatgui.generation.transcript import Transcript
from chatgui.ui.transcript_view import (
    feedback,
    messages,
    receipt_line,
    receipts,
    remark,
    speaker_name,
)

PANES = ("base", "tuned", "third", "fourth")
"""Names of the panes on the page; the first two are there from the start."""


class PaneView(NamedTuple):
    """One pane: on the page its components, in a handler their new values (left out: as they are)."""

    column: Any = gr.skip()
    speaker: Any = gr.skip()
    chat: Any = gr.skip()
    receipt: Any = gr.skip()
    facts: Any = gr.skip()
    tokens: Any = gr.skip()


class Screen(NamedTuple):
    """The whole tab, in the same way."""

    panes: tuple[PaneView, ...] = (PaneView(),) * len(PANES)
    talk: Any = gr.skip()
    message: Any = gr.skip()
    system: Any = gr.skip()
    seed: Any = gr.skip()
    chooser: Any = gr.skip()
    note: Any = gr.skip()
    suggestions: Any = gr.skip()
    send: Any = gr.skip()
    stop: Any = gr.skip()
    retry: Any = gr.skip()
    clear: Any = gr.skip()
    save: Any = gr.skip()
    tokens: Any = gr.skip()
    more: Any = gr.skip()
    fewer: Any = gr.skip()
    remembered: Any = gr.skip()

    def flat(self) -> list[Any]:
        """In one row, as Gradio wants it."""
        return [*(each for pane in self.panes for each in pane), *self[1:]]


def flat(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler, with its screens as rows."""
    if inspect.isgeneratorfunction(handler):

        def stream(*values: Any, **named: Any) -> Iterator[list[Any]]:
            for screen in handler(*values, **named):
                yield screen.flat()

        return _like(stream, handler)

    def call(*values: Any, **named: Any) -> list[Any]:
        row: list[Any] = handler(*values, **named).flat()
        return row

    return _like(call, handler)


def _like(wrapper: Callable[..., Any], handler: Callable[..., Any]) -> Callable[..., Any]:
    wrapper.__name__ = getattr(handler, "__name__", "handler")  # a partial has none
    wrapper.__signature__ = inspect.signature(handler)  # type: ignore[attr-defined]  # `bind` reads it
    return wrapper


def draw(language: str, talk: Transcript) -> Screen:
    """Everything that follows from the transcript."""
    idle = talk.asked is None
    done = idle and bool(talk.exchanges)
    count = len(talk.speakers)
    shown = tuple(_pane(language, talk, side) for side in range(count))
    return Screen(
        panes=shown + (PaneView(column=gr.update(visible=False)),) * (len(PANES) - count), talk=talk,
        note=remark(language, talk), suggestions=gr.update(visible=idle and not talk.exchanges),
        chooser=gr.update(interactive=idle), send=gr.update(visible=idle), stop=gr.update(visible=not idle),
        retry=gr.update(interactive=done), clear=gr.update(interactive=done), save=gr.update(interactive=done),
        tokens=gr.update(interactive=done), more=gr.update(interactive=idle and count < len(PANES)),
        fewer=gr.update(interactive=idle, visible=count > 2),
    )  # fmt: skip


def _pane(language: str, talk: Transcript, side: int) -> PaneView:
    turns = talk.turns_of(side)
    answer = talk.exchanges[turns[-1]].answers[side] if turns else None
    return PaneView(
        column=gr.update(visible=True),
        speaker=gr.update(value=str(talk.speakers[side]), interactive=talk.asked is None),
        chat=gr.update(
            value=messages(talk, side), label=speaker_name(language, talk.speakers[side]),
            feedback_value=feedback(talk, side),
        ),
        receipt=gr.update(label=receipt_line(language, answer)), facts=receipts(language, talk, side),
        tokens=gr.update(value="", visible=False),
    )  # fmt: skip


def growing(talk: Transcript, texts: dict[int, str]) -> Screen:
    """Only the panes whose replies grow, by side."""
    panes = tuple(
        PaneView(chat=messages(talk, side, texts[side])) if side in texts else PaneView() for side in range(len(PANES))
    )
    return Screen(panes)
