"""Base and fine-tuned model in one table, on rows nobody trained on."""

from pathlib import Path
from typing import Any

from chatgui.config import RunConfig
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
