import pytest

from chatgui.data.conversation import Conversation, Document, Message
from chatgui.tasks.pretrain import Pretrain
from chatgui.tokens.example import Example
from chatgui.tokens.template import Template
from tests.conftest import TEMPLATE, make_tokenizer


@pytest.fixture(scope="module")
def template() -> Template:
    return Template(make_tokenizer(TEMPLATE))


def test_every_token_of_a_document_teaches_and_its_end_too(template: Template) -> None:
    example = Pretrain().make_example(Document("One day"), template, 4)
    assert example.labels == example.input_ids
    assert template.tokenizer.decode(example.input_ids) == "One day<|endoftext|>"


def test_a_conversation_is_rendered_by_the_models_template(template: Template) -> None:
    talk = Conversation((Message("user", "Hi"), Message("assistant", "Hello")))
    ids = Pretrain().make_example(talk, template, 256).input_ids
    assert template.tokenizer.decode(ids) == "<|user|>Hi<|end|><|assistant|>Hello<|end|><|endoftext|>"


def test_documents_are_laid_end_to_end_into_full_blocks() -> None:
    examples = [Example(tuple(range(n)), tuple(range(n))) for n in (7, 2, 9)]
    blocks = Pretrain().arrange(examples, 5)
    assert [len(block) for block in blocks] == [5, 5, 5, 3]
    assert [token for block in blocks for token in block.input_ids] == [*range(7), *range(2), *range(9)]


def test_a_last_block_of_one_token_teaches_nothing_and_is_left_out() -> None:
    examples = [Example(tuple(range(6)), tuple(range(6)))]
    assert [len(block) for block in Pretrain().arrange(examples, 5)] == [5]
