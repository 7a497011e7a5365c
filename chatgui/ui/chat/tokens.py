"""How likely each model found the tokens of a reply, as colour, as text under the pointer, and as a table."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from chatgui.generation.pair import Voice
from chatgui.generation.probabilities import TokenScore, score_reply, speak_alike
from chatgui.text import say
from chatgui.ui.conversation_view import pieces
from chatgui.ui.item_view import shown

STEPS = (0.5, 0.1, 0.01)
"""Probabilities below which a piece is marked, and marked more."""


@dataclass(frozen=True)
class Shade:
    """A piece of a reply that can be read, of one token or several that make a character."""

    text: str
    probability: float
    rank: int
    likeliest: str


def shades(scores: Sequence[TokenScore], decode: Callable[[list[int]], str], end: str) -> list[Shade]:
    """Scores as readable pieces; an end token, which has no text, reads `end`."""
    ids = [score.id for score in scores]
    found, place = [], 0
    for piece in pieces(ids, ["reply"] * len(ids), decode):
        part = scores[place : place + piece.tokens]
        place += piece.tokens
        probability = math.exp(sum(score.logprob for score in part))
        text = piece.text or end
        found.append(Shade(text, probability, max(score.rank for score in part), decode([part[0].likeliest]) or end))
    return found


def reply_shades(
    voices: Sequence[Voice], side: int, prompt: Sequence[int], reply: Sequence[int], end: str
) -> list[list[Shade] | None]:
    """The reply of one side under each of the voices; None under one that knows other tokens."""
    own = voices[side]
    return [
        shades(score_reply(voice, prompt, reply), own.template.decode, end) if speak_alike(voice, own) else None
        for voice in voices
    ]


def reply_html(language: str, names: Sequence[str], rows: Sequence[Sequence[Shade] | None]) -> str:
    """One reply under each model: coloured text, its perplexity, and the same numbers as a table."""
    parts = [_row(language, name, row) for name, row in zip(names, rows, strict=True)]
    known = [(name, row) for name, row in zip(names, rows, strict=True) if row]
    legend = escape(say("chat.tokens_legend", language))
    return f'<div class="likely"><p>{legend}</p>{"".join(parts)}{_table(language, known)}</div>'


def _row(language: str, name: str, row: Sequence[Shade] | None) -> str:
    if row is None:
        return f"<h4>{shown(name)}</h4><p>{escape(say('chat.tokens_other', language))}</p>"
    marked = "".join(
        f'<span class="p{_step(shade)}" title="{escape(_told(language, shade))}">{shown(shade.text)}</span>'
        for shade in row
    )
    mean = sum(math.log(max(shade.probability, 1e-30)) for shade in row) / max(1, len(row))
    head = escape(say("chat.tokens_mean", language, share=_percent(math.exp(mean))))
    return f'<h4>{shown(name)} <small>{head}</small></h4><div class="text" dir="auto">{marked}</div>'


def _table(language: str, rows: Sequence[tuple[str, Sequence[Shade]]]) -> str:
    if not rows:
        return ""
    heads = "".join(
        f"<th>{shown(head)}</th>" for head in (say("chat.tokens_piece", language), *(name for name, _ in rows))
    )
    body = "".join(
        f"<tr><th>{shown(shaded[0].text)}</th>"
        + "".join(f"<td>{shown(_told(language, shade))}</td>" for shade in shaded)
        + "</tr>"
        for shaded in zip(*(row for _, row in rows), strict=True)
    )
    title = escape(say("chat.tokens_table", language))
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    return f"<details><summary>{title}</summary>{table}</details>"


def _told(language: str, shade: Shade) -> str:
    key = "chat.tokens_first" if shade.rank == 1 else "chat.tokens_rank"
    return say(key, language, share=_percent(shade.probability), rank=shade.rank, likeliest=shade.likeliest.strip())


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}" if share >= 0.001 else f"{share:.1e}"


def _step(shade: Shade) -> int:
    return sum(shade.probability < step for step in STEPS)
