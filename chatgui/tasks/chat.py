"""Chat: learn to answer. Only the replies teach, their end-of-turn token included."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from chatgui.data.conversation import Conversation, Item
from chatgui.errors import DataError
from chatgui.fields import Config
from chatgui.tasks.causal import CausalTask
from chatgui.tokens.example import Example, Span, cut, label_spans
from chatgui.tokens.report import must_teach

if TYPE_CHECKING:
    from chatgui.tokens.template import Rendered, Template


class Chat(CausalTask, Config):
    """Learn to answer like the conversations do."""

    ACCEPTS: ClassVar[tuple[type, ...]] = (Conversation,)
    SCORES_TOKENS: ClassVar[bool] = True
    kind: Literal["chat"] = "chat"
    teach: Literal["replies", "last_reply", "everything"] = "replies"
    """Which turns teach: every reply, only the last one of a conversation, or the user's words as well. Replies with a
    weight of 0 never do."""

    def make_example(self, item: Item, template: "Template", max_length_tokens: int) -> Example:
        """Raises DataError for an item that is no conversation or keeps no label within the limit."""
        if not isinstance(item, Conversation):
            raise DataError("task.needs_conversations")
        input_ids, starts, rendered = template.encode(item)
        labels = label_spans(input_ids, starts, self._spans(item, template, rendered))
        return must_teach(cut(input_ids, labels, max_length_tokens), max_length_tokens)

    def _spans(self, item: Conversation, template: "Template", rendered: "Rendered") -> tuple[Span, ...]:
        taught = template.taught(item, rendered)
        if self.teach == "everything":
            return _without(rendered, taught)
        return taught[-1:] if self.teach == "last_reply" else taught

    def arrange(self, examples: Sequence[Example], max_length_tokens: int) -> Sequence[Example]:
        """One conversation, one example."""
        return examples


def _without(rendered: "Rendered", taught: Sequence[Span]) -> tuple[Span, ...]:
    """All of a text but the replies that are not taught."""
    silent = [span for span in rendered.replies if span not in taught]
    starts = [0, *(span.stop for span in silent)]
    stops = [*(span.start for span in silent), len(rendered.text)]
    return tuple(map(Span, starts, stops))
