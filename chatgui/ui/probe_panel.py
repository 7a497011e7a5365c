"""Answers to the probe prompts beside the base's, with a slider over the steps: under the chart of a run."""

import json
from typing import Any

import gradio as gr

from chatgui.errors import ChatGuiError
from chatgui.evaluation.probes import read_answers
from chatgui.runs.workspace import Workspace
from chatgui.text import say
from chatgui.ui.moving import moving, named
from chatgui.ui.session import language_of


def probe_panel(workspace: Workspace) -> gr.HTML:
    """Its value is `place(run)`, or `place(run, step)` to show the answers nearest to a step."""

    answers = named("answers", lambda query, request: answers_row(workspace, language_of(request), query))
    return moving("probes", [answers], "probes.js", elem_id="probes-panel")


def place(run: str, step: int | None = None) -> str:
    """What the panel shows, as its value."""
    return json.dumps({"run": run, "step": step})


def answers_row(workspace: Workspace, language: str, query: dict[str, Any]) -> dict[str, Any]:
    """All answers of a run by step, when there are more than the page has (`query["size"]`, in bytes of the file)."""
    try:
        path = workspace.run(str(query.get("run") or "")).samples
        size = path.stat().st_size
    except (ChatGuiError, FileNotFoundError):
        return {"size": 0, "steps": []}
    if size == query.get("size"):
        return {"size": size}
    found = read_answers(path)
    texts = {key: say(f"probes.{key}", language) for key in ("title", "base", "slider", "play", "unanswered")}
    return {
        "size": size, "texts": texts,
        "steps": [
            {
                "step": step, "name": say("probes.at", language, step=step),
                "answers": {str(answer.index): answer.text + ("" if answer.ended else " …") for answer in answers},
            }
            for step, answers in found.items()
        ],
        "prompts": {str(each.index): each.prompt[-1]["content"] for answers in found.values() for each in answers},
    }  # fmt: skip
