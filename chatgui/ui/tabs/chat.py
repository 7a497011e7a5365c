"""Chat: one message, several models, side by side; under each reply the receipt that proves what answered."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.components import Component

from chatgui.config import RunConfig
from chatgui.fields import knobs
from chatgui.generation.selfcheck import self_check
from chatgui.generation.speakers import Speaker
from chatgui.generation.transcript import Transcript, to_json
from chatgui.runs.workspace import Workspace
from chatgui.text import say
from chatgui.ui import zero_gpu
from chatgui.ui.chat import asking, shelf
from chatgui.ui.chat.asking import Turn
from chatgui.ui.chat.endpoint import endpoint
from chatgui.ui.chat.people import speaker_choices
from chatgui.ui.chat.presets import presets
from chatgui.ui.chat.prompts import SUGGESTIONS, random_prompt, suggestions
from chatgui.ui.chat.screen import PANES, PaneView, Screen, draw, flat
from chatgui.ui.chat.tokens import reply_html, reply_shades
from chatgui.ui.form import component
from chatgui.ui.run_names import answering_runs
from chatgui.ui.session import QUIET, Selection, Session, bind, label
from chatgui.ui.theme import ASSETS
from chatgui.ui.transcript_view import finding, speaker_name, status

TITLE = "tab.chat"
PANE_HEIGHT = "clamp(260px, 100vh - 540px, 720px)"
"""Whatever the rest of the tab leaves of the screen."""
DOWNLOAD = """(text) => {
  const link = Object.assign(document.createElement("a"), {download: `chat-${JSON.parse(text).run}.json`});
  link.href = URL.createObjectURL(new Blob([text], {type: "application/json"}));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}"""
MODEL: dict[str, Any] = {**QUIET, "concurrency_limit": None}
"""For listeners that make a model answer: the engine answers everybody together."""
OPENING: dict[str, Any] = {**QUIET, "concurrency_id": "chat", "concurrency_limit": 1}
"""For the two listeners that open a conversation as a page loads, in whichever order the browser calls them."""
SMALL: dict[str, Any] = {"size": "sm", "scale": 0, "min_width": 120}


# ---- layout ----------------------------------------------------------------------------------------------------------


def build(session: Session) -> None:
    """The whole tab."""
    workspace = session.workspace
    talk, turn = gr.State(Transcript()), gr.State(Turn())
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
            kept = gr.Dropdown([], label=label("chat.kept_list"), scale=3, min_width=240, elem_id="chat-kept")
        with gr.Row(elem_id="chat-panes"):
            panes = tuple(_pane(name) for name in PANES)
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
            retry, clear, tokens, save = (
                gr.Button(label(f"chat.{name}"), elem_id=f"chat-{name}", interactive=False, **SMALL)
                for name in ("retry", "clear", "tokens", "save")
            )
            check = gr.Button(label("chat.check"), elem_id="chat-check", **SMALL)
            surprise = gr.Button(label("chat.random"), elem_id="chat-random", **{**SMALL, "min_width": 190})
            more = gr.Button(label("chat.more"), elem_id="chat-more", **SMALL)
            fewer = gr.Button(label("chat.fewer"), visible=False, elem_id="chat-fewer", **SMALL)
        with gr.Accordion(label("chat.settings"), open=False, elem_id="chat-settings"):
            shared = gr.Checkbox(
                False, label=label("chat.shared"), info=label("chat.shared.help"), elem_id="chat-shared"
            )
            system = presets(session)
            with gr.Row():
                settings = {knob.name: _setting(knob) for knob in knobs(RunConfig) if knob.group == "generation"}
            with gr.Row(elem_id="chat-shelf"):
                name = gr.Textbox(label=label("chat.name"), scale=3, min_width=240, elem_id="chat-name")
                delete = gr.Button(label("chat.delete"), elem_id="chat-delete", **SMALL)
                surely = gr.Button(
                    label("chat.delete_surely"), variant="stop", visible=False, elem_id="chat-delete-surely", **SMALL
                )
        saved = gr.Textbox(visible="hidden", elem_id="chat-saved")

    screen = Screen(
        panes, talk, message, system, settings["generation.seed"], chooser, note, suggestions, send, stop, retry, clear,
        save, tokens, more, fewer, remembered,
    )  # fmt: skip
    outputs = screen.flat()
    speakers = [pane.speaker for pane in panes]
    named: dict[str, Any] = {"talk": talk, "turn": turn, "shared": shared, "system": system, **settings}
    drawing = {"outputs": outputs, **QUIET}

    def draws(handler: Callable[..., Screen | Iterator[Screen]], *fixed: Any) -> Any:
        return bind(flat(handler), *fixed)

    reply = draws(zero_gpu.lent(asking.reply, workspace))

    def answer(event: Any) -> None:
        answered = event.success(reply, [talk, turn], outputs, **MODEL)
        answered.failure(draws(asking.withdraw, workspace), [talk, turn], outputs, **QUIET)

    gr.on(
        [session.page.load, session.selection.change, session.tabs.change], bind(refresh, workspace),
        inputs=[session.selection, chooser, followed, talk], outputs=[chooser, followed, empty, main, *speakers],
        **QUIET,
    )  # fmt: skip
    chooser.change(
        bind(open_run, workspace), [chooser, talk, remembered], [prompts, *chips, *speakers, *outputs], **OPENING
    )
    remembered.change(draws(shelf.recall, workspace), [remembered, talk], outputs, **OPENING)
    talk.change(bind(shelf.listed, workspace), [talk], [kept, name], **QUIET)
    to_train.click(lambda: gr.Tabs(selected="train"), None, session.tabs, **QUIET)
    answer(
        gr.on([message.submit, send.click], draws(asking.ask), inputs_kwargs={"message": message, **named}, **drawing)
    )
    answer(retry.click(draws(asking.ask_again), inputs_kwargs=named, **drawing))
    for index, chip in enumerate(chips):
        ask = draws(asking.ask_suggestion, index)
        answer(chip.click(ask, inputs_kwargs={"prompts": prompts, **named}, **drawing))
    for side, pane in enumerate(panes):
        alone = {key: value for key, value in named.items() if key not in ("shared", "system")}
        answer(pane.chat.retry(draws(asking.ask_one, side), inputs_kwargs=alone, **drawing))
        answer(pane.chat.edit(_edited(side), inputs_kwargs=named, **drawing))
        pane.chat.like(_liked(workspace, side), [talk], outputs, **QUIET)
        pane.chat.undo(draws(asking.undo, workspace), [talk], outputs, **QUIET)
        pane.chat.clear(draws(shelf.clear_talk), [talk], outputs, **QUIET)
        pane.speaker.input(draws(choose, side), [pane.speaker, talk], outputs, **QUIET)
    surprise.click(bind(random_prompt, workspace), [chooser], [message, system], **QUIET)
    stop.click(draws(asking.stop_reply, workspace), [talk, turn], outputs, queue=False, **QUIET)
    check.click(bind(zero_gpu.lent(check_pair, workspace)), [chooser], note, **MODEL)
    tokens.click(draws(zero_gpu.lent(show_tokens, workspace)), [talk], outputs, **MODEL)
    more.click(draws(add_pane), [talk], outputs, **QUIET)
    fewer.click(draws(remove_pane), [talk], outputs, **QUIET)
    save.click(bind(save_talk), [talk], saved, **QUIET).success(None, saved, None, js=DOWNLOAD, **QUIET)
    clear.click(draws(shelf.clear_talk), [talk], outputs, **QUIET)
    kept.input(draws(shelf.reopen, workspace), [kept, talk], outputs, **QUIET)
    gr.on([name.submit, name.blur], bind(shelf.named, workspace), [talk, name], [kept, name], **QUIET)
    delete.click(lambda: gr.update(visible=True), None, surely, **QUIET)
    surely.click(lambda: gr.update(visible=False), None, surely, **QUIET)
    surely.click(draws(shelf.delete_talk, workspace), [talk], outputs, **QUIET)
    gr.api(
        endpoint(workspace), api_name="compare", concurrency_limit=None,
        api_description="Both replies to one message, each with its receipt.",
    )  # fmt: skip


def _pane(name: str) -> PaneView:
    """Who answers, the conversation, its receipts, and room for probabilities."""
    with gr.Column(min_width=300, visible=name in PANES[:2]) as column:
        speaker = gr.Dropdown(
            [], label=label("chat.speaker"), show_label=False, container=False, elem_id=f"chat-{name}-speaker"
        )
        chat = gr.Chatbot(
            placeholder=label("chat.placeholder"), height=PANE_HEIGHT, render_markdown=False, latex_delimiters=[],
            show_label=False, buttons=["copy", "copy_all"], editable="user", elem_id=f"chat-{name}",
            elem_classes="chat-pane",
        )  # fmt: skip
        with gr.Accordion(label("chat.receipt"), open=False, elem_classes="chat-receipt") as receipt:
            facts = gr.HTML(elem_classes="chat-facts")
        tokens = gr.HTML(visible=False, elem_classes="chat-tokens")
    return PaneView(column, speaker, chat, receipt, facts, tokens)


def _setting(knob: Any) -> Component:
    drawn = component(knob, None)
    drawn.elem_id = f"chat-{knob.name.replace('.', '-')}"
    return drawn


def _edited(side: int) -> Any:
    def listener(event: gr.EditData, request: gr.Request, **named: Any) -> Any:
        return bind(flat(asking.edit_turn))(request, _place(event.index), _text(event.value), side=side, **named)

    return listener


def _liked(workspace: Workspace, side: int) -> Any:
    def listener(talk: Transcript, event: gr.LikeData, request: gr.Request) -> Any:
        liked = event.liked if isinstance(event.liked, bool) else None
        return bind(flat(asking.thumb), workspace)(request, _place(event.index), liked, side, talk)

    return listener


def _place(index: Any) -> int:
    return int(index[0] if isinstance(index, (list, tuple)) else index)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "".join(str(part.get("text", "")) for part in value)


# ---- runs ------------------------------------------------------------------------------------------------------------


def refresh(
    workspace: Workspace, language: str, selection: Selection, run: str | None, followed: str | None, talk: Transcript
) -> tuple[Any, ...]:
    """The list of runs as it is now; follows the selection when that has moved on to a run with a result."""
    choices = answering_runs(workspace, language)
    known = [choice for _, choice in choices]
    if talk.asked is None and selection.run in known and selection.run != followed:
        run = followed = selection.run
    if run not in known:
        run = known[0] if known else None
    speakers = speaker_choices(workspace, language, run, talk.speakers if talk.run == run else ()) if run else []
    return (
        gr.update(choices=choices, value=run), followed, gr.update(visible=not known), gr.update(visible=bool(known)),
        *[gr.update(choices=speakers)] * len(PANES),
    )  # fmt: skip


def open_run(
    workspace: Workspace, language: str, run: str | None, talk: Transcript, remembered: Any, reader: str = ""
) -> tuple[Any, ...]:
    """The conversation with another run: the one this browser had last, else a new one with suggestions."""
    if run == talk.run or run is None:
        return gr.skip(), *[gr.skip()] * (SUGGESTIONS + len(PANES)), *Screen().flat()
    prompts = suggestions(workspace, language, run)
    texts = [" ".join(prompt[-1]["content"].split()) for prompt in prompts]
    texts += [""] * (SUGGESTIONS - len(prompts))
    chips = [gr.update(value=text, visible=bool(text)) for text in texts]
    screen = shelf.opened(workspace, language, run, shelf.remembered_id(remembered, run), reader)
    speakers = gr.update(choices=speaker_choices(workspace, language, run, screen.talk.speakers))
    return tuple(prompts), *chips, *[speakers] * len(PANES), *screen.flat()


# ---- panes -----------------------------------------------------------------------------------------------------------


def choose(side: int, language: str, speaker: str | None, talk: Transcript) -> Screen:
    """Another model in a pane; it answers from the next message on, or the last one again by the pane's own Retry."""
    if talk.asked or not speaker:
        return draw(language, talk)
    chosen = (*talk.speakers[:side], Speaker.parse(speaker), *talk.speakers[side + 1 :])
    return draw(language, replace(talk, chosen=chosen))


