from typing import Literal

import pytest

from chatgui.data.conversation import Conversation, Document, Message, unweighed
from chatgui.errors import DataError
from chatgui.tasks.chat import Chat
from chatgui.tokens.example import IGNORE_INDEX, Example
from chatgui.tokens.template import Template
from tests.conftest import TEMPLATE, make_tokenizer
from tests.tokens.test_template import without_marks

TALK = Conversation(
    (Message("user", "Hi"), Message("assistant", "One"), Message("user", "And"), Message("assistant", "Two"))
)


@pytest.fixture(scope="module")
def template() -> Template:
    return Template(make_tokenizer(TEMPLATE))


def taught(example: Example, template: Template) -> str:
    return template.tokenizer.decode([label for label in example.labels if label != IGNORE_INDEX])


@pytest.mark.parametrize(
    ("teach", "text"),
    [
        ("replies", "One<|end|>Two<|end|>"),
        ("last_reply", "Two<|end|>"),
        ("everything", "<|user|>Hi<|end|><|assistant|>One<|end|><|user|>And<|end|><|assistant|>Two<|end|>"),
    ],
)
def test_the_turns_that_were_chosen_teach(
    template: Template, teach: Literal["replies", "last_reply", "everything"], text: str
) -> None:
    assert taught(Chat(teach=teach).make_example(TALK, template, 256), template) == text


def test_a_long_conversation_is_cut_at_its_end(template: Template) -> None:
    example = Chat().make_example(TALK, template, 10)
    assert (len(example), example.cut_tokens) == (10, 9)
    assert taught(example, template) == "One<|end|>"


def test_a_reply_that_was_cut_away_drops_the_row_with_the_reason(template: Template) -> None:
    with pytest.raises(DataError, match="it is 19 tokens long and its reply begins behind the limit of 12"):
        Chat(teach="last_reply").make_example(TALK, template, 12)


def test_plain_text_is_no_conversation(template: Template) -> None:
    with pytest.raises(DataError, match="chat learns from conversations"):
        Chat().make_example(Document("One day"), template, 256)


WEIGHED = Conversation(
    (
        Message("user", "Hi"), Message("assistant", "One"), Message("user", "And"), Message("assistant", "Two", 0),
        Message("user", "So"), Message("assistant", "Three"), Message("assistant", "Four", 0),
    )
)  # fmt: skip
ALL_BUT = (
    "<|user|>Hi<|end|><|assistant|>One<|end|><|user|>And<|end|><|assistant|><|user|>So<|end|><|assistant|>Three<|end|>"
    "<|assistant|>"
)


@pytest.mark.parametrize("marks", [True, False], ids=["marks", "no marks"])
@pytest.mark.parametrize(
    ("teach", "text"),
    [
        ("replies", "One<|end|>Three<|end|>"), ("last_reply", "Three<|end|>"), ("everything", ALL_BUT),
    ],
)  # fmt: skip
def test_a_reply_of_weight_zero_is_read_but_not_learnt(
    teach: Literal["replies", "last_reply", "everything"], text: str, marks: bool
) -> None:
    template = Template(make_tokenizer(TEMPLATE if marks else without_marks(TEMPLATE)))
    example = Chat(teach=teach).make_example(WEIGHED, template, 256)
    assert taught(example, template) == text
    assert example.input_ids == Chat().make_example(unweighed(WEIGHED), template, 256).input_ids


def test_a_conversation_without_any_weight_has_nothing_to_teach(template: Template) -> None:
    silent = Conversation((Message("user", "Hi"), Message("assistant", "One", 0)))
    with pytest.raises(DataError, match="every reply of it has a weight of 0"):
        Chat().make_example(silent, template, 256)
