"""The events of a run as columns that grow, and as few points as a screen can show. Pure: knows neither files nor page.

A chart of a long run must stay cheap: columns take only what is new, and a view of them is thinned by a library.
"""

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from tsdownsample import MinMaxDownsampler

from chatgui.events import Evaluation, Event, Resumed, Step

Numbers = npt.NDArray[np.float64]
AXES = ("step", "tokens", "epoch", "seconds")
"""What the x axis may count; all of them grow with every step."""
METRICS = ("loss", "learning_rate", "grad_norm", "tokens_per_second", "memory_bytes")
COLUMNS = (*AXES, *METRICS)
SMOOTHING_SHARE = 1 / 60
"""Half-life of the smoothing, as a share of the whole run: a constant of the run, so that drawn points stay put."""


@dataclass
class Curves:
    """Columns of one run, a value a step (NaN where there is none), and the looks at its validation split.

    Losses are in nats per labelled token. `half_life` (steps) is that of the smoothed loss.
    """

    half_life: float = 5.0
    columns: "dict[str, array[float]]" = field(default_factory=lambda: {name: array("d") for name in COLUMNS})
    smooth: "array[float]" = field(default_factory=lambda: array("d"))
    """Exponential moving average of the loss, unbiased at its start as in Adam (Kingma & Ba 2015, section 3)."""
    validation: dict[int, float] = field(default_factory=dict)
    """By step."""
    _weighted: float = 0.0
    _weight: float = 0.0

    def __post_init__(self) -> None:
        self._decay = 0.5 ** (1 / self.half_life)

    def add(self, events: Iterable[Event]) -> None:
        """Take new events in, in their order; a resume takes the later steps back."""
        for are_steps, group in groupby(events, lambda event: isinstance(event, Step)):
            if are_steps:
                self._add_steps(cast(list[Step], list(group)))
                continue
            for event in group:
                if isinstance(event, Evaluation) and event.split == "validation":
                    self.validation[event.step] = event.loss
                elif isinstance(event, Resumed):
                    self._go_back(event.step)

    def _add_steps(self, steps: list[Step]) -> None:
        """A column at a time: a page that opens on a long run waits for this."""
        rows = [vars(step) for step in steps]
        for name in COLUMNS:
            self.columns[name].extend([math.nan if (value := row[name]) is None else value for row in rows])
        for name in sorted({name for step in steps for name in step.metrics} - self.columns.keys()):
            self.columns[name] = array("d", [math.nan] * len(self))
        for name in self.metrics:
            self.columns[name].extend([step.metrics.get(name, math.nan) for step in steps])
        self._smooth([step.loss for step in steps])

    @property
    def metrics(self) -> tuple[str, ...]:
        """What the task says of its steps besides the loss: reward margin, accuracy."""
        return tuple(name for name in self.columns if name not in COLUMNS)

    def _smooth(self, losses: Iterable[float]) -> None:
        decay, weighted, weight = self._decay, self._weighted, self._weight
        for loss in losses:
            if math.isfinite(loss):
                weighted = decay * weighted + (1 - decay) * loss
                weight = decay * weight + (1 - decay)
            self.smooth.append(weighted / weight if weight else math.nan)
        self._weighted, self._weight = weighted, weight

    def _go_back(self, step: int) -> None:
        kept = int(np.searchsorted(self.columns["step"], step, side="right"))
        for column in self.columns.values():
            del column[kept:]
        self.smooth, self._weighted, self._weight = array("d"), 0.0, 0.0
        self._smooth(self.columns["loss"])
        self.validation = {at: loss for at, loss in self.validation.items() if at <= step}

    def __len__(self) -> int:
        return len(self.smooth)

    def array(self, name: str) -> Numbers:
        """A copy of a column, or of `smooth`."""
        return np.array(self.smooth if name == "smooth" else self.columns[name], dtype=np.float64)

    def validation_points(self, axis: str) -> tuple[Numbers, Numbers, Numbers]:
        """Steps, places on the axis and losses of the looks; step 0 stands at 0."""
        steps = np.array(sorted(self.validation), dtype=np.float64)
        losses = np.array([self.validation[int(step)] for step in steps], dtype=np.float64)
        known = np.concatenate([[0.0], self.array("step")])
        return steps, np.interp(steps, known, np.concatenate([[0.0], self.array(axis)])), losses


def thinned(values: Numbers, most: int) -> npt.NDArray[np.intp]:
    """Indices of at most about `most` points that show all peaks: the lowest and the highest of each stretch.

    A stretch holds a power of two of points and begins at a multiple of it, so a growing curve keeps its drawn points
    until the length has doubled, instead of flickering at each new one. NaNs are never chosen, unless all are.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    size = 2 ** math.ceil(math.log2(2 * count / most))
    whole = count // size * size
    filled = np.where(np.isfinite(values), values, np.nanmean(values) if np.isfinite(values).any() else 0.0)
    chosen = MinMaxDownsampler().downsample(filled[:whole], n_out=2 * (whole // size)).astype(np.intp)
    rest = filled[whole:]
    tail = [whole + int(rest.argmin()), whole + int(rest.argmax())] if len(rest) else []
    return np.unique(np.concatenate([[0], chosen, tail, [count - 1]]).astype(np.intp))


def window(places: Numbers, ends: Sequence[float] | None) -> slice:
    """The part of an ascending axis between two ends, and one point beyond each, so that lines leave the picture."""
    if not ends:
        return slice(0, len(places))
    first, last = np.searchsorted(places, sorted(ends)[:2])
    return slice(max(0, int(first) - 1), int(last) + 1)


def compact(values: Numbers, digits: int = 4) -> list[Any]:
    """For JSON: so many significant digits, whole numbers without a point, None for what is no number."""
    return [_compact(value, digits) for value in values.tolist()]


def _compact(value: float, digits: int) -> float | int | None:
    if not math.isfinite(value):
        return None
    short = value if value.is_integer() else float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() else short
