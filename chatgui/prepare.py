"""From a RunConfig to examples: load, split, encode. The page's preview and the worker call the same function."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chatgui.config import RunConfig
from chatgui.data.conversation import Row
from chatgui.data.load import DataConfig, Dataset, load
from chatgui.data.split import Splits, split
from chatgui.encode import encode, encode_split
from chatgui.errors import DataError
from chatgui.models import default_length_tokens, load_template
from chatgui.tasks.base import TaskBase
from chatgui.tokens.example import Example
from chatgui.tokens.report import Encoded
from chatgui.tokens.template import Template

Tell = Callable[[str, int, int], object]
"""Hears what is being done (`data` or `encoding`), rows done and rows in all."""


@dataclass(frozen=True)
class Prepared:
    """Everything a run reads, nothing it writes. `train` and `validation` are arranged as the task wants them."""

    config: RunConfig
    """The config with its task fitted to the training rows."""
    dataset: Dataset
    splits: Splits
    template: Template
    max_length_tokens: int
    encoded: Encoded
    """The training rows one by one, before the task arranges them."""
    train: Sequence[Example]
    validation: Sequence[Example]


def length_limit(config: RunConfig) -> int:
    """Tokens an example may have: the config's limit, never more than the model takes beside virtual tokens."""
    most = default_length_tokens(config.model) - config.adapter.virtual_tokens
    return min(config.training.max_length_tokens or most, most)


def prepare(config: RunConfig, tell: Tell = lambda stage, done, total: None) -> Prepared:
    """Raises DataError or ModelError with the sentence to show; also when no training row can teach anything.

    What `tell` raises ends it.
    """
    dataset = load(config.data, tell=lambda done, total: tell("data", done, total))
    splits = split(dataset.rows, config.data)
    config = fit(config, splits.train)
    template = load_template(config.model)
    limit = length_limit(config)
    encoded = _encoded(config, splits, template, limit, tell)
    if not encoded["train"].examples:
        first = encoded["train"].dropped[0]
        raise DataError(
            "data.nothing_usable", source=config.data.source, rows=len(splits.train), line=first.line,
            reason=first.reason,
        )  # fmt: skip
    train, validation = (
        config.task.arrange(encoded[name].examples, limit) if encoded[name].examples else ()
        for name in ("train", "validation")
    )
    if replayed := _replayed(config, len(train), template, limit):
        train = (*train, *replayed)
    return Prepared(config, dataset, splits, template, limit, encoded["train"], train, validation)


def _encoded(config: RunConfig, splits: Splits, template: Template, limit: int, tell: Tell) -> dict[str, Encoded]:
    """What is trained on and what is watched, by the name of the split."""
    total = len(splits.train) + len(splits.validation)
    before = {"train": 0, "validation": len(splits.train)}

    def of(name: str) -> Encoded:
        return encode_split(
            config, splits, name, template, limit, lambda done, _: tell("encoding", before[name] + done, total)
        )

    return {name: of(name) for name in before}


def _replayed(config: RunConfig, count: int, template: Template, limit_tokens: int) -> list[Example]:
    """Examples of other data, so many that they are `training.replay_fraction` of all; each at most once.

    Raises DataError when not one row of it fits the task.
    """
    share, source = config.training.replay_fraction, config.training.replay_source
    if not share:
        return []
    rows = load(DataConfig(source=source)).rows
    encoded = encode(config, rows, template, limit_tokens)
    if not encoded.examples:
        first = encoded.dropped[0]
        raise DataError("training.replay_unusable", source=source, line=first.line, reason=first.reason)
    pool = config.task.arrange(list(encoded.examples), limit_tokens)
    wanted = round(count * share / (1 - share))
    return random.Random(config.training.seed).sample(pool, min(wanted, len(pool)))


def fit(config: RunConfig, rows: Sequence[Row]) -> RunConfig:
    """The config with its task fitted to some rows: those it cannot learn from do not count."""
    if type(config.task).fitted is TaskBase.fitted:  # nothing to be fitted: a million rows need not be read for it
        return config
    items = [row.item for row in rows if isinstance(row.item, config.task.ACCEPTS)]
    return config.model_copy(update={"task": config.task.fitted(items)})
