"""Answers to the probe prompts beside the base's, with a slider over the steps: under the chart of a run."""

import json
from typing import Any

import gradio as gr

from chatgui.errors import ChatGuiError
from chatgui.evaluation.probes import read_answers
from chatgui.runs.workspace import Workspace
from chatgui.text import say
from chatgui.ui.session import language_of
from chatgui.ui.theme import ASSETS


def probe_panel(workspace: Workspace) -> gr.HTML:
    """Its value is `place(run)`, or `place(run, step)` to show the answers nearest to a step."""

    def answers(query: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        return answers_row(workspace, language_of(request), query)

    return gr.HTML(
        value="", html_template='<div class="probes"></div>', elem_id="probes-panel", apply_default_css=False,
        js_on_load=(ASSETS / "probes.js").read_text(encoding="utf-8"), server_functions=[answers],
    )  # fmt: skip


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
