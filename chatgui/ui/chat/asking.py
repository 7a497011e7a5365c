"""From a message to replies: asking all sides or one, asking again, editing, stopping, taking back."""

import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from chatgui.config import RunConfig
from chatgui.errors import ChatGuiError
from chatgui.evaluation.reviews import add_thumb
from chatgui.fields import build_flat
from chatgui.generation import compare
from chatgui.generation.compare import Messages, Reply
from chatgui.generation.pair import Voice
from chatgui.generation.transcript import Answer, Question, Transcript, how_it_ended
from chatgui.runs.chats import Chats, new_id
from chatgui.runs.workspace import Workspace
from chatgui.ui.chat.screen import Screen, draw, growing
from chatgui.ui.transcript_view import status

UPDATE_SECONDS = 0.05
"""Between two pictures of a growing reply: 20 a second look fluent and leave the processor to the model."""


@dataclass
class Turn:
    """The one thing two events of a browser tab share while a reply grows: the wish to stop it."""

    stop: bool = False
    begun: bool = False


def ask(
    language: str, *, talk: Transcript, turn: Turn, message: str, shared: bool, system: str, **settings: Any
) -> Screen:
    """Put a message to all models. Raises ConfigError for a setting that is not allowed."""
    if talk.asked or not message.strip():
        return Screen()
    config = build_flat(RunConfig, settings).generation
    return _asked(language, turn, replace(talk, asked=Question(message, system, shared, config)))._replace(message="")


def ask_suggestion(index: int, language: str, *, prompts: tuple[Messages, ...], system: str, **named: Any) -> Screen:
    """Ask a suggested prompt, with the system message it has in the data."""
    prompt = prompts[index]
    if len(prompt) > 1:
        system = prompt[0]["content"]
    screen = ask(language, message=prompt[-1]["content"], system=system, **named)
    return screen._replace(system=system, message=Screen().message)


def ask_again(language: str, *, talk: Transcript, turn: Turn, shared: bool, system: str, **settings: Any) -> Screen:
    """All replies to the last message again. With nothing changed the next seed is taken: the same one repeats."""
    if talk.asked or not talk.exchanges:
        return Screen()
    last = talk.exchanges[-1].question
    asked = Question(last.message, system, shared, build_flat(RunConfig, settings).generation)
    if asked == last and talk.exchanges[-1].same_seed:
        asked = _seeded(asked, asked.settings.seed + 1)
    again = replace(talk, asked=asked, exchanges=talk.exchanges[:-1], before=talk.exchanges)
    return _asked(language, turn, again)._replace(seed=asked.settings.seed)


def ask_one(side: int, language: str, *, talk: Transcript, turn: Turn, **settings: Any) -> Screen:
    """One side's reply to the last message again, with the next seed if the same model is to give it."""
    if talk.asked or not talk.exchanges:
        return Screen()
    last = talk.exchanges[-1]
    asked = replace(last.question, settings=build_flat(RunConfig, settings).generation)
    if side < len(last.answers):
        old = last.answers[side].receipt
        same = old.get("speaker") == str(talk.speakers[side])
        asked = _seeded(asked, int(old["seed"]) + same)
    elif side > len(last.answers):  # a pane that came later, and the one before it has no reply yet
        return Screen()
    again = replace(talk, asked=asked, again=side, exchanges=talk.exchanges[:-1], before=talk.exchanges)
    return _asked(language, turn, again)


