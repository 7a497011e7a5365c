from typing import get_args

import pytest

from chatgui.data.conversation import Item
from chatgui.data.quality.words import shingles, similarity, text_of, texts_of, with_texts
from tests.ui.test_item_view import ITEMS


@pytest.mark.parametrize("item", [item for item, _ in ITEMS], ids=lambda item: type(item).__name__)
def test_every_kind_of_item_has_texts_that_can_be_changed(item: Item) -> None:
    assert type(item) in get_args(Item) and text_of(item).strip()
    louder = with_texts(item, str.upper)
    assert type(louder) is type(item)
    assert texts_of(louder) == tuple(text.upper() for text in texts_of(item))
    assert with_texts(item, lambda text: text) == item


def test_shingles_are_pairs_of_words_and_of_chinese_characters() -> None:
    assert shingles("Hi, THERE you!") == ["hi there", "there you"]
    assert shingles("你好 ok") == ["你 好", "好 ok"]
    assert shingles("one") == ["one"]


def test_similarity_is_what_is_shared_of_all_there_is() -> None:
    assert similarity({"a", "b", "c"}, {"b", "c", "d"}) == 0.5
    assert similarity({"a"}, {"a"}) == 1.0
