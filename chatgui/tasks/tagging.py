"""Tagging: find names in a text by giving each word a tag (BIO or BIOES)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from chatgui.data.conversation import Item, Tagged
from chatgui.errors import DataError, ModelError
from chatgui.fields import Config, Derived
from chatgui.tasks.likelihood import option_scores
from chatgui.tasks.predicting import (
    PredictingTask,
    Prediction,
    head_logits,
    logits_of,
    pad_options,
    text_ids,
)
from chatgui.tokens.batches import Batch
from chatgui.tokens.example import IGNORE_INDEX, Example

if TYPE_CHECKING:
    import torch

    from chatgui.tokens.template import Template

OUTSIDE = "O"
IN_WORDS = {
    "PER": "a person", "PERSON": "a person", "LOC": "a place", "GPE": "a place", "ORG": "an organisation",
    "PRODUCT": "a product", "MISC": "another name", "DATE": "a date", "TIME": "a time", OUTSIDE: "no name",
}  # fmt: skip
"""What a base model is asked about the usual types; others are asked for by their own name."""


class Tagging(PredictingTask, Config):
    """Learn to find names: each word gets a tag."""

    ACCEPTS: ClassVar[tuple[type, ...]] = (Tagged,)
    HEAD: ClassVar[str] = "AutoModelForTokenClassification"
    INPUT: ClassVar[str] = "words"
    kind: Literal["tagging"] = "tagging"
    attention: Literal["left", "both_ways"] = "left"
    """A GPT reads each word with what stands to its left; "both ways" lets it see the words behind as well, which
    usually finds more, after it has got used to it."""
    labelled_piece: Literal["first", "last"] = "first"
    """Which piece of a word that the tokenizer cuts up bears its tag; a GPT knows the whole word at the last one."""
    labels: Annotated[tuple[str, ...], Derived()] = ()

    def fitted(self, items: Sequence[Item]) -> Self:
        """With the tags of the training rows, "O" first; those that a config names stay in order."""
        found = {tag for item in items if isinstance(item, Tagged) for tag in item.tags}
        labels = self.labels or (OUTSIDE, *sorted(found - {OUTSIDE}))
        if len(labels) < 2:
            raise DataError("task.no_tags")
        return self.model_copy(update={"labels": labels})

    def head_options(self, template: "Template") -> dict[str, Any]:
        """One output a tag."""
        return {
            "num_labels": len(self.labels), "id2label": dict(enumerate(self.labels)),
            "label2id": {name: index for index, name in enumerate(self.labels)}, **pad_options(template),
        }  # fmt: skip

    def make_example(self, item: Item, template: "Template", max_length_tokens: int) -> Example:
        """The label at a word's piece is the place of its tag among `labels`.

        Raises DataError for an item without tags or with one that the training data did not have.
        """
        if not isinstance(item, Tagged):
            raise DataError("task.needs_tags")
        ids, places = self._ids(item.words, template)
        labels = [IGNORE_INDEX] * len(ids)
        for place, tag in zip(places, item.tags, strict=True):
            if self.labels and tag not in self.labels:
                raise DataError("task.unknown_label", found=tag, known=", ".join(self.labels[:20]))
            labels[place] = self.labels.index(tag) if self.labels else 0
        over = max(0, len(ids) - max_length_tokens)
        keep = len(ids) - over
        return Example(tuple(ids[:keep]), tuple(labels[:keep]), over)

    def _ids(self, words: Sequence[str], template: "Template") -> tuple[list[int], list[int]]:
        """Ids of a text and the place of each word's labelled piece. Words are encoded one by one: no token may hold
        two of them. An end-of-text comes first, as before any document, so the first word has something to its left.
        """
        tokenizer = template.tokenizer
        if tokenizer.eos_token_id is None:
            raise ModelError("model.no_eos", name=tokenizer.name_or_path)
        ids, places = [tokenizer.eos_token_id], []
        for text in spaced(words):
            pieces = text_ids(template, text) or [tokenizer.eos_token_id]
            places.append(len(ids) if self.labelled_piece == "first" else len(ids) + len(pieces) - 1)
            ids += pieces
        return ids, places

    def loss(self, model: Any, batch: Batch) -> "torch.Tensor":
        """Sum of the negative log-likelihoods of the tags, in nats: what `transformers`' own head takes the mean of."""
        import torch

        logits = head_logits(model, batch, both_ways=self.attention == "both_ways")
        wanted = batch.labels != IGNORE_INDEX
        logits, labels = logits[wanted], batch.labels[wanted]
        batch.tally["accuracy"] = (logits.argmax(dim=-1) == labels).sum().item()
        return torch.nn.functional.cross_entropy(logits, labels, reduction="sum")

    def read_item(self, row: Mapping[str, Any]) -> Tagged:
        """`tokens` as a list (or JSON), or `text`, which is split at spaces, punctuation and Chinese characters."""
        value = row.get("tokens", row.get("words"))
        words = [str(word) for word in value] if isinstance(value, list) else split_words(_text_of(row))
        if not words:
            raise DataError("data.empty_field", field="text")
        return Tagged(tuple(words), (OUTSIDE,) * len(words))

    def predict(
        self, model: Any, template: "Template", items: Sequence[Item], limit_tokens: int, budget_tokens: int
    ) -> list[Prediction]:
        """`words`, `tags`, `scores` (probability of each tag given) and `entities`.

        Words behind the limit get "O" and a score of 0.
        """
        found = [self._ids(_tagged(item).words, template) for item in items]
        examples = [
            Example(tuple(ids[:limit_tokens]), (IGNORE_INDEX,) * min(len(ids), limit_tokens)) for ids, _ in found
        ]
        logits = logits_of(model, examples, budget_tokens, both_ways=self.attention == "both_ways")
        rows = []
        for item, (_, places), row in zip(items, found, logits, strict=True):
            chances, best = row.softmax(dim=-1).max(dim=-1)
            tags = [self.labels[int(best[place])] if place < len(best) else OUTSIDE for place in places]
            scores = [float(chances[place]) if place < len(best) else 0.0 for place in places]
            rows.append(_row(_tagged(item).words, tags, scores))
        return rows

    def predict_base(
        self, causal: Any, template: "Template", items: Sequence[Item], limit_tokens: int, budget_tokens: int
    ) -> list[Prediction]:
        """Zero-shot: behind each text the base model is asked word by word what it is."""
        import torch

        types = [OUTSIDE, *sorted({label.partition("-")[2] for label in self.labels} - {""})]
        options = [text_ids(template, " " + IN_WORDS.get(name.upper(), name.lower())) for name in types]
        rows = []
        for item in items:
            words = _tagged(item).words
            room = limit_tokens - max(map(len, options))
            prompts = [_question(template, words, word, room) for word in words]
            found = option_scores(causal, prompts, options, _question(template, (), "", room), budget_tokens)
            chances = torch.tensor(found).softmax(dim=-1)
            names = [types[int(best)] for best in chances.argmax(dim=-1)]
            rows.append(_row(words, list(_as_tags(names)), chances.max(dim=-1).values.tolist()))
        return rows

    def judge(self, items: Sequence[Item], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """See `evaluation/entities.py`."""
        from chatgui.evaluation.entities import entity_scores

        return entity_scores([_tagged(item).tags for item in items], [row["tags"] for row in predictions])


def spaced(words: Sequence[str]) -> list[str]:
    """Each word with the space that a text would have before it: none at the start, none beside Chinese."""
    return [
        word if not place or is_chinese(word[:1]) or is_chinese(words[place - 1][-1:]) else f" {word}"
        for place, word in enumerate(words)
    ]


def split_words(text: str) -> list[str]:
    """Words of a running text: at spaces, with punctuation and every Chinese character alone."""
    import re

    chinese = r"\u3400-\u9fff\uf900-\ufaff"
    word = rf"[^\W_{chinese}]+"
    return re.findall(rf"[{chinese}]|{word}(?:['’.-]{word})*|[^\w\s]|_+", text)


def is_chinese(character: str) -> bool:
    """Whether it is a Chinese character or its punctuation."""
    return "\u3000" <= character <= "\u9fff" or "\uf900" <= character <= "\ufaff" or "\uff00" <= character <= "\uffef"


def _text_of(row: Mapping[str, Any]) -> str:
    text = row.get("text") or row.get("tokens")
    return str(text or next((value for value in row.values() if isinstance(value, str) and value.strip()), ""))


def _tagged(item: Item) -> Tagged:
    if not isinstance(item, Tagged):
        raise DataError("task.needs_tags")
    return item


def _row(words: Sequence[str], tags: list[str], scores: list[float]) -> Prediction:
    from chatgui.evaluation.entities import spans

    entities = [
        {
            "type": name, "text": "".join(spaced(words[first : last + 1])), "start": first, "stop": last + 1,
            "score": min(scores[first : last + 1]),
        }
        for name, first, last in spans(tags)
    ]  # fmt: skip
    return {"words": list(words), "tags": tags, "scores": scores, "entities": entities}


def _question(template: "Template", words: Sequence[str], word: str, limit_tokens: int) -> list[int]:
    tail = text_ids(template, f'\n"{word}" is')
    return [*text_ids(template, "".join(spaced(words)))[: max(0, limit_tokens - len(tail))], *tail]


def _as_tags(names: Sequence[str]) -> Iterator[str]:
    """Neighbours of one type are one entity."""
    for place, name in enumerate(names):
        inside = place and names[place - 1] == name
        yield OUTSIDE if name == OUTSIDE else f"{'I' if inside else 'B'}-{name}"
