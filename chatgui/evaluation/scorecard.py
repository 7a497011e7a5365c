"""Base and fine-tuned model in one table, on rows nobody trained on, and on general texts that show what was forgotten.

A card is plain values: the terminal prints it, a run keeps it as `scorecard.json`, the page draws it.
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatgui.config import GenerationConfig, RunConfig
from chatgui.data.conversation import Conversation, Document, Row
from chatgui.data.load import load
from chatgui.data.split import split
from chatgui.encode import encode
from chatgui.errors import DataError
from chatgui.evaluation import metrics
from chatgui.evaluation.losses import measure
from chatgui.evaluation.metrics import Estimate
from chatgui.generation.compare import Messages, compare_prompts
from chatgui.generation.pair import Pair, load_pair
from chatgui.models import precision
from chatgui.prepare import length_limit
from chatgui.tasks.pretrain import Pretrain
from chatgui.tokens.batches import collate, micro_batches
from chatgui.tokens.example import IGNORE_INDEX, Example

if TYPE_CHECKING:
    import torch

GENERAL = Path(__file__).parents[2] / "assets" / "general" / "texts.jsonl"
SIDES = ("base", "tuned")
MOST_REPLIES = 200
"""Test prompts that are answered; a loss is cheap, a reply is not."""
CHUNK_TOKENS = 512
"""Logits kept at once."""
BATCH_REPLIES = 16


@dataclass(frozen=True)
class RowScore:
    """One example under one model: nats summed over its labels, labels guessed right, labels."""

    loss: float
    hits: int
    labels: int


@dataclass(frozen=True)
class Asked:
    """A test prompt and the reply the data gives to it."""

    prompt: Messages
    reference: str


def evaluate_pair(
    config: RunConfig,
    folder: Path,
    split_name: str,
    pair: Pair | None = None,
    *,
    replies: int = MOST_REPLIES,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """The card of a run: `split`, `rows`, and for `base` and `tuned` loss, metrics, intervals and fingerprint.

    `replies` prompts of the split are answered greedily (0: none). `tell` hears how many replies of how many there
    are. Raises DataError when the split has no row that can be used.
    """
    rows = split(load(config.data).rows, config.data).named(split_name)
    if config.task.PREDICTS:
        return _judge_predictions(config, folder, split_name, rows)
    pair = pair or load_pair(config, folder)
    limit = length_limit(config)
    encoded = encode(config, rows, pair.template, limit)
    if not encoded.examples:
        raise DataError("evaluate.empty_split", split=split_name, source=config.data.source)
    examples = config.task.arrange(list(encoded.examples), limit)
    card: dict[str, Any] = {"split": split_name, "rows": len(encoded.examples)}
    for side in SIDES:
        voice = getattr(pair, side)
        with voice.active():
            loss, found = measure(voice.model, config.task, examples, config.training.micro_batch_tokens)
        card[side] = {"loss": loss, **found, "weights": voice.weights, "intervals": {}}
    card["change"] = {}
    if config.task.SCORES_TOKENS:
        _add_losses(card, config, pair, examples)
        _add_general(card, config, pair, limit)
    if config.task.HEAD == "AutoModelForCausalLM" and replies:
        _add_replies(card, asked(rows, replies), config, pair, tell)
    return card


def _judge_predictions(config: RunConfig, folder: Path, split_name: str, rows: Sequence[Row]) -> dict[str, Any]:
    """The same for a task with a head: its metrics, the base model asked in words."""
    from chatgui.predict import Predictor

    items = [row.item for row in rows if isinstance(row.item, config.task.ACCEPTS)]
    if not items:
        raise DataError("evaluate.empty_split", split=split_name, source=config.data.source)
    predictor = Predictor(config, folder)
    return {
        "split": split_name, "rows": len(items), "base": predictor.judge(items, "base"),
        "tuned": predictor.judge(items, "tuned"),
    }  # fmt: skip


def asked(rows: Sequence[Row], most: int) -> list[Asked]:
    """First prompts of conversations with the reply the data gives; drawn by a fixed seed when there are more."""
    found = []
    for row in rows:
        turns = row.item.as_dicts() if isinstance(row.item, Conversation) else []
        first = next((index for index, turn in enumerate(turns) if turn["role"] == "assistant"), 0)
        if first and turns[first - 1]["role"] == "user":
            found.append(Asked(turns[:first], turns[first]["content"]))
    chosen = sorted(random.Random(0).sample(range(len(found)), min(most, len(found))))
    return [found[index] for index in chosen]


def row_scores(model: Any, examples: Sequence[Example], budget_tokens: int) -> list[RowScore]:
    """Loss and hits of each example alone; their sums are what `losses.measure` gives for a task of tokens."""
    import torch

    scores: list[RowScore | None] = [None] * len(examples)
    device = next(model.parameters()).device
    lengths = [len(example) for example in examples]
    was_training = model.training
    model.eval()
    with torch.inference_mode(), precision(device):
        for part in micro_batches(range(len(examples)), lengths, budget_tokens):
            batch = collate([examples[index] for index in part], device)
            logits = model(input_ids=batch.input_ids, use_cache=False).logits[:, :-1]
            for place, index in enumerate(part):
                scores[index] = _row_score(logits[place], batch.labels[place, 1:])
    model.train(was_training)
    return [score for score in scores if score is not None]


def _row_score(logits: "torch.Tensor", targets: "torch.Tensor") -> RowScore:
    """Of logits (T-1, V) against targets (T-1)."""
    import torch

    wanted = targets != IGNORE_INDEX
    loss, hits = 0.0, 0
    for some, right in zip(logits[wanted].split(CHUNK_TOKENS), targets[wanted].split(CHUNK_TOKENS), strict=True):
        loss += torch.nn.functional.cross_entropy(some.float(), right, reduction="sum").item()
        hits += int((some.argmax(-1) == right).sum())
    return RowScore(loss, hits, int(wanted.sum()))


# ---- parts of the card -----------------------------------------------------------------------------------------------


def _add_losses(card: dict[str, Any], config: RunConfig, pair: Pair, examples: Sequence[Example]) -> None:
    scores = {}
    for side in SIDES:
        voice = getattr(pair, side)
        with voice.active():
            scores[side] = row_scores(voice.model, examples, config.training.micro_batch_tokens)
    labels = [float(score.labels) for score in scores["base"]]
    losses = {side: [score.loss for score in found] for side, found in scores.items()}
    hits = {side: [float(score.hits) for score in found] for side, found in scores.items()}
    _add(card, "loss", losses, labels)
    _add(card, "token_accuracy", hits, labels)


def _add_general(card: dict[str, Any], config: RunConfig, pair: Pair, limit: int) -> None:
    task = Pretrain()
    for language in ("en", "zh"):
        examples = [
            Example(each.input_ids[:limit], each.labels[:limit])
            for each in (task.make_example(Document(text), pair.template, limit) for text in general_texts(language))
        ]
        losses, labels = {}, [float(example.supervised) for example in examples]
        for side in SIDES:
            voice = getattr(pair, side)
            with voice.active():
                found = row_scores(voice.model, examples, config.training.micro_batch_tokens)
            losses[side] = [score.loss for score in found]
        _add(card, f"general_{language}_loss", losses, labels)


@lru_cache
def general_texts(language: str) -> tuple[str, ...]:
    """The bundled texts of one language, which no fine-tuning is about."""
    rows = map(json.loads, GENERAL.read_text(encoding="utf-8").splitlines())
    return tuple(row["text"] for row in rows if row["language"] == language)


def _add_replies(
    card: dict[str, Any], prompts: Sequence[Asked], config: RunConfig, pair: Pair, tell: Callable[[int, int], None]
) -> None:
    if not prompts:
        return
    settings = GenerationConfig(temperature=0, max_new_tokens=config.generation.max_new_tokens)
    made: list[dict[str, Any]] = []
    for start in range(0, len(prompts), BATCH_REPLIES):
        some = [each.prompt for each in prompts[start : start + BATCH_REPLIES]]
        made += compare_prompts(pair, some, settings)
        tell(len(made), len(prompts))
    texts = {side: [row[side]["text"] for row in made] for side in SIDES}
    references = [each.reference for each in prompts]
    card["replies"] = len(made)
    likeness = {}
    for side in SIDES:
        likeness[side] = [metrics.rouge_l(*both) for both in zip(texts[side], references, strict=True)]
        counts = [metrics.bleu_counts(*both) for both in zip(texts[side], references, strict=True)]
        _put(card, side, "bleu", metrics.bootstrap_bleu(counts))
        for size in (1, 2):  # no interval: a resample repeats rows, which alone makes them less distinct
            _put(card, side, f"distinct_{size}", Estimate(metrics.distinct(texts[side], size)))
    _add(card, "rouge_l", likeness)
    _add(card, "chrf", {
        side: [metrics.chrf(*both) for both in zip(texts[side], references, strict=True)] for side in SIDES
    })  # fmt: skip
    _add(card, "repetition", {side: [metrics.repetition(text) for text in texts[side]] for side in SIDES})
    _add(card, "ended_share", {side: [float(row[side]["ended"]) for row in made] for side in SIDES})
    _add(card, "reply_tokens", {side: [float(len(row[side]["ids"])) for row in made] for side in SIDES})
    card["changes"] = _changes(prompts, texts, likeness)


def _changes(prompts: Sequence[Asked], texts: Any, likeness: Any) -> list[dict[str, Any]]:
    """Both replies to each prompt, those first whose likeness to the reference changed most."""
    rows = [
        {
            "prompt": each.prompt, "reference": each.reference, "base": texts["base"][index],
            "tuned": texts["tuned"][index],
            "rouge_l_change": round(likeness["tuned"][index] - likeness["base"][index], 4),
        }
        for index, each in enumerate(prompts)
    ]  # fmt: skip
    return sorted(rows, key=lambda row: -abs(row["rouge_l_change"]))


def _add(card: dict[str, Any], name: str, values: Any, weights: Sequence[float] | None = None) -> None:
    """A metric on both sides, and the paired interval of its change over the same rows."""
    for side in SIDES:
        _put(card, side, name, metrics.bootstrap_mean(values[side], weights))
    change = [tuned - base for base, tuned in zip(values["base"], values["tuned"], strict=True)]
    card["change"][name] = asdict(metrics.bootstrap_mean(change, weights))


def _put(card: dict[str, Any], side: str, name: str, found: Estimate) -> None:
    card[side].setdefault(name, found.value)  # the loss is there already, as training states it
    if found.low is not None:
        card[side]["intervals"][name] = [found.low, found.high]
