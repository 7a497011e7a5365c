"""Where a reply begins and ends under templates that others wrote."""

import pytest

from chatgui.data.conversation import Conversation, Message
from chatgui.errors import ModelError
from chatgui.tokens.template import Template
from tests.conftest import make_tokenizer

CHATML = (
    "{%- if messages[0].role != 'system' -%}<|system|>You are kind.<|end|>{%- endif -%}"
    "{%- for message in messages -%}{{ '<|' + message.role + '|>' + message.content + '<|end|>' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
)
MARK_BEFORE_END = (
    "{%- for message in messages -%}{{ '<|' + message.role + '|>' }}"
    "{%- if message.role == 'assistant' -%}{% generation %}{{ message.content }}{% endgeneration %}{{ eos_token }}"
    "{%- else -%}{{ message.content }}{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
)
NO_END = MARK_BEFORE_END.replace("{{ eos_token }}", "")
GREETING = Conversation((Message("assistant", "Hello!"), Message("user", "Hi"), Message("assistant", "Yes?")))


def replies(template: str) -> list[str]:
    rendered = Template(make_tokenizer(template)).render(GREETING.as_dicts())
    return [rendered.text[span.start : span.stop] for span in rendered.replies]


def test_a_default_system_turn_before_a_greeting_is_not_learnt() -> None:
    assert replies(CHATML) == ["Hello!<|end|>", "Yes?<|end|>"]


def test_an_end_of_text_behind_the_mark_belongs_to_the_reply() -> None:
    assert replies(MARK_BEFORE_END) == ["Hello!<|endoftext|>", "Yes?<|endoftext|>"]
    template = Template(make_tokenizer(MARK_BEFORE_END))
    assert template.end_of_turn_id == template.tokenizer.eos_token_id


def test_a_template_without_an_end_is_refused() -> None:
    with pytest.raises(ModelError, match="no end of a reply"):
        _ = Template(make_tokenizer(NO_END)).end_of_turn_id


def test_a_plain_reply_comes_back_without_the_space_that_stood_before_it() -> None:
    template = Template(make_tokenizer(None))
    ids = template.tokenizer(" Hello there", add_special_tokens=False)["input_ids"]
    assert template.decode(ids) == "Hello there"
