"""Chat: one message, both models, side by side; under each reply the receipt that proves what answered."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component

from chatgui.config import GenerationConfig, RunConfig
from chatgui.errors import ChatGuiError
from chatgui.fields import build_flat, knobs
from chatgui.generation import compare
from chatgui.generation.compare import Messages
from chatgui.generation.selfcheck import self_check
from chatgui.generation.transcript import (
    SIDES,
    Answer,
    Question,
    Side,
    Transcript,
    from_record,
    how_it_ended,
    to_json,
    to_record,
)
from chatgui.runs.workspace import Workspace
from chatgui.text import say
from chatgui.ui import space
from chatgui.ui.form import component
from chatgui.ui.run_names import answering_runs
from chatgui.ui.session import QUIET, Selection, Session, bind, label
from chatgui.ui.theme import ASSETS
from chatgui.ui.transcript_view import finding, messages, receipt_line, receipts, remark, status

TITLE = "tab.chat"
SUGGESTIONS = 3
SUGGESTION_LETTERS = 60
PANE_HEIGHT = "clamp(260px, 100vh - 500px, 720px)"
"""Whatever the rest of the tab leaves of the screen."""
DOWNLOAD = """(text) => {
  const link = Object.assign(document.createElement("a"), {download: `chat-${JSON.parse(text).run}.json`});
  link.href = URL.createObjectURL(new Blob([text], {type: "application/json"}));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}"""
UPDATE_SECONDS = 0.05
"""Between two pictures of a growing reply: 20 a second look fluent and leave the processor to the model."""
MODEL: dict[str, Any] = {**QUIET, "concurrency_limit": None}
"""For listeners that make a model answer: the engine answers everybody together."""
OPENING: dict[str, Any] = {**QUIET, "concurrency_id": "chat", "concurrency_limit": 1}
"""For the two listeners that open a conversation as a page loads, in whichever order the browser calls them."""


@dataclass
class Turn:
    """The one thing two events of a browser tab share while a reply grows: the wish to stop it."""

    stop: bool = False
    begun: bool = False


class Screen(NamedTuple):
    """What handlers draw: on the page the components, in a handler their new values (left out: as they are)."""

    talk: Any = gr.skip()
    message: Any = gr.skip()
    system: Any = gr.skip()
    seed: Any = gr.skip()
    chooser: Any = gr.skip()
    base: Any = gr.skip()
    tuned: Any = gr.skip()
    base_receipt: Any = gr.skip()
    tuned_receipt: Any = gr.skip()
    base_facts: Any = gr.skip()
    tuned_facts: Any = gr.skip()
    note: Any = gr.skip()
    suggestions: Any = gr.skip()
    send: Any = gr.skip()
    stop: Any = gr.skip()
    retry: Any = gr.skip()
    clear: Any = gr.skip()
    save: Any = gr.skip()
    remembered: Any = gr.skip()


# ---- layout ----------------------------------------------------------------------------------------------------------


def build(session: Session) -> None:
    """The whole tab."""
    workspace = session.workspace
    talk, turn, kept = gr.State(Transcript()), gr.State(Turn()), gr.State({})
    followed, prompts = gr.State(None), gr.State(())
    remembered = gr.BrowserState({}, storage_key="chatgui_chat", secret="chatgui")  # both fixed, else a restart forgets
    with gr.Column(visible=False, elem_id="chat-empty") as empty:
        gr.Markdown(label("space.no_run" if workspace.review_only else "chat.no_run"))
        to_train = gr.Button(
            label("chat.to_train"), variant="primary", elem_id="chat-to-train", visible=not workspace.review_only
        )
    with gr.Column(visible=False, elem_id="chat") as main:
        with gr.Row(elem_id="chat-head"):
            chooser = gr.Dropdown([], label=label("chat.run"), scale=3, min_width=300, elem_id="chat-run")
            shared = gr.Checkbox(
                False, label=label("chat.shared"), info=label("chat.shared.help"), scale=2, min_width=300,
                elem_id="chat-shared",
            )  # fmt: skip
        with gr.Row(elem_id="chat-panes"):
            base, tuned = side("base"), side("tuned")
        note = gr.HTML(elem_id="chat-note", js_on_load=(ASSETS / "chat.js").read_text(encoding="utf-8"))
        with gr.Row(elem_id="chat-suggestions") as suggestions:
            chips = [gr.Button("", size="sm", min_width=150, visible=False) for _ in range(SUGGESTIONS)]
        with gr.Row(elem_id="chat-ask"):
            message = gr.Textbox(
                lines=1, max_lines=8, show_label=False, container=False, label=label("chat.message"),
                placeholder=label("chat.message.placeholder"), scale=8, min_width=200, autofocus=False,
                elem_id="chat-message",
            )  # fmt: skip
            send = gr.Button(label("chat.send"), variant="primary", scale=0, min_width=112, elem_id="chat-send")
            stop = gr.Button(
                label("chat.stop"), variant="stop", scale=0, min_width=112, visible=False, elem_id="chat-stop"
            )
        with gr.Row(elem_id="chat-actions"):
            small: dict[str, Any] = {"size": "sm", "scale": 0, "min_width": 120, "interactive": False}
            retry = gr.Button(label("chat.retry"), elem_id="chat-retry", **small)
            clear = gr.Button(label("chat.clear"), elem_id="chat-clear", **small)
            save = gr.Button(label("chat.save"), elem_id="chat-save", **small)
            check = gr.Button(label("chat.check"), size="sm", scale=0, min_width=120, elem_id="chat-check")
            surprise = gr.Button(label("chat.random"), size="sm", scale=0, min_width=190, elem_id="chat-random")
        with gr.Accordion(label("chat.settings"), open=False, elem_id="chat-settings"):
            system = gr.Textbox(
                label=label("chat.system"), info=label("chat.system.help"), lines=2, elem_id="chat-system"
            )
            with gr.Row():
                settings = {knob.name: _setting(knob) for knob in knobs(RunConfig) if knob.group == "generation"}

        saved = gr.Textbox(visible="hidden", elem_id="chat-saved")

    screen = Screen(
        talk, message, system, settings["generation.seed"], chooser, base.pane, tuned.pane, base.receipt, tuned.receipt,
        base.facts, tuned.facts, note, suggestions, send, stop, retry, clear, save, remembered,
    )  # fmt: skip
    named: dict[str, Any] = {"talk": talk, "turn": turn, "shared": shared, "system": system, **settings}
    outputs = list(screen)

    def answer(event: Any) -> None:
        answered = event.success(bind(space.on_gpu(reply, workspace)), [talk, turn], outputs, **MODEL)
        answered.failure(bind(withdraw), [talk, turn], outputs, **QUIET)

    gr.on(
        [session.page.load, session.selection.change, session.tabs.change], bind(refresh, workspace),
        inputs=[session.selection, chooser, followed, talk], outputs=[chooser, followed, empty, main], **QUIET,
    )  # fmt: skip
    chooser.change(bind(open_run, workspace), [chooser, talk, kept], [kept, prompts, *chips, *outputs], **OPENING)
    remembered.change(bind(recall), [remembered, talk, kept], [kept, *outputs], **OPENING)
    to_train.click(lambda: gr.Tabs(selected="train"), None, session.tabs, **QUIET)
    asking = {"outputs": outputs, **QUIET}
    answer(gr.on([message.submit, send.click], bind(ask), inputs_kwargs={"message": message, **named}, **asking))
    answer(retry.click(bind(ask_again), inputs_kwargs=named, **asking))
    for index, chip in enumerate(chips):
        answer(chip.click(bind(ask_suggestion, index), inputs_kwargs={"prompts": prompts, **named}, **asking))
    surprise.click(bind(random_prompt, workspace), [chooser], [message, system], **QUIET)
    stop.click(bind(stop_reply), [talk, turn], outputs, queue=False, **QUIET)
    check.click(bind(check_pair, workspace), [chooser], note, **MODEL)
    save.click(bind(save_talk), [talk], saved, **QUIET).success(None, saved, None, js=DOWNLOAD, **QUIET)
    gr.on([clear.click, base.pane.clear, tuned.pane.clear], bind(clear_talk), [talk], outputs, **QUIET)
    gr.api(
        _endpoint(workspace), api_name="compare", concurrency_limit=None,
        api_description="Both replies to one message, each with its receipt.",
    )  # fmt: skip


class Pane(NamedTuple):
    """One side of the page."""

    pane: gr.Chatbot
    receipt: gr.Accordion
    facts: gr.HTML


def side(name: Side) -> Pane:
    """A pane and the receipt under it."""
    with gr.Column(min_width=320):
        pane = gr.Chatbot(
            label=label(f"chat.{name}"), placeholder=label("chat.placeholder"), height=PANE_HEIGHT,
            render_markdown=False, latex_delimiters=[], buttons=["copy", "copy_all"], elem_id=f"chat-{name}",
        )  # fmt: skip
        with gr.Accordion(label("chat.receipt"), open=False, elem_classes="chat-receipt") as receipt:
            facts = gr.HTML(elem_classes="chat-facts")
    return Pane(pane, receipt, facts)


def _setting(knob: Any) -> Component:
    drawn = component(knob, None)
    drawn.elem_id = f"chat-{knob.name.replace('.', '-')}"
    return drawn


# ---- runs ------------------------------------------------------------------------------------------------------------


def refresh(
    workspace: Workspace, language: str, selection: Selection, run: str | None, followed: str | None, talk: Transcript
) -> tuple[Any, str | None, Any, Any]:
    """The list of runs as it is now; follows the selection when that has moved on to a run with a result."""
    choices = answering_runs(workspace, language)
    known = [choice for _, choice in choices]
    if talk.asked is None and selection.run in known and selection.run != followed:
        run = followed = selection.run
    if run not in known:
        run = known[0] if known else None
    return gr.update(choices=choices, value=run), followed, gr.update(visible=not known), gr.update(visible=bool(known))


def open_run(
    workspace: Workspace, language: str, run: str | None, talk: Transcript, kept: dict[str, Transcript]
) -> tuple[Any, ...]:
    """The conversation with another run: the one left there, else a new one with suggestions."""
    if run == talk.run or run is None:
        return gr.skip(), gr.skip(), *[gr.skip()] * SUGGESTIONS, *Screen()
    if talk.run:
        kept = {**kept, talk.run: talk}
    prompts = suggestions(workspace, language, run)
    texts = [" ".join(prompt[-1]["content"].split()) for prompt in prompts]
    texts += [""] * (SUGGESTIONS - len(prompts))
    chips = [gr.update(value=text, visible=bool(text)) for text in texts]
    return kept, tuple(prompts), *chips, *draw(language, kept.get(run, Transcript(run)))


def recall(language: str, record: Any, talk: Transcript, kept: dict[str, Transcript]) -> tuple[Any, ...]:
    """The conversation that the browser remembers from before a reload, unless another has begun."""
    try:
        earlier = from_record(record)
    except ValueError:
        return gr.skip(), *Screen()
    if talk.exchanges or talk.asked or earlier.run in kept:
        return gr.skip(), *Screen()
    return {**kept, earlier.run: earlier}, *(draw(language, earlier) if earlier.run == talk.run else Screen())


def suggestions(workspace: Workspace, language: str, run: str) -> list[Messages]:
    """A few short prompts of the run's test split: questions in the reader's language first."""

    def rank(prompt: Messages) -> tuple[bool, bool]:
        text = prompt[-1]["content"].rstrip()
        return _is_chinese(text) != (language == "zh"), not text.endswith(("?", "？"))

    short = [prompt for prompt in _test_prompts(workspace, run) if len(prompt[-1]["content"]) <= SUGGESTION_LETTERS]
    return sorted(short, key=rank)[:SUGGESTIONS]


def _test_prompts(workspace: Workspace, run: str) -> list[Messages]:
    try:
        config = workspace.run(run).config
        return compare.test_prompts(config, workspace.dataset(config.data))
    except ChatGuiError:  # data that has moved, or without conversations: then there is nothing to suggest
        return []


def _is_chinese(text: str) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


def random_prompt(workspace: Workspace, language: str, run: str) -> tuple[Any, Any]:
    """A test prompt for the message box, with its system message if it has one."""
    prompts = _test_prompts(workspace, run)
    if not prompts:
        gr.Info(say("chat.no_prompts", language), title="ChatGUI")
        return gr.skip(), gr.skip()
    prompt = random.choice(prompts)
    return prompt[-1]["content"], prompt[0]["content"] if len(prompt) > 1 else gr.skip()


# ---- asking ----------------------------------------------------------------------------------------------------------


def ask(
    language: str, *, talk: Transcript, turn: Turn, message: str, shared: bool, system: str, **settings: Any
) -> Screen:
    """Put a message to both models. Raises ConfigError for a setting that is not allowed."""
    if talk.asked or not message.strip():
        return Screen()
    config = build_flat(RunConfig, settings).generation
    turn.stop = turn.begun = False
    question = Question(message, system, shared, config)
    return draw(language, replace(talk, asked=question))._replace(message="", note=status(language, "chat.waiting"))


def ask_suggestion(index: int, language: str, *, prompts: tuple[Messages, ...], system: str, **named: Any) -> Screen:
    """Ask a suggested prompt, with the system message it has in the data."""
    prompt = prompts[index]
    if len(prompt) > 1:
        system = prompt[0]["content"]
    screen = ask(language, message=prompt[-1]["content"], system=system, **named)
    return screen._replace(system=system, message=gr.skip())


def ask_again(language: str, *, talk: Transcript, turn: Turn, shared: bool, system: str, **settings: Any) -> Screen:
    """Both replies to the last message again. With nothing changed the next seed is taken: the same one repeats."""
    if talk.asked or not talk.exchanges:
        return Screen()
    last = talk.exchanges[-1].question
    asked = Question(last.message, system, shared, build_flat(RunConfig, settings).generation)
    seed = asked.settings.seed + (asked == last)
    earlier = replace(talk, exchanges=talk.exchanges[:-1])
    named = {**settings, "generation.seed": seed}
    screen = ask(language, talk=earlier, turn=turn, message=last.message, shared=shared, system=system, **named)
    return screen._replace(seed=seed, message=gr.skip())


def reply(workspace: Workspace, language: str, talk: Transcript, turn: Turn) -> Iterator[Screen]:
    """Both replies as they grow.

    Raises ChatGuiError when a model is gone or the prompt too long; `withdraw` then gives the message back.
    """
    question = talk.asked
    if question is None or turn.stop:
        yield Screen()
        return
    turn.begun = True
    run = workspace.run(talk.run)
    if not workspace.has_pair(run):
        yield Screen(note=status(language, "chat.loading"))
    pair = workspace.pair(run)
    if turn.stop:
        yield withdraw(language, talk, turn)
        return
    yield Screen(note=status(language, "chat.answering"))
    drawn, replies = 0.0, None
    for replies in compare.stream_pair(pair, *talk.prompts(), question.settings, lambda: turn.stop):
        if time.monotonic() - drawn >= UPDATE_SECONDS:
            drawn = time.monotonic()
            yield Screen(base=messages(talk, "base", replies[0].text), tuned=messages(talk, "tuned", replies[1].text))
    if replies is None:
        yield withdraw(language, talk, turn)
        return
    answers = [
        Answer(
            made.text, tuple(made.ids), how_it_ended(made, question.settings, pair.context_tokens),
            compare.receipt(voice, made, question.settings),
        )
        for made, voice in zip(replies, (pair.base, pair.tuned), strict=True)
    ]  # fmt: skip
    yield draw(language, talk.answered(*answers))


def stop_reply(language: str, talk: Transcript, turn: Turn) -> Screen:
    """End the replies where they are; what has not begun is withdrawn."""
    turn.stop = True
    return Screen(note=status(language, "chat.stopping")) if turn.begun else withdraw(language, talk, turn)


def withdraw(language: str, talk: Transcript, turn: Turn) -> Screen:
    """Take back a question that got no answer: its message returns to the box."""
    turn.stop = turn.begun = False
    if talk.asked is None:
        return draw(language, talk)
    return draw(language, replace(talk, asked=None))._replace(message=talk.asked.message)


def clear_talk(language: str, talk: Transcript) -> Screen:
    """A new conversation with the same run."""
    return Screen() if talk.asked else draw(language, Transcript(talk.run))._replace(remembered={})


# ---- drawing ---------------------------------------------------------------------------------------------------------


def draw(language: str, talk: Transcript) -> Screen:
    """Everything that follows from the transcript."""
    last = talk.exchanges[-1] if talk.exchanges else None
    base, tuned = (last.base, last.tuned) if last else (None, None)
    idle, done = talk.asked is None, talk.asked is None and last is not None
    return Screen(
        talk=talk, base=messages(talk, "base"), tuned=messages(talk, "tuned"),
        base_receipt=gr.update(label=receipt_line(language, base)), base_facts=receipts(language, talk, "base"),
        tuned_receipt=gr.update(label=receipt_line(language, tuned)), tuned_facts=receipts(language, talk, "tuned"),
        note=remark(language, talk), suggestions=gr.update(visible=idle and not done),
        chooser=gr.update(interactive=idle), send=gr.update(visible=idle), stop=gr.update(visible=not idle),
        retry=gr.update(interactive=done), clear=gr.update(interactive=done),
        save=gr.update(interactive=done),
        remembered=to_record(talk) if done else gr.skip(),
    )  # fmt: skip


def check_pair(workspace: Workspace, language: str, run: str) -> Iterator[str]:
    """Prove that the two sides are what they say, and say what was found."""
    yield status(language, "chat.checking")
    pair = workspace.pair(workspace.run(run))
    yield finding(language, self_check(pair), pair.base.weights, pair.tuned.weights)


def save_talk(language: str, talk: Transcript) -> str:
    """The conversation for the browser to keep as a file. Nothing is written here."""
    return to_json(talk)


# ---- for scripts -----------------------------------------------------------------------------------------------------


def _endpoint(workspace: Workspace) -> Any:
    default = GenerationConfig()

    def compare(
        run: str,
        message: str,
        system: str = "",
        temperature: float = default.temperature,
        top_p: float = default.top_p,
        max_new_tokens: int = default.max_new_tokens,
        seed: int = default.seed,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict[str, Any]:
        settings = {"temperature": temperature, "top_p": top_p, "max_new_tokens": max_new_tokens, "seed": seed}
        return bind(compare_once, workspace)(request, run=run, message=message, system=system, settings=settings)

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
    *_, replies = compare.stream_pair(pair, prompt, prompt, config)
    voices: tuple[Any, ...] = (pair.base, pair.tuned)
    rows = {
        str(name): {"text": made.text, "ids": made.ids, **compare.receipt(voice, made, config)}
        for name, voice, made in zip(SIDES, voices, replies, strict=True)
    }
    difference = compare.first_difference(*(made.ids for made in replies))
    return {"run": found.id, "prompt": prompt, "seed": config.seed, **rows, "first_difference": difference}
