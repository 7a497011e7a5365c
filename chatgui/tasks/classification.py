"""Classification: name what a text, or a pair of texts, is: one label, several, or a number."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from chatgui.data.conversation import Item, Labelled
from chatgui.errors import DataError
from chatgui.fields import Config, Derived
from chatgui.tasks.likelihood import option_scores
from chatgui.tasks.predicting import (
    PredictingTask,
    Prediction,
    head_logits,
    logits_of,
    pad_options,
    text_ids,
    unlabelled,
)
from chatgui.tokens.batches import Batch
from chatgui.tokens.example import IGNORE_INDEX, Example

if TYPE_CHECKING:
    import torch

    from chatgui.tokens.template import Template

SINGLE, MULTI, NUMBER = "single_label", "multi_label", "regression"
PROBLEM_TYPES = {SINGLE: "single_label_classification", MULTI: "multi_label_classification", NUMBER: "regression"}
"""Our names and those of `transformers`."""


class Classification(PredictingTask, Config):
    """Learn to name what a text is: a label, several labels, or a number."""

    ACCEPTS: ClassVar[tuple[type, ...]] = (Labelled,)
    HEAD: ClassVar[str] = "AutoModelForSequenceClassification"
    INPUT: ClassVar[str] = "text"
    kind: Literal["classification"] = "classification"
    problem: Literal["auto", "single_label", "multi_label", "regression"] = "auto"
    """One label a row, any number of them, or a number to predict; "auto" sees it in the data."""
    class_weights: Literal["none", "balanced"] = "none"
    """"balanced" lets rare labels count for more, so that they are not drowned by the common ones."""
    threshold: float = Field(0.5, gt=0, lt=1)
    """Probability from which a label is given, where a row may have several; lower gives more labels."""
    question: str = Field("\nLabel:", min_length=1)
    """Written behind each text; the model answers at its last token. The base model is asked with the same words."""
    labels: Annotated[tuple[str, ...], Derived()] = ()
    counts: Annotated[tuple[int, ...], Derived()] = ()

    def fitted(self, items: Sequence[Item]) -> Self:
        """With the kind of problem, and the labels with how often each occurs; those a config names stay in order."""
        rows = [item.label for item in items if isinstance(item, Labelled)]
        problem = self.problem if self.problem != "auto" else _problem(rows)
        if problem == NUMBER:
            return self.model_copy(update={"problem": problem})
        found = Counter(label for row in rows for label in _names(row))
        labels = self.labels or tuple(sorted(found))
        if len(labels) < 2:
            raise DataError("task.one_label", found=", ".join(labels) or "-")
        return self.model_copy(
            update={"problem": problem, "labels": labels, "counts": tuple(found[label] for label in labels)}
        )

    def head_options(self, template: "Template") -> dict[str, Any]:
        """One output a label, or a single one for a number."""
        names = self.labels or ("value",)
        return {
            "num_labels": len(names), "id2label": dict(enumerate(names)),
            "label2id": {name: index for index, name in enumerate(names)},
            "problem_type": PROBLEM_TYPES.get(self.problem), **pad_options(template),
        }  # fmt: skip

    def make_example(self, item: Item, template: "Template", max_length_tokens: int) -> Example:
        """Raises DataError for an item without a label, or with one that the training data did not have."""
        if not isinstance(item, Labelled):
            raise DataError("task.needs_labels")
        ids, cut = self._ids(item, template, max_length_tokens)
        return Example(tuple(ids), (IGNORE_INDEX,) * len(ids), cut, self._target(item))

    def _ids(self, item: Labelled, template: "Template", limit_tokens: int) -> tuple[list[int], int]:
        """Ids of text, second text and question; the longer text loses its end first. And how many were cut."""
        tail = text_ids(template, self.question)
        texts = [text_ids(template, item.text)]
        if item.text_pair:
            texts.append(text_ids(template, "\n" + item.text_pair))
        room = max(1, limit_tokens - len(tail))
        over = max(0, sum(map(len, texts)) - room)
        for _ in range(over):
            max(texts, key=len).pop()
        return [token for text in (*texts, tail) for token in text], over

    def _target(self, item: Labelled) -> tuple[float, ...]:
        if isinstance(item.label, float) and self.problem in (NUMBER, "auto"):
            return (item.label,)
        if self.problem == NUMBER:
            return (_number(item.label),)
        if not self.labels:  # a look at rows before any training: nothing is known of their labels yet
            return (0.0,)
        names = _names(item.label)
        unknown = [name for name in names if name not in self.labels]
        if unknown or (self.problem == SINGLE and len(names) != 1):
            raise DataError("task.unknown_label", found=", ".join(unknown or names), known=", ".join(self.labels[:20]))
        if self.problem == MULTI:
            return tuple(float(label in names) for label in self.labels)
        return (float(self.labels.index(names[0])),)

    def loss(self, model: Any, batch: Batch) -> "torch.Tensor":
        """Sum over the sequences of what `transformers`' own head takes the mean of."""
        import torch

        logits, targets = head_logits(model, batch), batch.targets
        assert targets is not None
        weights = self._weights(logits)
        if self.problem == NUMBER:
            losses = (logits[:, 0] - targets[:, 0]) ** 2
            batch.tally["absolute_error"] = (logits[:, 0] - targets[:, 0]).abs().sum().item()
        elif self.problem == MULTI:
            losses = torch.nn.functional.binary_cross_entropy_with_logits(
                logits, targets, pos_weight=weights, reduction="none"
            ).mean(dim=1)
            right = (logits.sigmoid() >= self.threshold) == targets.bool()
            batch.tally["accuracy"] = right.all(dim=1).sum().item()
        else:
            classes = targets[:, 0].long()
            losses = torch.nn.functional.cross_entropy(logits, classes, weight=weights, reduction="none")
            batch.tally["accuracy"] = (logits.argmax(dim=1) == classes).sum().item()
        return losses.sum()

    def _weights(self, logits: "torch.Tensor") -> "torch.Tensor | None":
        """Of the classes: n / (K count), as scikit-learn balances; of several labels: absent / present rows."""
        if self.class_weights == "none" or not self.counts:
            return None
        counts = logits.new_tensor(self.counts).clamp(min=1)
        total = counts.sum()
        return (total - counts) / counts if self.problem == MULTI else total / (len(self.counts) * counts)

    def read_item(self, row: Mapping[str, Any]) -> Labelled:
        """The columns `text` and, for pairs, `text_pair`; of a table with other names the first with text in it."""
        text = row.get("text")
        if text is None:
            text = next((value for value in row.values() if isinstance(value, str) and value.strip()), "")
        if not str(text).strip():
            raise DataError("data.empty_field", field="text")
        return Labelled(str(text), (), str(row.get("text_pair") or ""))

    def predict(
        self, model: Any, template: "Template", items: Sequence[Item], limit_tokens: int, budget_tokens: int
    ) -> list[Prediction]:
        """`label` (a name, a list of names, or a number) and `scores`: the probability of each label."""
        examples = [unlabelled(self._ids(_labelled(item), template, limit_tokens)[0]) for item in items]
        found = logits_of(model, examples, budget_tokens)
        if self.problem == NUMBER:
            return [{"label": logits[0].item(), "scores": {}} for logits in found]
        if self.problem == MULTI:
            return [self._several(logits.sigmoid().tolist()) for logits in found]
        return [self._one(logits.softmax(dim=-1).tolist()) for logits in found]

    def predict_base(
        self, causal: Any, template: "Template", items: Sequence[Item], limit_tokens: int, budget_tokens: int
    ) -> list[Prediction]:
        """Zero-shot: the label whose name the base model finds likeliest behind the question.

        A number cannot be asked for in this way: no predictions then. Of several labels only the likeliest is named.
        """
        import torch

        if self.problem == NUMBER:
            return []
        options = [text_ids(template, " " + label.replace("_", " ")) for label in self.labels]
        longest = limit_tokens - max(map(len, options))
        prompts = [self._ids(_labelled(item), template, longest)[0] for item in items]
        blank = self._ids(Labelled("", ()), template, longest)[0]
        rows = option_scores(causal, prompts, options, blank, budget_tokens)
        answers = [self._one(torch.tensor(row).softmax(dim=-1).tolist()) for row in rows]
        return [{**answer, "label": [answer["label"]]} for answer in answers] if self.problem == MULTI else answers

    def _one(self, chances: list[float]) -> Prediction:
        scores = dict(zip(self.labels, chances, strict=True))
        return {"label": max(scores, key=lambda label: scores[label]), "scores": scores}

    def _several(self, chances: list[float]) -> Prediction:
        scores = dict(zip(self.labels, chances, strict=True))
        return {"label": [label for label, chance in scores.items() if chance >= self.threshold], "scores": scores}

    def judge(self, items: Sequence[Item], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """See `evaluation/classes.py`; a single label has its `loss` (mean surprise in nats) as well."""
        from chatgui.evaluation.classes import class_scores, label_set_scores, mean_surprise, number_scores

        rows = [_labelled(item).label for item in items]
        guesses = [prediction["label"] for prediction in predictions]
        if self.problem == NUMBER:
            found = number_scores([_number(row) for row in rows], guesses)
            return {"loss": found["mse"], **found}
        if self.problem == MULTI:
            return label_set_scores(self.labels, [_names(row) for row in rows], guesses)
        truth = [_names(row)[0] for row in rows]
        loss = mean_surprise(truth, [prediction["scores"] for prediction in predictions])
        return {"loss": loss, **class_scores(self.labels, truth, guesses)}


def _problem(rows: Sequence[tuple[str, ...] | float]) -> str:
    if rows and all(isinstance(row, float) for row in rows):
        return NUMBER
    return MULTI if any(not isinstance(row, float) and len(row) != 1 for row in rows) else SINGLE


def _labelled(item: Item) -> Labelled:
    if not isinstance(item, Labelled):
        raise DataError("task.needs_labels")
    return item


def _names(label: tuple[str, ...] | float) -> tuple[str, ...]:
    return (f"{label:g}",) if isinstance(label, float) else label


def _number(label: tuple[str, ...] | float) -> float:
    """A whole number may have been read as the name of a class."""
    try:
        return label if isinstance(label, float) else float("".join(label))
    except ValueError as error:
        raise DataError("task.not_a_number", found=", ".join(_names(label))) from error
