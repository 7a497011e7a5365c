"""Base and fine-tuned model in one table, on rows nobody trained on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chatgui.config import RunConfig
from chatgui.data.conversation import Row
from chatgui.data.load import load
from chatgui.data.split import split
from chatgui.errors import DataError
from chatgui.evaluation.losses import measure
from chatgui.generation.pair import Pair, load_pair
from chatgui.prepare import encode, length_limit


def evaluate_pair(config: RunConfig, folder: Path, split_name: str, pair: Pair | None = None) -> dict[str, Any]:
    """Loss (nats per reply token) and the task's metrics of both models over one split, as `--json` prints it.

    Raises DataError when the split has no row that can be used.
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
    row: dict[str, Any] = {"split": split_name, "rows": len(encoded.examples)}
    for side, voice in (("base", pair.base), ("tuned", pair.tuned)):
        with voice.active():
            loss, metrics = measure(voice.model, config.task, examples, config.training.micro_batch_tokens)
        row[side] = {"loss": loss, **metrics, "weights": voice.weights}
    return row


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
