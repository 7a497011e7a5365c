"""The conversations of a run: kept, listed, reopened, renamed, deleted."""

import time
from typing import Any

import gradio as gr

from chatgui.errors import ChatGuiError
from chatgui.generation.transcript import Transcript
from chatgui.runs.chats import Chats
from chatgui.runs.workspace import Workspace
from chatgui.text import say
from chatgui.ui.chat.screen import Screen, draw


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


def recall(workspace: Workspace, language: str, remembered: Any, talk: Transcript, reader: str = "") -> Screen:
    """The conversation that the browser remembers from before a reload, unless another has begun."""
    id_ = remembered_id(remembered, talk.run)
    if not id_ or talk.exchanges or talk.asked:
        return Screen()
    return opened(workspace, language, talk.run, id_, reader)


def reopen(workspace: Workspace, language: str, id_: str | None, talk: Transcript, reader: str = "") -> Screen:
    """Another conversation of the same run."""
    if talk.asked or not id_ or id_ == talk.id:
        return Screen()
    screen = opened(workspace, language, talk.run, id_, reader)
    return screen._replace(remembered={"run": talk.run, "id": id_})


def opened(workspace: Workspace, language: str, run: str, id_: str, reader: str) -> Screen:
    """A kept conversation; a new one where there is none. A question that a kill left open returns to the box."""
    try:
        talk = Chats(workspace.run(run), reader).read(id_)
    except ChatGuiError:
        return draw(language, Transcript(run))
    screen = draw(language, talk.withdrawn())
    return screen._replace(message=talk.asked.message) if talk.asked else screen


def remembered_id(record: Any, run: str) -> str:
    known = isinstance(record, dict) and record.get("run") == run
    return str(record.get("id") or "") if known else ""


def clear_talk(language: str, talk: Transcript) -> Screen:
    """A new conversation with the same models; the old one stays in the list."""
    if talk.asked:
        return Screen()
    return draw(language, Transcript(talk.run, chosen=talk.chosen))._replace(remembered={})


def delete_talk(workspace: Workspace, language: str, talk: Transcript, reader: str = "") -> Screen:
    """Remove the open conversation for good."""
    if talk.asked or not talk.id:
        return Screen()
    Chats(workspace.run(talk.run), reader).delete(talk.id)
    return clear_talk(language, talk)
