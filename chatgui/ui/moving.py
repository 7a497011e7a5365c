"""Parts of the page that a script keeps up to date: one `gr.HTML`, its scripts, and the functions they call.

No Gradio event runs meanwhile, so a reload, a second browser or a closed one changes nothing for what is shown; and
Plotly draws into its own element, so a zoom stays while points arrive (`gr.Plot` is made anew at every change).
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import plotly

from chatgui.ui.theme import ASSETS, LANGUAGE_COOKIE

PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
"""Plotly's script as its Python package brings it: no network is needed."""


def moving(name: str, functions: list[Callable[..., Any]], *scripts: str, elem_id: str | None = None) -> gr.HTML:
    """A part of the page of class `name`; its `scripts` of the assets stand behind `parts.js`, end to end."""
    settings = json.dumps({"name": name, "plotly": str(PLOTLY), "cookie": LANGUAGE_COOKIE})
    # Gradio finds the events of a gr.HTML by their quoted names in this script
    parts = [(ASSETS / script).read_text(encoding="utf-8") for script in ("parts.js", *scripts)]
    return gr.HTML(
        value="", html_template=f'<div class="{name}"></div>', server_functions=functions, elem_id=elem_id or name,
        js_on_load="\n".join([f"const settings = {settings};", *parts]), apply_default_css=False,
    )  # fmt: skip


def named(name: str, function: Callable[[dict[str, Any], Any], dict[str, Any]]) -> Callable[..., Any]:
    """`function(query, request)` under the name that a script calls it by."""

    def answer(query: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        return function(query or {}, request)

    answer.__name__ = name
    return answer
