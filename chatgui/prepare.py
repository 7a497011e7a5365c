"""From a RunConfig to examples: load, split, encode. The page's preview and the worker call the same function."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from chatgui.config import RunConfig
from chatgui.data.conversation import Row
from chatgui.data.load import DataConfig, Dataset, load
from chatgui.data.quality.words import texts_of
from chatgui.data.split import Splits, split
from chatgui.errors import DataError
from chatgui.models import default_length_tokens, load_template
from chatgui.tasks.base import TaskBase
from chatgui.tokens.example import Example
from chatgui.tokens.report import Encoded, encode_rows
from chatgui.tokens.template import Template


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
    train: tuple[Example, ...]
    validation: tuple[Example, ...]


def length_limit(config: RunConfig) -> int:
    """Tokens an example may have: the config's limit, never more than the model takes beside virtual tokens."""
    most = default_length_tokens(config.model) - config.adapter.virtual_tokens
    return min(config.training.max_length_tokens or most, most)


def make_example(config: RunConfig, row: Row, template: Template, limit_tokens: int) -> Example:
    """Ids and labels of one row: what the preview shows and what the batch holds.

    Raises DataError when the row teaches nothing, or when a remedy leaves it out.
    """
    remedies = config.data.remedies
    if remedies.special_tokens == "drop" and any(map(template.literals.found, texts_of(row.item))):
        raise DataError("data.control_token")
    example = config.task.make_example(row.item, template, limit_tokens)
    if remedies.long_rows == "drop" and example.cut_tokens:
        raise DataError("data.too_long", length=len(example) + example.cut_tokens, limit=limit_tokens)
    return example


def prepare(config: RunConfig) -> Prepared:
    """Raises DataError or ModelError with the sentence to show; also when no training row can teach anything."""
    dataset = load(config.data)
    splits = split(dataset.rows, config.data)
    config = fit(config, splits.train)
    template = load_template(config.model)
    limit = length_limit(config)
    encoded = {name: encode(config, splits.named(name), template, limit) for name in ("train", "validation")}
    if not encoded["train"].examples:
        first = encoded["train"].dropped[0]
        raise DataError(
            "data.nothing_usable", source=config.data.source, rows=len(splits.train), line=first.line,
            reason=first.reason,
        )  # fmt: skip
    train, validation = (
        tuple(config.task.arrange(list(encoded[name].examples), limit)) if encoded[name].examples else ()
        for name in ("train", "validation")
    )
    train = (*train, *_replayed(config, len(train), template, limit))
    return Prepared(config, dataset, splits, template, limit, encoded["train"], train, validation)


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


def encode(config: RunConfig, rows: Sequence[Row], template: Template, limit_tokens: int) -> Encoded:
    """Examples of some rows, with what was dropped."""
    return encode_rows(rows, lambda row: make_example(config, row, template, limit_tokens))
