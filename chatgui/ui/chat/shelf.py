"""The conversations of a run: a list to reopen one from, to rename it, and to delete it."""

import time
from typing import Any

import gradio as gr

from chatgui.generation.transcript import Transcript
from chatgui.runs.chats import Chats
from chatgui.runs.workspace import Workspace
from chatgui.text import say


def listed(workspace: Workspace, language: str, talk: Transcript, reader: str = "") -> tuple[Any, Any]:
    """The list as it is now with the open conversation chosen, and its name."""
    if not talk.run:
        return gr.skip(), gr.skip()
    hidden = workspace.review_only and not reader  # where everybody may come in, nobody lists what others said
    kept = [] if hidden else Chats(workspace.run(talk.run), reader).list()
    choices = [
        (
            say(
                "chat.kept", language, name=each.name, turns=each.turns,
                when=time.strftime("%m-%d %H:%M", time.localtime(each.changed)),
            ),
            each.id,
        )
        for each in kept
    ]  # fmt: skip
    name = next((each.name for each in kept if each.id == talk.id), "")
    chosen = talk.id if name else None
    return gr.update(choices=choices, value=chosen), gr.update(value=name, interactive=bool(chosen))


def named(workspace: Workspace, language: str, talk: Transcript, name: str, reader: str = "") -> tuple[Any, Any]:
    """The open conversation under another name, and the list."""
    if talk.run and talk.id and talk.exchanges:
        Chats(workspace.run(talk.run), reader).rename(talk.id, name)
    return listed(workspace, language, talk, reader)
