"""The runs that an application can use."""

from typing import Any

import gradio as gr

from chatgui.runs.workspace import Workspace
from chatgui.ui.run_names import run_name
from chatgui.ui.session import QUIET, Session, bind, label

MODEL: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "model", "concurrency_limit": 1}


def run_chooser(session: Session, kind: str, elem_id: str) -> gr.Dropdown:
    """The runs of one kind of task, newest first."""
    chooser = gr.Dropdown([], label=label("try.run"), info=label(f"apply.needs.{kind}"), elem_id=elem_id)
    session.selection.change(bind(runs_of, session.workspace, kind), chooser, chooser, **QUIET)
    return chooser


def runs_of(workspace: Workspace, kind: str, language: str, chosen: str | None) -> Any:
    """Choices of one application."""
    known = workspace.runs_of_task(kind)
    names = [(run_name(workspace.run(run), language), run) for run in known]
    return gr.update(choices=names, value=chosen if chosen in known else next(iter(known), None))
