"""Pretrain: go on reading. Every token teaches; documents are laid end to end into full blocks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from chatgui.data.conversation import Conversation, Document, Item
from chatgui.errors import DataError, ModelError
from chatgui.fields import Config
from chatgui.tasks.causal import CausalTask
from chatgui.tokens.example import Example

if TYPE_CHECKING:
    from chatgui.tokens.template import Template


class Pretrain(CausalTask, Config):
    """Learn to continue text; also from random weights."""

    ACCEPTS: ClassVar[tuple[type, ...]] = (Conversation, Document)
    """Kinds of items it can learn from."""
    NOTE: ClassVar[str | None] = "dataset.note.everything"
    SCORES_TOKENS: ClassVar[bool] = True
    kind: Literal["pretrain"] = "pretrain"

    def make_example(self, item: Item, template: "Template", max_length_tokens: int) -> Example:
        """A whole document with the end-of-text token behind it; longer ones than a block are fine, `arrange` cuts.

        A conversation is rendered by the model's template, so that a base model knows the marks of a turn.
        """
        tokenizer = template.tokenizer
        if tokenizer.eos_token_id is None:
            raise ModelError("model.no_eos", name=tokenizer.name_or_path)
        if isinstance(item, Conversation):
            ids = (*template.encode(item)[0], tokenizer.eos_token_id)
        elif isinstance(item, Document):
            ids = (*template.encode_text(item.text), tokenizer.eos_token_id)
        else:
            raise DataError("task.needs_conversations")
        return Example(ids, ids)

    def arrange(self, examples: Sequence[Example], max_length_tokens: int) -> Sequence[Example]:
        """Blocks of exactly `max_length_tokens`, the last one shorter; nothing is cut away."""
        stream = [token for example in examples for token in example.input_ids]
        blocks = (stream[at : at + max_length_tokens] for at in range(0, len(stream), max_length_tokens))
        return [Example(tuple(block), tuple(block)) for block in blocks if len(block) > 1]
