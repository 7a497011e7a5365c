"""What a run says while it works: one event, one JSON line in `events.jsonl`.

The page and the terminal read nothing else, so a reloaded page, a second browser and a finished run draw alike. Knows
nothing of files or threads.
"""

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import orjson


@dataclass(frozen=True)
class Event:
    """What every event has: `type` names its class in the file."""

    type: ClassVar[str]


@dataclass(frozen=True)
class Stage(Event):
    """What the run is busy with: a key of the locales (`stage.loading`), with counts where there are any."""

    type: ClassVar[str] = "stage"
    name: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Step(Event):
    """One optimizer step."""

    type: ClassVar[str] = "step"
    step: int
    epoch: float
    tokens: int
    """Real tokens trained since the start, padding not counted."""
    seconds: float
    """Since the first step began."""
    loss: float
    """Mean over the labelled tokens of the step, in nats."""
    learning_rate: float
    grad_norm: float
    tokens_per_second: float
    metrics: dict[str, float] = field(default_factory=dict)
    """Of the task, over the examples of the step: reward margin, accuracy."""
    memory_bytes: int | None = None
    """In use, of the GPU where one is used, else of the process; looked at once a second, None in between."""


@dataclass(frozen=True)
class Evaluation(Event):
    """Loss (nats per labelled token) and the task's metrics on one split."""

    type: ClassVar[str] = "evaluation"
    step: int
    split: str
    loss: float
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample(Event):
    """An answer to a probe prompt along the way."""

    type: ClassVar[str] = "sample"
    step: int
    prompt: str
    text: str


@dataclass(frozen=True)
class Checkpoint(Event):
    """A checkpoint that is complete on disk."""

    type: ClassVar[str] = "checkpoint"
    step: int
    path: str


@dataclass(frozen=True)
class Resumed(Event):
    """The run goes on from `step`; readers forget the later steps they had."""

    type: ClassVar[str] = "resumed"
    step: int


@dataclass(frozen=True)
class Notice(Event):
    """Something the person should know that did not stop the run: a locale key and its values."""

    type: ClassVar[str] = "notice"
    key: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Finished(Event):
    """The end of a run that was not by an error. `reason` is `done`, `stopped`, `paused` or `interrupted`."""

    type: ClassVar[str] = "finished"
    step: int
    seconds: float
    reason: str = "done"


@dataclass(frozen=True)
class Failed(Event):
    """The end of a run by an error: a locale key and its values."""

    type: ClassVar[str] = "failed"
    key: str
    values: dict[str, Any] = field(default_factory=dict)


KINDS: dict[str, type[Event]] = {
    kind.type: kind for kind in (Stage, Step, Evaluation, Sample, Checkpoint, Resumed, Notice, Finished, Failed)
}


def to_line(event: Event) -> str:
    """One line of JSON without a line break; a number that is not finite becomes null, which JSON can say.

    A field that is None or empty is left out.
    """
    given = {name: value for name, value in asdict(event).items() if value not in (None, {})}
    return json.dumps({"type": event.type, **_finite(given)}, ensure_ascii=False, default=str)


def from_line(line: str) -> Event | None:
    """The event of a line; None for a torn line or a type this version does not know."""
    try:
        values = orjson.loads(line)
        kind = KINDS[values.pop("type")]
        return kind(**(_with_nan(values) if "null" in line else values))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def latest(events: list[Event]) -> list[Event]:
    """The events that count: what a `resumed` event took back is left out."""
    kept: list[Event] = []
    for event in events:
        if isinstance(event, Resumed):
            kept = [old for old in kept if getattr(old, "step", 0) <= event.step or isinstance(old, Resumed)]
        kept.append(event)
    return kept


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _with_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_nan(item) for key, item in value.items()}
    return math.nan if value is None else value
