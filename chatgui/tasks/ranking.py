"""Ranking: order what could be offered to a user by what they took before."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from chatgui.data.conversation import Choice, Item
from chatgui.errors import DataError
from chatgui.fields import Config
from chatgui.tasks.likelihood import sequence_log_probs
from chatgui.tasks.predicting import (
    PredictingTask,
    Prediction,
    head_logits,
    logits_of,
    score_options,
    text_ids,
    unlabelled,
)
from chatgui.tokens.batches import Batch, collate, micro_batches
from chatgui.tokens.example import IGNORE_INDEX, Example

if TYPE_CHECKING:
    import torch

    from chatgui.tokens.template import Template

GROUPS = 2**24
"""Numbers of users that a float32 tells apart."""


@dataclass(frozen=True)
class Offer:
    """Candidates to be ordered for one history, oldest first."""

    history: tuple[str, ...]
    candidates: tuple[str, ...]


class Ranking(PredictingTask, Config):
    """Learn what a user takes next, from titles or texts they took before."""

    ACCEPTS: ClassVar[tuple[type, ...]] = (Choice,)
    HEAD: ClassVar[str] = "AutoModelForSequenceClassification"
    INPUT: ClassVar[str] = "history"
    kind: Literal["ranking"] = "ranking"
    objective: Literal["pointwise", "pairwise"] = "pointwise"
    """Pointwise asks of each candidate whether it is taken; pairwise that the taken one scores above one left lying."""
    history_items: int = Field(10, ge=1, le=1000)
    """The newest so many items of a history are read; more say more and take longer."""

    def head_options(self, template: "Template") -> dict[str, Any]:
        """One output: the score."""
        return score_options(template)

    def make_example(self, item: Item, template: "Template", max_length_tokens: int) -> Example:
        """`target` holds whether it was taken, and a number for the user (or the history of an unknown one)."""
        if not isinstance(item, Choice):
            raise DataError("task.needs_choices")
        ids, cut = self._ids(item.history, item.candidate, template, max_length_tokens)
        group = zlib.crc32(repr(item.user or item.history).encode()) % GROUPS
        return Example(tuple(ids), (IGNORE_INDEX,) * len(ids), cut, (float(item.clicked), float(group)))

    def _ids(
        self, history: Sequence[str], candidate: str, template: "Template", limit_tokens: int
    ) -> tuple[list[int], int]:
        """History, candidate, and the place where the score is read; the oldest of the history goes first."""
        tail = text_ids(template, f"\nNext: {candidate}\nTaken:")
        before = [token for item in history[-self.history_items :] for token in text_ids(template, f"\n- {item}")]
        room = max(0, limit_tokens - len(tail))
        over = max(0, len(before) - room)
        return [*before[over:], *tail][-limit_tokens:], over

    def arrange(self, examples: Sequence[Example], max_length_tokens: int) -> Sequence[Example]:
        """Pairwise: each taken candidate with one left lying by the same user as its rival, each at least once.

        A user who took or left everything borrows from the others.
        """
        if self.objective == "pointwise":
            return examples
        taken, left = ([each for each in examples if bool(each.target[0]) is answer] for answer in (True, False))
        if not taken or not left:
            raise DataError("task.one_answer")
        pairs: list[Example] = []
        for group in dict.fromkeys(example.target[1] for example in examples):
            own = [[each for each in side if each.target[1] == group] for side in (taken, left)]
            sides = [
                mine or others[: len(theirs)]
                for mine, others, theirs in zip(own, (taken, left), own[::-1], strict=True)
            ]
            count = max(map(len, own))
            pairs += [
                Example(good.input_ids, good.labels, good.cut_tokens, good.target, (bad,))
                for good, bad in zip(*(islice(cycle(side), count) for side in sides), strict=True)
            ]
        return pairs

    def loss(self, model: Any, batch: Batch) -> "torch.Tensor":
        """Sum over the examples: binary cross-entropy, or -log sigmoid of the difference (BPR, Rendle et al. 2009)."""
        import torch

        scores, targets = head_logits(model, batch)[:, 0], batch.targets
        assert targets is not None
        if len(scores) == 2 * len(targets):
            difference = scores[0::2] - scores[1::2]
            batch.tally["pair_accuracy"] = (difference > 0).sum().item()
            return -torch.nn.functional.logsigmoid(difference).sum()
        taken = targets[:, 0]
        batch.tally["accuracy"] = ((scores > 0) == taken.bool()).sum().item()
        return torch.nn.functional.binary_cross_entropy_with_logits(scores, taken, reduction="sum")

    def read_item(self, row: Mapping[str, Any]) -> Any:
        """`history` and `candidates` (or one `candidate`); a text may hold several, parted by | or line breaks."""
        candidates = listed(row.get("candidates", row.get("candidate")))
        if not candidates:
            raise DataError("data.empty_field", field="candidates")
        return Offer(listed(row.get("history")), candidates)

    def predict(
        self, model: Any, template: "Template", items: Sequence[Any], limit_tokens: int, budget_tokens: int
    ) -> list[Prediction]:
        """`ranking`: the candidates, best first, and `scores` beside them (probabilities, where learnt pointwise)."""
        offers = [_offer(item) for item in items]
        examples = [
            unlabelled(self._ids(offer.history, candidate, template, limit_tokens)[0])
            for offer in offers
            for candidate in offer.candidates
        ]
        found = [float(logits[0].sigmoid()) for logits in logits_of(model, examples, budget_tokens)]
        return _ranked(offers, found)

    def predict_base(
        self, causal: Any, template: "Template", items: Sequence[Any], limit_tokens: int, budget_tokens: int
    ) -> list[Prediction]:
        """How much likelier the base model finds a candidate's text behind the history than behind none, per token."""
        import torch

        offers = [_offer(item) for item in items]
        examples = [
            _continued(history, candidate, template, self.history_items, limit_tokens)
            for offer in offers
            for candidate in offer.candidates
            for history in (offer.history, ())
        ]
        lengths = [len(example) for example in examples]
        device = next(causal.parameters()).device
        found = [0.0] * len(examples)
        with torch.inference_mode():
            for part in micro_batches(range(len(examples)), lengths, budget_tokens):
                batch = collate([examples[index] for index in part], device)
                for index, score in zip(part, sequence_log_probs(causal, batch).tolist(), strict=True):
                    found[index] = score / examples[index].supervised
        return _ranked(offers, [with_it - without for with_it, without in zip(found[0::2], found[1::2], strict=True)])

    def reasons(
        self, model: Any, template: "Template", offer: Offer, candidate: str, limit_tokens: int, budget_tokens: int
    ) -> list[tuple[str, float]]:
        """The items of the history with what the candidate's score would lose without each, heaviest first."""
        history = offer.history[-self.history_items :]
        without = [history[:place] + history[place + 1 :] for place in range(len(history))]
        examples = [unlabelled(self._ids(each, candidate, template, limit_tokens)[0]) for each in (history, *without)]
        whole, *parts = (float(logits[0].sigmoid()) for logits in logits_of(model, examples, budget_tokens))
        weights = [(item, whole - part) for item, part in zip(history, parts, strict=True)]
        return sorted(weights, key=lambda pair: -pair[1])

    def judge(self, items: Sequence[Item], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """See `evaluation/ranks.py`."""
        from chatgui.evaluation.ranks import rank_scores

        choices = [item for item in items if isinstance(item, Choice)]
        return rank_scores(choices, [row["scores"][0] for row in predictions])


def _offer(item: Any) -> Offer:
    return item if isinstance(item, Offer) else Offer(item.history, (item.candidate,))


def _ranked(offers: Sequence[Offer], scores: Sequence[float]) -> list[Prediction]:
    rows, start = [], 0
    for offer in offers:
        own = scores[start : start + len(offer.candidates)]
        start += len(offer.candidates)
        order = sorted(range(len(own)), key=lambda place: -own[place])
        rows.append({"ranking": [offer.candidates[at] for at in order], "scores": [own[at] for at in order]})
    return rows


def _continued(
    history: Sequence[str], candidate: str, template: "Template", history_items: int, limit_tokens: int
) -> Example:
    before = text_ids(template, "".join(f"\n- {item}" for item in history[-history_items:]) + "\n-")
    option = text_ids(template, f" {candidate}")[: limit_tokens - 1]
    before = before[-max(1, limit_tokens - len(option)) :]
    return Example((*before, *option), (*[IGNORE_INDEX] * len(before), *option))


def listed(value: Any) -> tuple[str, ...]:
    """The texts of a list, of one as JSON, or of a text that parts them by | or line breaks."""
    import json
    import re

    if isinstance(value, str):
        try:
            value = json.loads(value) if value.lstrip().startswith("[") else re.split(r"\s*[|\n]\s*", value)
        except ValueError:
            value = [value]
    return tuple(text for item in value or () if (text := str(item).strip()))
