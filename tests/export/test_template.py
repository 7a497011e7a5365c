"""Chat templates for other programs."""

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from chatgui.export.template import frames, modelfile, portable
from chatgui.tokens.template import PLAIN_TEMPLATE, Template
from tests.conftest import TEMPLATE, make_tokenizer

TALK = [
    {"role": "system", "content": "Be brief."}, {"role": "user", "content": " Hi "},
    {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "再见"},
    {"role": "assistant", "content": "Bye."},
]  # fmt: skip
SPACED = (
    "{% for message in messages %}\n{{ message.role }}: "
    "{%- generation %} {{ message.content }} {% endgeneration -%}\n{% endfor %}"
)
COUNTING = "{% for message in messages %}{{ loop.index }}{{ message.content }}{{ eos_token }}{% endfor %}"


def render_elsewhere(template: str, **values: object) -> str:
    """As a program does that knows nothing of generation marks."""
    return ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(template).render(**values)


@pytest.mark.parametrize("template", [TEMPLATE, PLAIN_TEMPLATE, SPACED], ids=["marks", "plain", "white space"])
def test_a_portable_template_renders_the_same_without_marks(template: str) -> None:
    tokenizer = make_tokenizer(template)
    expected = tokenizer.apply_chat_template(TALK, tokenize=False)
    assert "generation %}" not in portable(template).replace("add_generation_prompt", "")
    assert render_elsewhere(portable(template), messages=TALK, eos_token=tokenizer.eos_token) == expected


@pytest.mark.parametrize("template", [TEMPLATE, PLAIN_TEMPLATE], ids=["marks", "plain"])
def test_frames_put_together_give_the_template_back(template: str) -> None:
    framed = frames(Template(make_tokenizer(template)))
    assert framed
    built = "".join(
        framed.turns[turn["role"]].before + turn["content"] + framed.turns[turn["role"]].after for turn in TALK
    )
    assert built == make_tokenizer(template).apply_chat_template(TALK, tokenize=False)


def test_a_template_that_does_more_than_frame_has_no_frames() -> None:
    assert frames(Template(make_tokenizer(COUNTING))) is None


def test_a_modelfile_names_the_file_the_stop_words_and_the_template() -> None:
    text = modelfile("m.gguf", Template(make_tokenizer(TEMPLATE)), ["<|end|>"], 256, 0.7)
    assert text.startswith("FROM ./m.gguf\n")
    assert 'PARAMETER stop "<|end|>"\n' in text
    assert '{{ else if eq .Role "user" }}<|user|>{{ .Content }}<|end|>' in text
    assert text.endswith('{{ end }}{{ end }}<|assistant|>"""\n')
