"""One item of data as HTML, whatever its kind. Knows nothing of gradio, of rows or of pages.

Every text that comes from data passes through `shown`, so it is seen as text, never as HTML.
"""

from collections.abc import Sequence
from html import escape

from chatgui.data.conversation import (
    Choice,
    Conversation,
    Document,
    Item,
    Judged,
    Labelled,
    Message,
    Preference,
    Tagged,
)
from chatgui.text import say

MESSAGE_CHARACTERS = 1200
"""Of one message in the preview; what a page shows at once must stay light."""
TURNS = 24
"""Of one conversation in the preview."""
WORDS = 200
HISTORY = 8
"""Newest texts of a user's history in the preview."""
CANDIDATE_CHARACTERS = 300
SURROGATES = {code: "\ufffd" for code in range(0xD800, 0xE000)}


def printable(text: str) -> str:
    """Without lone surrogates (JSON allows them, UTF-8 does not) and control characters that no browser shows."""
    return "".join(c if c >= " " or c in "\n\t" else "\ufffd" for c in text.replace("\r\n", "\n").translate(SURROGATES))


def shown(text: str) -> str:
    """Escaped for HTML; underscores too, since Gradio's page translates whatever looks like its own `__i18n__` mark."""
    return escape(printable(text)).replace("_", "&#95;")


def shortened(text: str, limit: int, language: str) -> str:
    """HTML of a text, cut behind `limit` characters with a word on how many follow."""
    if len(text) <= limit:
        return shown(text)
    more = say("dataset.more_characters", language, count=f"{len(text) - limit:,}")
    return f'{shown(text[:limit])}<span class="more">… {escape(more)}</span>'


def item_html(item: Item, language: str) -> str:
    """The item as it stands in its card."""
    match item:
        case Conversation():
            return _turns(item.messages, language) + _tools(item.tools, language)
        case Document():
            return _text(item.text, language)
        case Preference():
            replies = [("chosen", item.chosen), ("rejected", item.rejected)]
            columns = "".join(_named_reply(name, text, language) for name, text in replies)
            return f'{_turns(item.prompt, language)}<div class="sides">{columns}</div>'
        case Judged():
            verdict = "good" if item.good else "bad"
            return _turns(item.prompt, language) + _named_reply(verdict, item.reply, language)
        case Labelled():
            return _labelled(item, language)
        case Tagged():
            return _tagged(item)
        case Choice():
            return _choice(item, language)


def _turns(messages: Sequence[Message], language: str) -> str:
    turns = "".join(_turn(message, language) for message in messages[:TURNS])
    over = len(messages) - TURNS
    return turns + (
        f'<p class="more">{escape(say("dataset.more_turns", language, count=over))}</p>' if over > 0 else ""
    )


def _turn(message: Message, language: str) -> str:
    role = escape(say(f"dataset.role.{message.role}", language))
    if message.weight == 0:
        role += f' <span class="silent">{escape(say("dataset.not_learnt", language))}</span>'
    text = shortened(message.content, MESSAGE_CHARACTERS, language) or "&nbsp;"
    return f'<div class="turn {message.role}"><span class="role">{role}</span><div dir="auto">{text}</div></div>'


def _tools(tools: str, language: str) -> str:
    if not tools:
        return ""
    name = escape(say("dataset.tools", language))
    text = shortened(tools, MESSAGE_CHARACTERS, language)
    return f'<details class="tools"><summary>{name}</summary><pre>{text}</pre></details>'


def _text(text: str, language: str) -> str:
    return f'<div class="document" dir="auto">{shortened(text, 2 * MESSAGE_CHARACTERS, language)}</div>'


def _named_reply(name: str, text: str, language: str) -> str:
    title = escape(say(f"dataset.item.{name}", language))
    body = shortened(text, MESSAGE_CHARACTERS, language) or "&nbsp;"
    return f'<div class="turn assistant {name}"><span class="role">{title}</span><div dir="auto">{body}</div></div>'


def _labelled(item: Labelled, language: str) -> str:
    names = (f"{item.label:g}",) if isinstance(item.label, (int, float)) else item.label
    labels = "".join(f'<span class="label">{shown(name)}</span>' for name in names)
    title = escape(say("dataset.item.label", language))
    second = escape(say("dataset.item.pair", language))
    pair = f'<span class="role">{second}</span>{_text(item.text_pair, language)}' if item.text_pair else ""
    return f'{_text(item.text, language)}{pair}<p class="labels"><span class="role">{title}</span> {labels or "—"}</p>'


def _tagged(item: Tagged) -> str:
    """Words with their tags; a word outside (`O`) stands plain, so that the tagged ones stand out."""
    pairs = list(zip(item.words, item.tags, strict=True))
    words = (
        shown(word) if tag == "O" else f'<mark>{shown(word)}<small title="{shown(tag)}">{shown(tag)}</small></mark>'
        for word, tag in pairs[:WORDS]
    )
    return f'<div class="tagged" dir="auto">{" ".join(words)}{" …" if len(pairs) > WORDS else ""}</div>'


def _choice(item: Choice, language: str) -> str:
    taken = "clicked" if item.clicked else "passed"
    over = len(item.history) - HISTORY
    more = f"<li>{escape(say('dataset.more_items', language, count=over))}</li>" if over > 0 else ""
    history = "".join(f"<li>{shortened(text, CANDIDATE_CHARACTERS, language)}</li>" for text in item.history[-HISTORY:])
    who = shown(say("dataset.item.user", language, user=item.user)) + " · " if item.user else ""
    return (
        f'<span class="role">{who}{escape(say("dataset.item.history", language))}</span><ol>{more}{history}</ol>'
        f'<span class="role">{escape(say("dataset.item.candidate", language))}</span>'
        f'<p class="candidate {taken}">{shortened(item.candidate, CANDIDATE_CHARACTERS, language)} '
        f'<span class="label">{escape(say(f"dataset.item.{taken}", language))}</span></p>'
    )
