"""From a RunConfig to examples: load, split, encode. The page's preview and the worker call the same function."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chatgui.config import RunConfig
from chatgui.data.conversation import Row
from chatgui.data.load import Dataset, load
from chatgui.data.split import NAMES as SPLIT_NAMES
from chatgui.data.split import Splits, split
from chatgui.errors import DataError
from chatgui.models import default_length_tokens, load_template
from chatgui.tasks import task_for
from chatgui.text import DEFAULT_LANGUAGE
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
    """Ids and labels of one row: what the preview shows and what the batch holds."""
    return config.task.make_example(row.item, template, limit_tokens)


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
        tuple(config.task.arrange(list(encoded[name].examples), limit)) for name in ("train", "validation")
    )
    return Prepared(config, dataset, splits, template, limit, encoded["train"], train, validation)


def fit(config: RunConfig, rows: Sequence[Row]) -> RunConfig:
    """The config with its task fitted to some rows: those it cannot learn from do not count."""
    items = [row.item for row in rows if isinstance(row.item, config.task.ACCEPTS)]
    return config.model_copy(update={"task": config.task.fitted(items)})


def encode(config: RunConfig, rows: Sequence[Row], template: Template, limit_tokens: int) -> Encoded:
    """Examples of some rows, with what was dropped."""
    return encode_rows(rows, lambda item: config.task.make_example(item, template, limit_tokens))


def report(config: RunConfig, language: str = DEFAULT_LANGUAGE) -> dict[str, Any]:
    """What `chatgui data --json` prints, in plain values; seen with the eyes of the task that the rows are for."""
    dataset = load(config.data)
    splits = split(dataset.rows, config.data)
    config = fit(config.model_copy(update={"task": task_for(dataset.rows[0].item)}), splits.train)
    limit = length_limit(config)
    encoded = encode(config, dataset.rows, load_template(config.model), limit)
    dropped = [
        {"origin": row.origin, "line": row.line, "reason": row.reason.text(language)}
        for row in (*dataset.dropped, *encoded.dropped)
    ]
    findings = (
        [{"kind": "cut", "count": encoded.cut, "limit": limit, "rows": encoded.cut_lines()}] if encoded.cut else []
    )
    return {
        "format": dataset.format, "encoding": dataset.encoding, "rows": dataset.read,
        "kept": dataset.read - len(dropped), "dropped": dropped,
        "splits": {name: len(splits.named(name)) for name in SPLIT_NAMES},
        "lengths": encoded.lengths(), "supervised_share": round(encoded.supervised_share, 4), "findings": findings,
    }  # fmt: skip
