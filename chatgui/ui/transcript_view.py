"""Two conversations as messages, sentences and receipts for the page.

Knows nothing of gradio. Every text that comes from a model is escaped here, so it is seen as text, never as HTML.
"""

import json
from html import escape
from typing import Any

from chatgui.generation.compare import Messages
from chatgui.generation.selfcheck import SelfCheck
from chatgui.generation.transcript import Answer, Exchange, Side, Transcript, differing_words, history
from chatgui.text import say

PLACEHOLDER = "…"
FACTS = ("weights", "adapter", "template", "seed", "temperature", "top_p", "top_k", "prompt_tokens", "new_tokens",
         "end", "tokens_per_second", "first_token_seconds", "device", "computed")  # fmt: skip


def messages(talk: Transcript, side: Side, growing: str = "") -> Messages:
    """One side's pane; `growing` is what there is of the reply to the question asked."""
    said = history(talk.exchanges, side)
    if talk.asked:
        said += [{"role": "user", "content": talk.asked.message}, {"role": "assistant", "content": growing}]
    # Gradio draws a chatbot's text as HTML even when Markdown is off
    return [{**message, "content": escape(message["content"], quote=False) or PLACEHOLDER} for message in said]


def receipt_line(language: str, answer: Answer | None) -> str:
    """The receipt in one line."""
    if answer is None:
        return say("chat.receipt", language)
    return say("chat.receipt_line", language, **_words(language, answer))


def receipts(language: str, talk: Transcript, side: Side) -> str:
    """The receipts of one side's replies, the newest first and open, as HTML."""
    answers: list[Answer] = [getattr(exchange, side) for exchange in talk.exchanges]
    if not answers:
        return f"<p>{escape(say('chat.receipt_empty', language))}</p>"
    folded = "".join(
        f"<details><summary>{escape(say('chat.receipt_turn', language, turn=turn))} · "
        f"{escape(receipt_line(language, answers[turn - 1]))}</summary>{_facts(language, answers[turn - 1])}</details>"
        for turn in range(len(answers) - 1, 0, -1)
    )
    return _facts(language, answers[-1]) + folded


def _facts(language: str, answer: Answer) -> str:
    words = _words(language, answer)
    cells = [(say(f"receipt.{name}", language), str(words[name])) for name in FACTS if name in words]
    return "<dl>" + "".join(f"<div><dt>{escape(a)}</dt><dd>{escape(b)}</dd></div>" for a, b in cells) + "</dl>"


def _words(language: str, answer: Answer) -> dict[str, Any]:
    adapter = say(f"receipt.adapter_{answer.receipt['adapter']}", language)
    end = say(f"receipt.end_{answer.end}", language, new_tokens=answer.receipt["new_tokens"])
    words = {**answer.receipt, "adapter": adapter, "end": end}
    if "computed" in words:  # receipts kept by an older version say nothing of it
        words["computed"] = say(f"receipt.computed_{words['computed']}", language)
        if words["cache"] != "together":
            words["computed"] += say(f"receipt.cache_{words['cache'].replace(' ', '_')}", language)
    return words


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
    """Where the replies of the last turn differ, as HTML; it carries the places to mark in all turns."""
    if not talk.exchanges:
        return "<p></p>"
    sentences = [_difference(language, talk.exchanges[-1])]
    if talk.parting:
        sentences.append(say("chat.parting", language, turn=talk.parting))
    places = json.dumps([_places(exchange) for exchange in talk.exchanges])
    spans = "".join(f"<span>{escape(sentence)}</span>" for sentence in sentences)
    return f'<p data-places="{escape(places)}">{spans}</p>'


def _difference(language: str, last: Exchange) -> str:
    place = last.first_difference
    if place is None:
        return say("chat.identical" if last.whole else "chat.identical_so_far", language)
    return say("chat.differ", language, token=place + 1)


def _places(exchange: Exchange) -> list[list[int] | None]:
    texts = exchange.base.text, exchange.tuned.text
    spans = differing_words(*texts) if exchange.first_difference is not None else (None, None)
    return [
        [_utf16(text[: span[0]]), _utf16(text[: span[1]])] if span else None
        for text, span in zip(texts, spans, strict=True)
    ]


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2  # the browser counts so
