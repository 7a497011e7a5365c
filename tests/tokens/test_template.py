from pathlib import Path
from typing import Any

import pytest

from chatgui.data.conversation import Conversation, Message
from chatgui.data.load import DataConfig, load
from chatgui.errors import DataError, ModelError
from chatgui.tokens.example import IGNORE_INDEX, label_spans
from chatgui.tokens.template import PLAIN_TEMPLATE, Template
from tests.conftest import TEMPLATE, make_tokenizer

CHATML = (
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)
CHATML_WITH_MARKS = (
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message.role + '\\n' }}"
    "{%- if message.role == 'assistant' -%}"
    "{% generation %}{{ message.content + '<|im_end|>' }}{% endgeneration %}"
    "{%- else -%}{{ message.content + '<|im_end|>' }}{%- endif -%}{{ '\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)
THINKING = (  # keeps what stands before </think> only in the last turn, as Qwen3 and DeepSeek do
    "{%- for message in messages -%}"
    "{{ '<|' + message.role + '|>' }}"
    "{{ message.content if loop.last else message.content.split('</think>')[-1] }}{{ '<|end|>' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
)
STRICT = "{%- if messages[0].role != 'user' -%}{{ raise_exception('a user must begin') }}{%- endif -%}" + CHATML
TALK = Conversation(
    (
        Message("system", "Be kind."), Message("user", "Hi, 你好"), Message("assistant", "Hello 🌱"),
        Message("user", "Hello"), Message("assistant", "Hello"),
    )
)  # fmt: skip


def without_marks(template: str) -> str:
    return template.replace("{% generation %}", "").replace("{% endgeneration %}", "")


def labels_of(template: Template, conversation: Conversation = TALK) -> tuple[list[int], list[int]]:
    ids, starts, rendered = template.encode(conversation)
    return ids, label_spans(ids, starts, rendered.replies)


def taught(template: Template, conversation: Conversation = TALK) -> str:
    _, labels = labels_of(template, conversation)
    return template.tokenizer.decode([label for label in labels if label != IGNORE_INDEX])


def all_conversations(path: Path) -> list[Conversation]:
    return [row.item for row in load(DataConfig(source=str(path))).rows if isinstance(row.item, Conversation)]


def gpt2(shared: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(shared / "models" / "gpt2-tokenizer")


@pytest.mark.parametrize("chat_template", [TEMPLATE, without_marks(TEMPLATE)], ids=["marks", "no marks"])
def test_labels_of_the_prompt_are_ignored_and_the_end_of_turn_is_taught(chat_template: str) -> None:
    assert taught(Template(make_tokenizer(chat_template))) == "Hello 🌱<|end|>Hello<|end|>"


@pytest.mark.parametrize(
    ("marked", "bare"), [(TEMPLATE, without_marks(TEMPLATE)), (CHATML_WITH_MARKS, CHATML)], ids=["starter", "chatml"]
)
def test_a_template_without_marks_gives_the_same_labels_as_with_marks(
    conversations: Path, marked: str, bare: str
) -> None:
    with_marks, without = Template(make_tokenizer(marked)), Template(make_tokenizer(bare))
    assert (with_marks.has_marks, without.has_marks) == (True, False)
    for conversation in all_conversations(conversations):
        assert labels_of(with_marks, conversation) == labels_of(without, conversation)


def test_the_line_break_behind_chatmls_end_of_turn_is_not_the_replys() -> None:
    assert taught(Template(make_tokenizer(CHATML))) == "Hello 🌱<|im_end|>Hello<|im_end|>"


@pytest.mark.parametrize("chat_template", [TEMPLATE, without_marks(TEMPLATE), CHATML, None])
def test_prompt_ids_begin_the_training_ids(conversations: Path, chat_template: str | None) -> None:
    template = Template(make_tokenizer(chat_template))
    for conversation in all_conversations(conversations):
        check_prompts(template, conversation)


def test_prompt_ids_of_gpt2_begin_its_training_ids(shared: Path, conversations: Path) -> None:
    template = Template(gpt2(shared))
    for conversation in all_conversations(conversations):
        check_prompts(template, conversation)


def check_prompts(template: Template, conversation: Conversation) -> None:
    ids, labels = labels_of(template, conversation)
    messages = conversation.as_dicts()
    for place, message in enumerate(messages):
        if message["role"] == "assistant":
            prompt = template.prompt_ids(messages[:place])
            assert ids[: len(prompt)] == prompt
            assert labels[len(prompt)] != IGNORE_INDEX  # the reply is taught from its very first token


def test_a_model_without_a_template_gets_the_plain_one() -> None:
    template = Template(make_tokenizer(None))
    assert template.is_plain
    assert template.render(TALK.as_dicts()).text == (
        "System: Be kind.\nUser: Hi, 你好\nAssistant: Hello 🌱<|endoftext|>\n"
        "User: Hello\nAssistant: Hello<|endoftext|>\n"
    )
    assert taught(template) == " Hello 🌱<|endoftext|> Hello<|endoftext|>"


def test_the_plain_template_adds_no_token() -> None:
    tokenizer = make_tokenizer(None)
    before = len(tokenizer)
    assert Template(tokenizer).end_of_turn_id == tokenizer.eos_token_id
    assert len(tokenizer) == before


@pytest.mark.parametrize("chat_template", [TEMPLATE, without_marks(TEMPLATE)])
def test_the_end_of_turn_is_what_the_template_writes_last(chat_template: str) -> None:
    template = Template(make_tokenizer(chat_template))
    assert template.tokenizer.decode([template.end_of_turn_id]) == "<|end|>"


def test_equal_templates_have_equal_fingerprints() -> None:
    first, again, other = (Template(make_tokenizer(text)) for text in (TEMPLATE, TEMPLATE, CHATML))
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_gpt2_is_taught_to_end_its_reply_with_its_end_of_text(shared: Path) -> None:
    template = Template(gpt2(shared))
    ids, labels = labels_of(template, Conversation((Message("user", "Hi"), Message("assistant", " Hi"))))
    assert len(ids) == len(labels)
    assert labels[-2:] == [template.tokenizer.eos_token_id, IGNORE_INDEX]  # the line break behind it is not taught


def test_a_template_that_rewrites_earlier_turns_is_refused_with_the_turn() -> None:
    talk = Conversation(
        (Message("user", "Hi"), Message("assistant", "<think>Hm</think>Hello"), Message("user", "Hi"))
    )  # fmt: skip
    with pytest.raises(DataError, match="when turn 2 is added"):
        labels_of(Template(make_tokenizer(THINKING)), talk)


def test_an_order_of_roles_that_a_template_refuses_is_told() -> None:
    with pytest.raises(DataError, match="refuses this conversation: a user must begin"):
        Template(make_tokenizer(STRICT)).encode(TALK)


def test_a_tokenizer_without_template_and_end_of_text_is_refused() -> None:
    tokenizer = make_tokenizer(None)
    tokenizer.eos_token = None
    with pytest.raises(ModelError, match="has no end-of-text token"):
        Template(tokenizer)


def test_the_plain_template_is_the_one_that_is_saved(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    Template(make_tokenizer(None)).tokenizer.save_pretrained(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path).chat_template == PLAIN_TEMPLATE
