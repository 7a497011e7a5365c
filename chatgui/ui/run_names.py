"""Runs as a reader chooses among them."""

import time
from pathlib import Path

from chatgui.config import RunConfig
from chatgui.errors import ChatGuiError
from chatgui.fields import knobs
from chatgui.runs.store import Run
from chatgui.runs.workspace import Workspace


def answering_runs(workspace: Workspace, language: str) -> list[tuple[str, str]]:
    """Name and id of the runs that can answer, newest first."""
    choices = []
    for run in workspace.runs():
        try:
            if run.has_model and run.config.task.HEAD == "AutoModelForCausalLM":
                choices.append((run_name(run, language), run.id))
        except ChatGuiError:  # a folder somebody else left half
            continue
    return choices


def run_name(run: Run, language: str) -> str:
    """What it learnt from, which model, how, and when."""
    config = run.config
    kind = {knob.name: knob for knob in knobs(RunConfig)}["adapter.kind"]
    adapter = kind.choice_label(config.adapter.kind, language)
    rank = getattr(config.adapter, "rank", None)
    created = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.state().created))
    model = Path(config.model.name).name or config.model.name
    return " · ".join([Path(config.data.source).stem, model, f"{adapter} {rank}" if rank else adapter, created])
