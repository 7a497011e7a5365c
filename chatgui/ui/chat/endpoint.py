"""The page's endpoint that asks both models, for scripts."""

from typing import Any

import gradio as gr

from chatgui.config import GenerationConfig, RunConfig
from chatgui.fields import build_flat
from chatgui.generation.compare import first_difference, receipt, stream_pair
from chatgui.runs.workspace import Workspace
from chatgui.ui import zero_gpu
from chatgui.ui.session import bind


def endpoint(workspace: Workspace) -> Any:
    """`compare`, as a function with named parameters."""
    default = GenerationConfig()
    once = bind(zero_gpu.lent(compare_once, workspace))

    def compare(
        run: str,
        message: str,
        system: str = "",
        temperature: float = default.temperature,
        top_p: float = default.top_p,
        max_new_tokens: int = default.max_new_tokens,
        seed: int = default.seed,
        request: gr.Request = None,  # type: ignore[assignment]  # Gradio fills it by its bare type
    ) -> dict[str, Any]:
        settings = {"temperature": temperature, "top_p": top_p, "max_new_tokens": max_new_tokens, "seed": seed}
        return once(request, run=run, message=message, system=system, settings=settings)

    return compare


def compare_once(
    workspace: Workspace, language: str, *, run: str, message: str, system: str, settings: dict[str, Any]
) -> dict[str, Any]:
    """Both replies to one message with their receipts, as a row of `chatgui compare --json` with more to it."""
    config = build_flat(RunConfig, {f"generation.{name}": value for name, value in settings.items()}).generation
    found = workspace.run(run)
    pair = workspace.pair(found)
    prompt = [{"role": "system", "content": system}] if system else []
    prompt.append({"role": "user", "content": message})
    *_, replies = stream_pair(pair, prompt, prompt, config)
    rows = {
        name: {"text": made.text, "ids": made.ids, **receipt(voice, made, config)}
        for name, voice, made in zip(("base", "tuned"), (pair.base, pair.tuned), replies, strict=True)
    }
    difference = first_difference(*(made.ids for made in replies))
    return {"run": found.id, "prompt": prompt, "seed": config.seed, **rows, "first_difference": difference}
