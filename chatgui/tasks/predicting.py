"""What the tasks share whose result says what something is: a head on the model, predictions for a table, metrics."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from chatgui.data.conversation import Item
from chatgui.tasks.base import TaskBase
from chatgui.tokens.batches import Batch, collate, micro_batches
from chatgui.tokens.example import IGNORE_INDEX, Example

if TYPE_CHECKING:
    import torch

    from chatgui.tokens.template import Template

Prediction = dict[str, Any]
"""Plain values, as `chatgui predict --json` prints them: `label`, `tags` or `ranking`, and `scores`."""


class PredictingTask(TaskBase, ABC):
    """A task with a head of its own. A prediction never looks at what the item says about itself."""

    PADDED: ClassVar[bool] = True
    PREDICTS: ClassVar[bool] = True
    NOTE: ClassVar[str | None] = "dataset.note.head"

    def arrange(self, examples: Sequence[Example], max_length_tokens: int) -> Sequence[Example]:
        """One item, one example."""
        return examples

    @abstractmethod
    def read_item(self, row: Mapping[str, Any]) -> Item:
        """An item of a table to be predicted, without an answer in it. Raises DataError that names what is missing."""

    @abstractmethod
    def predict(
        self, model: Any, template: "Template", items: Sequence[Item], limit_tokens: int, budget_tokens: int
    ) -> list[Prediction]:
        """What the fine-tuned model says of each item."""

    @abstractmethod
    def predict_base(
        self, causal: Any, template: "Template", items: Sequence[Item], limit_tokens: int, budget_tokens: int
    ) -> list[Prediction]:
        """What the base model says, which has no head: it is asked in words. `causal` is the plain language model."""

    @abstractmethod
    def judge(self, items: Sequence[Item], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """Metrics of predictions for items whose answer is known."""


def pad_options(template: "Template") -> dict[str, int]:
    """The padding token as the model's config must name it: `transformers` finds a row's last token by it."""
    tokenizer = template.tokenizer
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return {"pad_token_id": pad}


def score_options(template: "Template") -> dict[str, Any]:
    """Of a head with one output: a score."""
    return {"num_labels": 1, "problem_type": "regression", **pad_options(template)}


def head_logits(model: Any, batch: Batch, both_ways: bool = False) -> "torch.Tensor":
    """Logits of the model's own head, float32: (B, K) of a sequence classifier, (B, T, K) of a token classifier.

    `both_ways` lets every token see the whole of its row, which a causal model otherwise forbids.
    """
    import torch

    places = torch.arange(batch.input_ids.shape[1], device=batch.input_ids.device)
    lengths = torch.as_tensor(batch.lengths, device=places.device)
    real = places < lengths[:, None]  # (B, T)
    ids = batch.input_ids.masked_fill(~real, model.config.pad_token_id)
    mask = real.long()
    if both_ways:  # (B, 1, T, T): a mask of four dimensions is taken as it stands instead of a causal one
        seen = real[:, None, None, :].expand(-1, 1, len(places), -1)
        mask = torch.zeros(seen.shape, dtype=model.dtype, device=ids.device)
        mask = mask.masked_fill(~seen, torch.finfo(model.dtype).min)
    return model(input_ids=ids, attention_mask=mask, use_cache=False).logits.float()


def logits_of(
    model: Any, examples: Sequence[Example], budget_tokens: int, both_ways: bool = False
) -> "list[torch.Tensor]":
    """The head's logits for each example, on the CPU, in their order, without gradients and without padding."""
    import torch

    lengths = [len(example) for example in examples]
    device = next(model.parameters()).device
    found: dict[int, torch.Tensor] = {}
    with torch.inference_mode():
        for part in micro_batches(range(len(examples)), lengths, budget_tokens):
            batch = collate([examples[index] for index in part], device)
            for index, logits in zip(part, head_logits(model, batch, both_ways).cpu(), strict=True):
                found[index] = logits[: lengths[index]] if logits.ndim > 1 else logits
    return [found[index] for index in range(len(examples))]


def unlabelled(input_ids: Sequence[int]) -> Example:
    """An example that is only read."""
    return Example(tuple(input_ids), (IGNORE_INDEX,) * len(input_ids))


def text_ids(template: "Template", text: str) -> list[int]:
    """Ids of a piece of text, with nothing added."""
    return list(template.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
