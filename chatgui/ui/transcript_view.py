"""Conversations side by side as messages, sentences and receipts for the page.

Knows nothing of gradio. Every text that comes from a model is escaped here, so it is seen as text, never as HTML.
"""

import json
from html import escape
from typing import Any

from chatgui.generation.compare import Messages
from chatgui.generation.selfcheck import SelfCheck
from chatgui.generation.speakers import Speaker
from chatgui.generation.transcript import Answer, Exchange, Transcript, differing_words, history
from chatgui.text import say

PLACEHOLDER = "…"
FACTS = ("speaker", "weights", "adapter", "template", "seed", "temperature", "top_p", "top_k", "prompt_tokens",
         "new_tokens", "end", "tokens_per_second", "first_token_seconds", "device", "computed")  # fmt: skip


def messages(talk: Transcript, side: int, growing: str = "") -> Messages:
    """One side's pane; `growing` is what there is of its reply to the question asked."""
    said = history(talk.exchanges, side)
    if talk.asked and talk.again in (None, side):
        said += [{"role": "user", "content": talk.asked.message}, {"role": "assistant", "content": growing}]
    elif talk.asked and talk.before:  # the other sides keep their reply while one is asked again
        said = history(talk.before, side)
    # Gradio draws a chatbot's text as HTML even when Markdown is off
    return [{**message, "content": escape(message["content"], quote=False) or PLACEHOLDER} for message in said]


def feedback(talk: Transcript, side: int) -> list[str | None]:
    """The thumbs of one side's replies, in the words that Gradio's chatbot has for them."""
    words = {None: None, True: "Like", False: "Dislike"}
    return [words[talk.exchanges[turn].answers[side].good] for turn in talk.turns_of(side)]


def speaker_name(language: str, speaker: Speaker) -> str:
    """Who answers, in a line."""
    if isinstance(speaker.at, int):
        return say("chat.speaker_step", language, run=speaker.run, step=speaker.at)
    return say(f"chat.speaker_{speaker.at}", language, run=speaker.run)


def receipt_line(language: str, answer: Answer | None) -> str:
    """The receipt in one line."""
    if answer is None:
        return say("chat.receipt", language)
    return say("chat.receipt_line", language, **_words(language, answer))


def receipts(language: str, talk: Transcript, side: int) -> str:
    """The receipts of one side's replies, the newest first and open, as HTML."""
    turns = talk.turns_of(side)
    if not turns:
        return f"<p>{escape(say('chat.receipt_empty', language))}</p>"
    answers = {turn: talk.exchanges[turn].answers[side] for turn in turns}
    folded = "".join(
        f"<details><summary>{escape(say('chat.receipt_turn', language, turn=turn + 1))} · "
        f"{escape(receipt_line(language, answers[turn]))}</summary>{_facts(language, answers[turn])}</details>"
        for turn in turns[-2::-1]
    )
    return _facts(language, answers[turns[-1]]) + folded


def _facts(language: str, answer: Answer) -> str:
    words = _words(language, answer)
    cells = [(say(f"receipt.{name}", language), str(words[name])) for name in FACTS if name in words]
    return "<dl>" + "".join(f"<div><dt>{escape(a)}</dt><dd>{escape(b)}</dd></div>" for a, b in cells) + "</dl>"


def _words(language: str, answer: Answer) -> dict[str, Any]:
    adapter = say(f"receipt.adapter_{answer.receipt['adapter']}", language)
    end = say(f"receipt.end_{answer.end}", language, new_tokens=answer.receipt["new_tokens"])
    computed = say(f"receipt.computed_{answer.receipt['computed']}", language)
    if answer.receipt["cache"] != "together":
        computed += say(f"receipt.cache_{answer.receipt['cache'].replace(' ', '_')}", language)
    speaker = speaker_name(language, Speaker.parse(answer.receipt["speaker"]))
    return {**answer.receipt, "adapter": adapter, "end": end, "computed": computed, "speaker": speaker}


def status(language: str, key: str) -> str:
    """What is going on, as HTML."""
    return f'<p class="busy">{escape(say(key, language))}</p>'


def finding(language: str, check: SelfCheck, base: str, tuned: str) -> str:
    """What a self-check found, as HTML."""
    sentences = [
        say("check.passed" if check.passed else "check.failed", language),
        say(f"check.zero_{check.zero}", language),
        say(f"check.weights_{'differ' if check.weights_differ else 'equal'}", language, base=base, tuned=tuned),
        say("check.answers_differ" if check.answers_differ else "check.answers_equal", language),
    ]  # fmt: skip
    return "<p>" + "".join(f"<span>{escape(sentence)}</span>" for sentence in sentences) + "</p>"


def remark(language: str, talk: Transcript) -> str:
    """Where the replies of the last turn differ, as HTML; it carries the places to mark in all turns, by pane."""
    if not talk.exchanges:
        return "<p></p>"
    last = talk.exchanges[-1]
    sentences = [_difference(language, last)]
    if not last.same_seed:
        sentences.append(say("chat.other_seed", language))
    if talk.parting:
        sentences.append(say("chat.parting", language, turn=talk.parting))
    found = [_places(exchange) for exchange in talk.exchanges]
    places = [[found[turn][side] for turn in talk.turns_of(side)] for side in range(len(talk.speakers))]
    spans = "".join(f"<span>{escape(sentence)}</span>" for sentence in sentences)
    return f'<p data-places="{escape(json.dumps(places))}">{spans}</p>'


def _difference(language: str, last: Exchange) -> str:
    places = [place for side in range(1, len(last.answers)) if (place := last.difference(side)) is not None]
    if not places:
        return say("chat.identical" if last.whole else "chat.identical_so_far", language)
    return say("chat.differ", language, token=min(places) + 1)


def _places(exchange: Exchange) -> list[list[int] | None]:
    """In each reply the first word in which it differs from the first reply; in that one, the earliest of them."""
    texts = [answer.text for answer in exchange.answers]
    spans: list[tuple[int, int] | None] = [None]
    firsts = []
    for side in range(1, len(texts)):
        same = exchange.difference(side) is None
        first, own = (None, None) if same else differing_words(texts[0], texts[side])
        spans.append(own)
        firsts += [first] if first else []
    spans[0] = min(firsts, default=None)
    return [
        [_utf16(text[: span[0]]), _utf16(text[: span[1]])] if span else None
        for text, span in zip(texts, spans, strict=True)
    ]


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2  # the browser counts so
