"""Conversation <-> token ids, with the places of the replies. The only file that renders a chat template.

Training, preview, chat and evaluation all go through `Template`, so what is trained is what is asked.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import Any

from chatgui.data.conversation import Conversation
from chatgui.errors import DataError, ModelError
from chatgui.tokens.example import Span
from chatgui.tokens.literal import Literals

PLAIN_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message.role == 'assistant' -%}"
    "Assistant:{% generation %}{{ ' ' + message.content + eos_token }}{% endgeneration %}{{ '\\n' }}"
    "{%- else -%}"
    "{{ message.role[0] | upper + message.role[1:] + ': ' + message.content + '\\n' }}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}Assistant:{%- endif -%}"
)
"""For a model that brings none: plain text, the tokenizer's own end-of-text as end of turn, so no token is added."""
MARKS = re.compile(r"\{%-?\s*generation\s*-?%\}")


@dataclass(frozen=True)
class Rendered:
    """A conversation as text, and where its replies stand in it (end-of-turn included), in characters."""

    text: str
    replies: tuple[Span, ...]
    literals: tuple[Span, ...] = ()
    """Where a message holds text that reads like a control token; it is spelt, not obeyed."""


class Template:
    """A tokenizer with its chat template."""

    def __init__(self, tokenizer: Any) -> None:
        """`tokenizer` is a `transformers` tokenizer; one without a chat template gets PLAIN_TEMPLATE.

        Raises ModelError when it has no end-of-text token to end a turn with, or no offsets (a slow tokenizer).
        """
        if not tokenizer.is_fast:
            raise ModelError("model.slow_tokenizer", name=tokenizer.name_or_path)
        if isinstance(tokenizer.chat_template, dict):  # some models bring one for tools and one for the rest
            tokenizer.chat_template = tokenizer.chat_template.get("default")
        if not tokenizer.chat_template:
            if not tokenizer.eos_token:
                raise ModelError("model.no_eos", name=tokenizer.name_or_path)
            tokenizer.chat_template = PLAIN_TEMPLATE
        self.tokenizer = tokenizer
        self.literals = Literals(tokenizer)

    @property
    def is_plain(self) -> bool:
        """True when the model brought no template of its own."""
        return self.tokenizer.chat_template == PLAIN_TEMPLATE

    @property
    def has_marks(self) -> bool:
        """True when the template itself says what is generated; otherwise replies are found by rendering prefixes."""
        return bool(MARKS.search(self.tokenizer.chat_template))

    @property
    def fingerprint(self) -> str:
        """12 hex digits of the template's SHA-256."""
        return hashlib.sha256(self.tokenizer.chat_template.encode()).hexdigest()[:12]

    @cached_property
    def end_of_turn_id(self) -> int:
        """The token that ends a reply: whatever the template writes last inside one, whatever the reply is.

        Raises ModelError when a reply just ends with its own words: nothing would teach the model to stop.
        """
        endings = {self._last_reply_id(content) for content in ("b", "no")}
        if len(endings) > 1:
            raise ModelError("template.no_end", name=self.tokenizer.name_or_path)
        return endings.pop()

    def _last_reply_id(self, content: str) -> int:
        rendered = self.render([{"role": "user", "content": "a"}, {"role": "assistant", "content": content}])
        text = rendered.text[: rendered.replies[-1].stop]
        return self.tokenizer(text, add_special_tokens=False)["input_ids"][-1]

    @cached_property
    def opening(self) -> str:
        """What the template writes before a reply."""
        asked = [{"role": "user", "content": "a"}]
        return self._text(asked, "", add_generation_prompt=True).removeprefix(self._text(asked, ""))

    def render(self, messages: list[dict[str, str]], tools: str = "") -> Rendered:
        """Raises DataError when the template refuses the messages (an order of roles it does not know, say)."""
        if not self._has_literals(messages, tools):
            return self._render(messages, tools)
        texts, hidden = self.literals.hide([*(message["content"] for message in messages), tools])
        quoted = [{**message, "content": text} for message, text in zip(messages, texts, strict=False)]
        rendered = self._render(quoted, texts[-1])
        text, replies, literals = hidden.reveal(rendered.text, rendered.replies)
        return Rendered(text, tuple(replies), tuple(literals))

    def _has_literals(self, messages: list[dict[str, str]], tools: str) -> bool:
        return any(self.literals.found(message["content"]) for message in messages) or self.literals.found(tools)

    def _render(self, messages: list[dict[str, str]], tools: str) -> Rendered:
        if self.has_marks:
            from transformers.utils.chat_template_utils import render_jinja_template

            texts, spans = self._guard(
                render_jinja_template,
                [messages], chat_template=self.tokenizer.chat_template, return_assistant_tokens_mask=True,
                **_tools(tools), **self.tokenizer.special_tokens_map,
            )  # fmt: skip
            return Rendered(texts[0], tuple(self._with_end(texts[0], start, stop) for start, stop in spans[0]))
        text = self._text(messages, tools)
        replies = [
            self._reply_by_prefix(messages, index, text, tools)
            for index, message in enumerate(messages)
            if message["role"] == "assistant"
        ]
        return Rendered(text, tuple(replies))

    def encode(self, conversation: Conversation) -> tuple[list[int], list[int], Rendered]:
        """Ids (T), the character each begins at (T), and the text with its replies."""
        rendered = self.render(conversation.as_dicts(), conversation.tools)
        return *self._encode(rendered), rendered

    def taught(self, conversation: Conversation, rendered: Rendered) -> tuple[Span, ...]:
        """The replies of a conversation that are to be learnt: those of a weight that is not 0.

        Raises DataError when all have that weight, or when the template's marks are not one for each reply.
        """
        weights = [message.weight for message in conversation.messages if message.role == "assistant"]
        if all(weights):
            return rendered.replies
        if len(weights) != len(rendered.replies):
            raise DataError("template.cannot_weigh", found=len(rendered.replies), count=len(weights))
        if not any(weights):
            raise DataError("data.no_weight")
        return tuple(compress(rendered.replies, weights))

    def _encode(self, rendered: Rendered) -> tuple[list[int], list[int]]:
        if rendered.literals:
            return self.literals.encode(rendered.text, rendered.literals)
        encoded = self.tokenizer(rendered.text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return list(encoded["input_ids"]), [start for start, _ in encoded["offset_mapping"]]

    def encode_text(self, text: str) -> list[int]:
        """Ids of a text that no template frames; what reads like a control token in it is spelt."""
        if self.literals.found(text):
            return self.literals.spell(text)[0]
        return list(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def prompt_ids(self, messages: list[dict[str, str]]) -> list[int]:
        """Ids of everything before the next reply, opening included: what a chat sends to the model."""
        if not self._has_literals(messages, ""):
            text = self._text(messages, "", add_generation_prompt=True)
            return list(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
        texts, hidden = self.literals.hide(message["content"] for message in messages)
        quoted = [{**message, "content": text} for message, text in zip(messages, texts, strict=True)]
        text, _, literals = hidden.reveal(self._text(quoted, "", add_generation_prompt=True), ())
        return self.literals.encode(text, literals)[0]

    def decode(self, ids: list[int]) -> str:
        """A reply as text, without its special tokens and without the space that PLAIN_TEMPLATE puts before it."""
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        return text.removeprefix(" ") if self.is_plain else text

    def _with_end(self, text: str, start: int, stop: int) -> Span:
        """A marked reply; an end-of-text that the template writes right behind the mark belongs to it."""
        end = self.tokenizer.eos_token
        return Span(start, stop + len(end) if end and text.startswith(end, stop) else stop)

    def _text(self, messages: list[dict[str, str]], tools: str, add_generation_prompt: bool = False) -> str:
        return self._guard(
            self.tokenizer.apply_chat_template,
            messages, tokenize=False, add_generation_prompt=add_generation_prompt, **_tools(tools),
        )  # fmt: skip

    def _reply_by_prefix(self, messages: list[dict[str, str]], index: int, text: str, tools: str) -> Span:
        if index:
            before = self._text(messages[:index], tools, add_generation_prompt=True)
        else:  # templates refuse an empty list; what stands before the first opening (a default system turn) is prompt
            before = text[: text.find(self.opening) + len(self.opening)] if self.opening in text else ""
        through = self._text(messages[: index + 1], tools)
        if not (text.startswith(before) and text.startswith(through)):
            raise DataError("template.cannot_mask", turn=index + 1)
        content_stop = text.rfind(messages[index]["content"].strip(), len(before), len(through))
        trimmed = len(through.rstrip())  # the line break that ChatML writes after its end token is not the reply's
        ends_by_mark = content_stop >= 0 and trimmed > content_stop + len(messages[index]["content"].strip())
        return Span(len(before), trimmed if ends_by_mark else len(through))

    def _guard(self, render: Any, *args: Any, **kwargs: Any) -> Any:
        from jinja2.exceptions import TemplateError

        try:
            return render(*args, **kwargs)
        except (TemplateError, TypeError, IndexError, KeyError) as error:
            raise DataError("template.refused", reason=str(error)) from error


def _tools(tools: str) -> dict[str, Any]:
    try:
        listed = json.loads(tools) if tools else None
    except ValueError:
        listed = None
    return {"tools": listed} if isinstance(listed, list) and listed else {}
