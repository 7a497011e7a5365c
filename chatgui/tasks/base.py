"""What a task is, to everybody who uses one: its promises, with the answers of a task that needs nothing special."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from chatgui.data.conversation import Item

if TYPE_CHECKING:
    from chatgui.tokens.template import Template


class TaskBase:
    """A task is a Config with `kind`, ACCEPTS, HEAD, `make_example`, `arrange` and `loss`, and what stands here."""

    HEAD: ClassVar[str]
    """Name of the `transformers` class that loads the model with the task's head."""
    PADDED: ClassVar[bool] = False
    """Whether the loss needs one row of the batch for each sequence; others may be laid end to end."""
    PREDICTS: ClassVar[bool] = False
    """Whether the result says what something is (`tasks/predicting.py`) instead of replying."""
    NOTE: ClassVar[str | None] = None
    """Locale key of the sentence under a row's label mask; None where the chat template decides what is taught."""

    SCORES_TOKENS: ClassVar[bool] = False
    """Whether the loss is the mean over labelled tokens alone, so that a scorecard can tell it row by row."""

    def fitted(self, items: Sequence[Item]) -> Self:
        """The task with what it must know of the training data: the names of its labels, say."""
        return self

    def head_options(self, template: "Template") -> dict[str, Any]:
        """Settings of the model's config that its head is made with: `num_labels`, `id2label`, `pad_token_id`."""
        return {}

    def metrics(self, loss: float) -> dict[str, float]:
        """What follows from the mean loss alone; what a batch tells besides is in `Batch.tally`."""
        return {}
