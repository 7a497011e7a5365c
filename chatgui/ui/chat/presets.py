"""System prompts to choose from: a few that come along, and those that a reader has kept in their browser."""

from typing import Any

import gradio as gr

from chatgui.text import say
from chatgui.ui.session import QUIET, Session, bind, label

BUNDLED = ("brief", "support", "teacher", "translator")
NAME_CHARACTERS = 60
MOST_OWN = 50


def presets(session: Session) -> gr.Textbox:
    """Draws the row and wires it. Gives the box with the system prompt."""
    own = gr.BrowserState([], storage_key="chatgui_system_prompts", secret="chatgui")  # fixed, else a restart forgets
    system = gr.Textbox(label=label("chat.system"), info=label("chat.system.help"), lines=2, elem_id="chat-system")
    with gr.Row(elem_id="chat-presets"):
        choice = gr.Dropdown([], label=label("chat.presets"), scale=3, min_width=240, elem_id="chat-preset")
        small: dict[str, Any] = {"size": "sm", "scale": 0, "min_width": 120}
        keep = gr.Button(label("chat.preset_keep"), elem_id="chat-preset-keep", **small)
        forget = gr.Button(label("chat.preset_forget"), elem_id="chat-preset-forget", **small)
    gr.on([session.page.load, own.change], bind(choices), [own], [choice], **QUIET)
    choice.input(lambda text: text or "", choice, system, **QUIET)
    keep.click(bind(kept), [own, system], [own], **QUIET)
    forget.click(bind(forgotten), [own, system], [own, system], **QUIET)
    return system


def choices(language: str, own: list[str]) -> Any:
    """Own prompts first, then those that come along, in the reader's language."""
    bundled = [(say(f"chat.preset.{name}", language), say(f"chat.preset_text.{name}", language)) for name in BUNDLED]
    mine = [(" ".join(text.split())[:NAME_CHARACTERS], text) for text in _clean(own)]
    return gr.update(choices=[*mine, *bundled], value=None)


def kept(language: str, own: list[str], text: str) -> Any:
    """The own prompts with one more, the newest first."""
    text = (text or "").strip()
    if not text:
        gr.Info(say("chat.preset_empty", language), title="ChatGUI")
        return gr.skip()
    gr.Info(say("chat.preset_kept", language), title="ChatGUI")
    return [text, *(other for other in _clean(own) if other != text)][:MOST_OWN]


def forgotten(language: str, own: list[str], text: str) -> tuple[Any, Any]:
    """The own prompts without the one in the box; says so when that is none of them."""
    text = (text or "").strip()
    if text not in _clean(own):
        gr.Info(say("chat.preset_unknown", language), title="ChatGUI")
        return gr.skip(), gr.skip()
    return [other for other in _clean(own) if other != text], ""


def _clean(own: Any) -> list[str]:
    return [text for text in own if isinstance(text, str)] if isinstance(own, list) else []