def edit_turn(
    language: str, place: int, text: str, *, side: int, talk: Transcript, turn: Turn, shared: bool, system: str,
    **settings: Any,
) -> Screen:  # fmt: skip
    """Ask a turn again in other words; what came after it makes room. `place` counts the messages of a pane."""
    turns = talk.turns_of(side)
    if talk.asked or place % 2 or place // 2 >= len(turns) or not text.strip():
        return draw(language, talk)
    question = Question(text.strip(), system, shared, build_flat(RunConfig, settings).generation)
    earlier = talk.exchanges[: turns[place // 2]]
    return _asked(language, turn, replace(talk, asked=question, exchanges=earlier, before=talk.exchanges))


def undo(workspace: Workspace, language: str, talk: Transcript, reader: str = "") -> Screen:
    """Take the last turn back; its message returns to the box."""
    if talk.asked or not talk.exchanges:
        return Screen()
    shorter = replace(talk, exchanges=talk.exchanges[:-1])
    keep(workspace, shorter, reader)
    return draw(language, shorter)._replace(message=talk.exchanges[-1].question.message)


def thumb(
    workspace: Workspace, language: str, place: int, liked: bool | None, side: int, talk: Transcript, reader: str = ""
) -> Screen:
    """Keep a thumb on a reply in the run's reviews, where a training on votes finds it, and in the conversation."""
    turns = talk.turns_of(side)
    if not place % 2 or place // 2 >= len(turns):
        return Screen()
    turn = turns[place // 2]
    answer = talk.exchanges[turn].answers[side]
    kind: Literal["base", "tuned"] = (
        "tuned" if answer.receipt["adapter"] == "on" or talk.speakers[side].tuned else "base"
    )
    prompt = talk.prompt_of(turn, side)
    path = workspace.run(talk.run).reviews
    add_thumb(path, prompt, answer.text, kind, liked, reviewer=reader, weights=answer.receipt["weights"])
    marked = talk.thumbed(turn, side, liked)
    keep(workspace, marked, reader)
    return Screen(talk=marked)


def _seeded(question: Question, seed: int) -> Question:
    return replace(question, settings=question.settings.model_copy(update={"seed": seed}))


def _asked(language: str, turn: Turn, talk: Transcript) -> Screen:
    turn.stop = turn.begun = False
    return draw(language, replace(talk, id=talk.id or new_id()))._replace(note=status(language, "chat.waiting"))


def reply(
    workspace: Workspace, language: str, talk: Transcript, turn: Turn, reader: str = ""
) -> Generator[Screen, None, None]:
    """The replies as they grow. What is asked, and what was answered, is on the disk before it is shown.

    Raises ChatGuiError when a model is gone or the prompt too long; `withdraw` then gives the message back.
    """
    if talk.asked is None or turn.stop:
        yield Screen()
        return
    turn.begun = True
    keep(workspace, talk, reader)
    speakers = [talk.speakers[side] for side in talk.asking]
    if not all(workspace.has_voice(speaker) for speaker in speakers):
        yield Screen(note=status(language, "chat.loading"))
    voices = [workspace.voice(speaker) for speaker in speakers]
    if turn.stop:
        yield withdraw(workspace, language, talk, turn, reader)
        return
    yield Screen(note=status(language, "chat.answering"))
    prompts = talk.prompts()
    asked = [(voice, prompts[side]) for voice, side in zip(voices, talk.asking, strict=True)]
    drawn, replies = 0.0, None
    try:
        for replies in compare.speak(workspace.engine, asked, talk.asked.settings, lambda: turn.stop):
            if time.monotonic() - drawn >= UPDATE_SECONDS:
                drawn = time.monotonic()
                yield growing(talk, {side: made.text for side, made in zip(talk.asking, replies, strict=True)})
    except GeneratorExit:  # the page is gone; what was said so far stays
        if replies:
            with suppress(ChatGuiError):
                keep(workspace, talk.answered(*_answers(talk, voices, replies)), reader)
        raise
    if replies is None:
        yield withdraw(workspace, language, talk, turn, reader)
        return
    done = talk.answered(*_answers(talk, voices, replies))
    try:
        keep(workspace, done, reader)
    finally:  # a full disk takes no reply from the screen
        yield draw(language, done)._replace(remembered={"run": done.run, "id": done.id})


def _answers(talk: Transcript, voices: Sequence[Voice], replies: Sequence[Reply]) -> list[Answer]:
    if talk.asked is None:
        raise ValueError("nothing is asked")
    settings = talk.asked.settings
    return [
        Answer(
            made.text, tuple(made.ids), how_it_ended(made, settings, voice.context_tokens),
            {**compare.receipt(voice, made, settings), "speaker": str(talk.speakers[side])},
        )
        for side, voice, made in zip(talk.asking, voices, replies, strict=True)
    ]  # fmt: skip


def stop_reply(workspace: Workspace, language: str, talk: Transcript, turn: Turn, reader: str = "") -> Screen:
    """End the replies where they are; what has not begun is withdrawn."""
    turn.stop = True
    if turn.begun:
        return Screen(note=status(language, "chat.stopping"))
    return withdraw(workspace, language, talk, turn, reader)


def withdraw(workspace: Workspace, language: str, talk: Transcript, turn: Turn, reader: str = "") -> Screen:
    """Take back a question that got no answer: its message returns to the box, what it replaced to its place."""
    turn.stop = turn.begun = False
    if talk.asked is None:
        return draw(language, talk)
    earlier = talk.withdrawn()
    with suppress(ChatGuiError):  # the run may be gone, which has been told already
        keep(workspace, earlier, reader)
    returned = talk.asked.message if talk.before is None else Screen().message
    return draw(language, earlier)._replace(message=returned)


def keep(workspace: Workspace, talk: Transcript, reader: str) -> None:
    """On the disk as it is now; one that holds nothing is not kept. Raises RunError when the disk refuses."""
    chats = Chats(workspace.run(talk.run), reader)
    if talk.exchanges or talk.asked:
        chats.write(talk if talk.before is None else replace(talk.withdrawn(), asked=talk.asked))
    elif talk.id:
        with suppress(ChatGuiError):  # it was never there
            chats.delete(talk.id)
