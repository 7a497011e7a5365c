"""What a run's model says of rows it has not seen: for the page, for a file of any size, and for the scorecard.

Both models are loaded when they are first asked. Knows neither page nor terminal.
"""

import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from threading import RLock
from typing import Any, Literal

from chatgui import models
from chatgui.config import ModelConfig, RunConfig
from chatgui.data.conversation import Item
from chatgui.data.files import read_files
from chatgui.data.streams import find_encoding, members, open_text
from chatgui.errors import ChatGuiError, DataError, RunError
from chatgui.prepare import length_limit
from chatgui.tasks.predicting import PredictingTask, Prediction
from chatgui.tokens.template import Template

Side = Literal["base", "tuned"]
BATCH_ROWS = 256
"""Rows read at once: enough to sort them by length, few enough for a file of any size."""


class Predictor:
    """The fine-tuned model of a run with its head, and its base as a plain language model."""

    def __init__(self, config: RunConfig, folder: Path) -> None:
        """Raises RunError for a run whose result replies instead of naming."""
        if not isinstance(config.task, PredictingTask):
            raise RunError("predict.wrong_task", task=config.task.kind)
        self.task: Any = config.task
        self.config = config
        self.folder = folder
        self._limit_tokens = length_limit(config) - config.adapter.virtual_tokens
        self._lock = RLock()

    @cached_property
    def template(self) -> Template:
        """Tokenizer of the result."""
        return models.saved_template(self.folder)

    @cached_property
    def tuned(self) -> Any:
        """The base with the run's adapter and head, or the run's own weights."""
        device = models.best_device()
        own = not models.is_adapter(self.folder)
        source = ModelConfig(name=str(self.folder)) if own else self.config.model
        options, dtype = self.task.head_options(self.template), models.frozen_dtype(device)
        bits = self.config.adapter.quantized_bits if device.type == "cuda" and not own else None
        loaded = models.load_model(source, self.task.HEAD, device, dtype, options, bits)
        return loaded if own else models.attach_saved(loaded, self.folder)

    @cached_property
    def base(self) -> Any:
        """The base model, which is asked in words."""
        device = models.best_device()
        return models.load_model(self.config.model, "AutoModelForCausalLM", device, models.frozen_dtype(device))

    def read(self, row: Mapping[str, Any]) -> Any:
        """An item of a table's row. Raises DataError that names what is missing."""
        return self.task.read_item(row)

    def predict(self, items: Sequence[Any], side: Side = "tuned") -> list[Prediction]:
        """One prediction an item; none at all where the base model cannot be asked for such a thing."""
        ask = self.task.predict_base if side == "base" else self.task.predict
        with self._lock, models.precision(models.best_device()):
            model = self.base if side == "base" else self.tuned
            return ask(model, self.template, items, self._limit_tokens, self.config.training.micro_batch_tokens)

    def reasons(self, offer: Any, candidate: str) -> list[tuple[str, float]]:
        """What of a history weighs how much for a candidate (ranking only)."""
        budget = self.config.training.micro_batch_tokens
        with self._lock:
            return self.task.reasons(self.tuned, self.template, offer, candidate, self._limit_tokens, budget)

    def judge(self, items: Sequence[Item], side: Side) -> dict[str, Any]:
        """The task's metrics of one model for items whose answer is known; empty where it cannot be asked."""
        predictions = self.predict(items, side)
        return self.task.judge(items, predictions) if predictions else {}


def predict_rows(
    predictor: Predictor, rows: Iterator[tuple[int, Any]], side: Side = "tuned",
    tell: Callable[[int], None] = lambda done: None,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """`{"row": line, …}` for each row in its order, as `chatgui predict --json` prints it; an unusable one has `error`.

    `tell` hears how many rows are done.
    """
    done = 0
    while chunk := list(islice(rows, BATCH_ROWS)):
        items = [_read(predictor, row) for _, row in chunk]
        usable = [item for item in items if not isinstance(item, ChatGuiError)]
        found = iter(predictor.predict(usable, side) if usable else [])
        for (line, _), item in zip(chunk, items, strict=True):
            yield {"row": line, **({"error": item.text()} if isinstance(item, ChatGuiError) else next(found))}
        done += len(chunk)
        tell(done)


def _read(predictor: Predictor, row: Any) -> Any:
    try:
        return row if isinstance(row, ChatGuiError) else predictor.read(row)
    except ChatGuiError as error:
        return error


def stream_rows(path: Path) -> Iterator[tuple[int, Any]]:
    """Line and row of a file or archive of any size; of a text file each line is a row.

    Raises DataError when it is not there, not text, or of an unknown kind.
    """
    if not path.is_file():
        raise DataError("data.unreadable", source=path.name, reason=os.strerror(errno.ENOENT))
    if path.suffix.lower() != ".txt":
        for table in read_files(path):
            yield from table.rows
        return
    member = members(path, (".txt",))[0]
    with open_text(member, find_encoding(member), "\n") as stream:
        yield from ((number, {"text": line.strip()}) for number, line in enumerate(stream, 1) if line.strip())
