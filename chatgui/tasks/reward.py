"""Reward: score replies, learnt from pairs of which one was preferred; what ranks answers or trains a policy later."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from chatgui.data.conversation import Conversation, Item, Message, Preference
from chatgui.errors import DataError
from chatgui.fields import Config
from chatgui.tasks.likelihood import option_scores
from chatgui.tasks.predicting import (
    PredictingTask,
    Prediction,
    head_logits,
    logits_of,
    score_options,
    text_ids,
    unlabelled,
)
from chatgui.tasks.preference import reply_example
from chatgui.tasks.ranking import listed
from chatgui.tokens.batches import Batch
from chatgui.tokens.example import Example

if TYPE_CHECKING:
    import torch

    from chatgui.tokens.template import Template


@dataclass(frozen=True)
class Replies:
    """Replies to one prompt, to be ordered."""

    prompt: tuple[Message, ...]
    replies: tuple[str, ...]


class Reward(PredictingTask, Config):
    """Learn to score replies, from pairs of which one was preferred."""

    ACCEPTS: ClassVar[tuple[type, ...]] = (Preference,)
    HEAD: ClassVar[str] = "AutoModelForSequenceClassification"
    INPUT: ClassVar[str] = "reward"
    kind: Literal["reward"] = "reward"
    prompt_tokens: int | None = Field(None, ge=1)
    """A longer prompt loses its beginning, to leave room for the replies; empty keeps it whole, and pairs whose prompt
    alone fills the limit are left out."""

    def head_options(self, template: "Template") -> dict[str, Any]:
        """One output: the score."""
        return score_options(template)

    def make_example(self, item: Item, template: "Template", max_length_tokens: int) -> Example:
        """The chosen reply with the rejected one as its rival; the score is read behind the last token."""
        if not isinstance(item, Preference):
            raise DataError("task.reward_needs_pairs")
        chosen, rejected = (
            self._read(item.prompt, reply, template, self.prompt_tokens, max_length_tokens)
            for reply in (item.chosen, item.rejected)
        )
        cut = chosen.cut_tokens + rejected.cut_tokens
        return Example(chosen.input_ids, chosen.labels, cut, (1.0,), (rejected,))

    def _read(
        self,
        prompt: tuple[Message, ...],
        reply: str,
        template: "Template",
        prompt_tokens: int | None,
        limit_tokens: int,
    ) -> Example:
        whole = reply_example(prompt, reply, template, prompt_tokens, limit_tokens)
        return Example(whole.input_ids, unlabelled(whole.input_ids).labels, whole.cut_tokens)

    def loss(self, model: Any, batch: Batch) -> "torch.Tensor":
        """Sum of -log sigmoid(score of the chosen - score of the rejected): Bradley and Terry 1952, as in
        arXiv:2203.02155, equation 1."""
        import torch

        scores = head_logits(model, batch)[:, 0]
        margins = scores[0::2] - scores[1::2]
        batch.tally["reward_margin"] = margins.detach().sum().item()
        batch.tally["reward_accuracy"] = (margins > 0).sum().item()
        return -torch.nn.functional.logsigmoid(margins).sum()

    def read_item(self, row: Mapping[str, Any]) -> Any:
        """`prompt` (or `text`) and `candidates` (or one `reply`), several of them parted by | or line breaks."""
        prompt = str(row.get("prompt") or row.get("text") or "").strip()
        replies = listed(row.get("candidates") or row.get("reply"))
        if not prompt or not replies:
            raise DataError("data.empty_field", field="candidates" if prompt else "prompt")
        return Replies((Message("user", prompt),), replies)

    def predict(
        self, model: Any, template: "Template", items: Sequence[Any], limit_tokens: int, budget_tokens: int
    ) -> list[Prediction]:
        """`ranking`: the replies, best first, and their `scores`; only differences within a prompt mean something."""
        asked = [_asked(item) for item in items]
        room = self.prompt_tokens or limit_tokens - 1  # every reply gets a score, if only for its first token
        examples = [
            self._read(one.prompt, reply, template, room, limit_tokens) for one in asked for reply in one.replies
        ]
        found = iter([float(logits[0]) for logits in logits_of(model, examples, budget_tokens)])
        return [_ranked(one.replies, [next(found) for _ in one.replies]) for one in asked]

    def predict_base(
        self, causal: Any, template: "Template", items: Sequence[Any], limit_tokens: int, budget_tokens: int
    ) -> list[Prediction]:
        """How much likelier the base model finds a reply behind its prompt than behind none, per token."""
        room = limit_tokens // 2
        blank = template.prompt_ids([{"role": "user", "content": ""}])[-room:]
        rows = []
        for one in map(_asked, items):
            prompt = template.prompt_ids(Conversation(one.prompt).as_dicts())[-room:]
            options = [[*text_ids(template, reply)[: room - 1], template.end_of_turn_id] for reply in one.replies]
            rows.append(_ranked(one.replies, option_scores(causal, [prompt], options, blank, budget_tokens)[0]))
        return rows

    def judge(self, items: Sequence[Item], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """`accuracy`: the share of pairs whose chosen reply scores above the rejected one."""
        right = [
            row["ranking"][0] == item.chosen and row["scores"][0] > row["scores"][1]
            for item, row in zip(items, predictions, strict=True)
            if isinstance(item, Preference)
        ]
        return {"accuracy": sum(right) / len(right)}


def _asked(item: Any) -> Replies:
    return item if isinstance(item, Replies) else Replies(item.prompt, (item.chosen, item.rejected))


def _ranked(replies: Sequence[str], scores: Sequence[float]) -> Prediction:
    order = sorted(range(len(replies)), key=lambda place: -scores[place])
    return {"ranking": [replies[at] for at in order], "scores": [scores[at] for at in order]}