def add_pane(language: str, talk: Transcript) -> Screen:
    """One more pane, which begins with the last one's model."""
    if talk.asked or len(talk.speakers) == len(PANES):
        return Screen()
    return draw(language, replace(talk, chosen=(*talk.speakers, talk.speakers[-1])))


def remove_pane(language: str, talk: Transcript) -> Screen:
    """The last pane goes; what it said stays in the conversation's file."""
    if talk.asked or len(talk.speakers) == 2:
        return Screen()
    return draw(language, replace(talk, chosen=talk.speakers[:-1]))


def show_tokens(workspace: Workspace, language: str, talk: Transcript) -> Iterator[Screen]:
    """Probabilities of the last turn's replies under every model that stands there."""
    if talk.asked or not talk.exchanges:
        yield Screen()
        return
    yield Screen(note=status(language, "chat.tokens_busy"))
    turn = len(talk.exchanges) - 1
    answers = talk.exchanges[turn].answers[: len(talk.speakers)]
    speakers = [Speaker.parse(answer.receipt["speaker"]) for answer in answers]
    voices = [workspace.voice(speaker) for speaker in speakers]
    names = [speaker_name(language, speaker) for speaker in speakers]
    panes = []
    for side, answer in enumerate(answers):
        prompt = voices[side].template.prompt_ids(talk.prompt_of(turn, side))
        rows = reply_shades(voices, side, prompt, answer.ids, say("chat.tokens_end", language))
        panes.append(PaneView(tokens=gr.update(value=reply_html(language, names, rows), visible=True)))
    panes += [PaneView()] * (len(PANES) - len(panes))
    yield Screen(tuple(panes), note=draw(language, talk).note)


def check_pair(workspace: Workspace, language: str, run: str) -> Iterator[str]:
    """Prove that the two sides are what they say, and say what was found."""
    yield status(language, "chat.checking")
    pair = workspace.pair(workspace.run(run))
    yield finding(language, self_check(pair), pair.base.weights, pair.tuned.weights)


def save_talk(language: str, talk: Transcript) -> str:
    """The conversation for the browser to keep as a file. Nothing is written here."""
    return to_json(talk)
