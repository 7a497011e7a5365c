"""The text of an item, whatever its kind: as one string, as shingles to compare by, and with every text replaced."""

import re
from collections.abc import Callable, Set
from dataclasses import replace

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

WORD = re.compile(r"[\u3400-\u9fff\u3040-\u30ff\uac00-\ud7af]|[^\W\u3400-\u9fff\u3040-\u30ff\uac00-\ud7af]+")
"""A word; of Chinese, Japanese and Korean one character."""
SHINGLE_WORDS = 2


def texts_of(item: Item) -> tuple[str, ...]:
    """Everything that a person or a model wrote in it; instructions of the system are not, they are often the same."""
    match item:
        case Conversation():
            return tuple(message.content for message in item.messages if message.role != "system")
        case Document():
            return (item.text,)
        case Preference():
            return (*(message.content for message in item.prompt), item.chosen, item.rejected)
        case Judged():
            return (*(message.content for message in item.prompt), item.reply)
        case Labelled():
            return (item.text, item.text_pair) if item.text_pair else (item.text,)
        case Tagged():
            return (" ".join(item.words),)
        case Choice():
            return (*item.history, item.candidate)


def text_of(item: Item) -> str:
    """All of it, a line each."""
    return "\n".join(texts_of(item))


def with_texts(item: Item, change: Callable[[str], str]) -> Item:
    """The item with every text changed, those of the system too."""

    def turns(messages: tuple[Message, ...]) -> tuple[Message, ...]:
        return tuple(replace(message, content=change(message.content)) for message in messages)

    match item:
        case Conversation():
            return replace(item, messages=turns(item.messages))
        case Document():
            return Document(change(item.text))
        case Preference():
            return Preference(turns(item.prompt), change(item.chosen), change(item.rejected))
        case Judged():
            return replace(item, prompt=turns(item.prompt), reply=change(item.reply))
        case Labelled():
            return replace(item, text=change(item.text), text_pair=change(item.text_pair))
        case Tagged():  # word by word: there must stay one tag for each
            return replace(item, words=tuple(map(change, item.words)))
        case Choice():
            return replace(item, history=tuple(map(change, item.history)), candidate=change(item.candidate))


def shingles(text: str) -> list[str]:
    """Neighbouring words, in lower case and without punctuation: what two copies with small changes share."""
    words = WORD.findall(text.lower())
    if len(words) < SHINGLE_WORDS:
        return [" ".join(words)]
    return [" ".join(words[at : at + SHINGLE_WORDS]) for at in range(len(words) - SHINGLE_WORDS + 1)]


def similarity(one: Set[str], other: Set[str]) -> float:
    """Jaccard index of the shingles of two texts: what they share, as a share of what either has."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)
