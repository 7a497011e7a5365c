from typing import Any

import pytest

from chatgui.data.conversation import Tagged
from chatgui.data.formats.tags import convert, matches
from chatgui.errors import DataError

PARIS = Tagged(("Jo", "left", "Paris"), ("B-PER", "O", "B-LOC"))


@pytest.mark.parametrize(
    "block",
    [
        "Jo B-PER\nleft O\nParis B-LOC",
        "Jo\tB-PER\nleft\tO\nParis\tB-LOC",
        "Jo B-PER 0\nleft O 0\nParis B-LOC 0",
        "Jo NNP B-NP B-PER\nleft VB B-VP O\nParis NNP B-NP B-LOC",
        "# sentence 7\nJo _ _ B-PER\nleft _ _ O\nParis _ _ B-LOC",
    ],
)
def test_a_block_of_lines_is_a_sentence(block: str) -> None:
    assert matches({"tokens": block})
    assert convert({"tokens": block}) == PARIS


def test_lists_are_taken_as_they_are() -> None:
    assert convert({"tokens": list(PARIS.words), "tags": list(PARIS.tags)}) == PARIS


def test_lists_in_a_table_are_read() -> None:
    assert convert({"tokens": '["Jo", "left", "Paris"]', "tags": '["B-PER", "O", "B-LOC"]'}) == PARIS


def test_spans_tag_the_characters_between_them() -> None:
    item = convert({"tokens": "叶老桂来了", "tags": {"name": {"叶老桂": [[0, 2]]}}})
    assert item == Tagged(tuple("叶老桂来了"), ("B-name", "I-name", "I-name", "O", "O"))


@pytest.mark.parametrize("text", ["It rained all day.", "A plan\nOf two lines", "I O"])
def test_plain_text_is_not_tagged(text: str) -> None:
    assert not matches({"tokens": text}) or text == "I O"


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"tokens": ["a", "b"], "tags": ["O"]}, "2 words and 1 tags"),
        ({"tokens": [], "tags": []}, "tokens is empty"),
        ({"tokens": "Jo B-PER\nleft", "tags": None}, 'the line "left" has no tag'),
        ({"tokens": ["a"], "tags": "O"}, "tags holds a str"),
        ({"tokens": "ab", "tags": {"name": {"ab": [[0, 2]]}}}, "lies outside the text"),
        ({"tokens": "ab", "tags": {"name": {"ab": [0, 1]}}}, "is not a pair of places"),
    ],
)
def test_words_without_a_tag_each_are_refused(row: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        convert(row)
