"""Cards of every kind of item. No page, no browser."""

from typing import get_args

import pytest

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
from chatgui.ui.item_view import HISTORY, WORDS, item_html

ASKED = (Message("user", "asked"),)
ITEMS: list[tuple[Item, tuple[str, ...]]] = [
    (Conversation((*ASKED, Message("assistant", "answered")), tools="[]"), ("asked", "answered", "Tools on offer")),
    (Document("a text"), ("a text",)),
    (
        Preference(ASKED, "the better", "the worse"),
        ("asked", ">Preferred<", "the better", "the worse"),
    ),
    (Judged(ASKED, "so so", False), ("asked", "so so", "Found bad")),
    (Labelled("fine", ("joy", "calm")), ("fine", ">joy<", ">calm<")),
    (Labelled("first", 2.5, "second"), ("first", "second", ">2.5<")),
    (Tagged(("Ann", "sleeps"), ("B-PER", "O")), ("<mark>Ann", ">B-PER<", "</mark> sleeps")),
    (Choice(("a film",), "a book", True, user="7"), ("a film", "a book", "taken", "User 7")),
]


@pytest.mark.parametrize(("item", "parts"), ITEMS, ids=lambda value: type(value).__name__)
def test_a_card_shows_everything_of_its_item(item: Item, parts: tuple[str, ...]) -> None:
    html = item_html(item, "en")
    assert [part for part in parts if part not in html] == []


def test_every_kind_of_item_has_a_card() -> None:
    assert {type(item) for item, _ in ITEMS} == set(get_args(Item))


@pytest.mark.parametrize(
    "item",
    [
        Preference((Message("user", "<script>"),), "<b>", "<i>"), Judged((), "<b>", True), Labelled("<b>", ("<i>",)),
        Tagged(("<b>",), ('"><script>',)), Choice(("<b>",), "<i>", False, user="<script>"),
    ],
)  # fmt: skip
def test_no_text_of_an_item_is_html(item: Item) -> None:
    html = item_html(item, "en")
    assert "<script>" not in html and "<b>" not in html and "<i>" not in html


def test_a_long_history_and_a_long_sentence_are_cut() -> None:
    assert item_html(Choice(("x",) * 30, "y", True), "en").count("<li>") == HISTORY + 1
    assert item_html(Tagged(("w",) * 900, ("B-X",) * 900), "zh").count("<mark>") == WORDS
