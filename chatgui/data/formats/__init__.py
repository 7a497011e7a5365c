"""The dataset formats, one file each. FORMATS is the table of contents, in the order they are tried."""

from collections.abc import Iterable, Mapping
from itertools import islice
from types import ModuleType
from typing import Any

from chatgui.data.formats import alpaca, messages, prompt_completion, sharegpt, text
from chatgui.errors import DataError

FORMATS: tuple[ModuleType, ...] = (messages, sharegpt, alpaca, prompt_completion, text)
BY_NAME = {format_.NAME: format_ for format_ in FORMATS}
AUTO = "auto"
SAMPLE_ROWS = 200
ENOUGH = 0.5
"""Share of the sampled rows that must match; a few broken rows must not hide the format of the rest."""


def recognise(rows: Iterable[Mapping[str, Any]], source: str) -> ModuleType:
    """The format that fits most of the first rows.

    Raises DataError that names the columns found and the formats known when none fits at least half of them.
    """
    sample = list(islice(rows, SAMPLE_ROWS))
    counts = [sum(bool(format_.matches(row)) for row in sample) for format_ in FORMATS]
    best = max(range(len(FORMATS)), key=lambda index: counts[index])  # the first of equals wins
    if not sample or counts[best] < ENOUGH * len(sample):
        columns = sorted({str(name) for row in sample for name in row})
        raise DataError("data.format_unknown", source=source, columns=", ".join(columns[:12]), known=", ".join(BY_NAME))
    return FORMATS[best]
