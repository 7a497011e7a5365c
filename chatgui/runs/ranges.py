"""What a search varies: ranges of fields, read from text and checked. Knows nothing of Optuna's studies or of runs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chatgui.config import RunConfig
from chatgui.errors import ConfigError
from chatgui.fields import Knob, build_flat, flatten, knobs

if TYPE_CHECKING:
    import optuna

RANGE = re.compile(r"^\s*(\S+?)\s*\.\.\s*(\S+?)(\s+log)?\s*$")


@dataclass(frozen=True)
class Range:
    """What one field may be: a number between two ends (evenly by its logarithm if so wished), or one of a list."""

    field: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()
    whole: bool = False

    def __str__(self) -> str:
        if self.choices:
            return ", ".join(map(str, self.choices))
        return f"{self.low:g}..{self.high:g}{' log' if self.log else ''}"

    def suggest(self, trial: "optuna.Trial") -> Any:
        """The value of this trial; asked again, the same."""
        if self.choices:
            return trial.suggest_categorical(self.field, list(self.choices))
        assert self.low is not None and self.high is not None
        if self.whole:
            return trial.suggest_int(self.field, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(self.field, self.low, self.high, log=self.log)


def parse_range(field: str, text: str) -> Range:
    """`1e-4..1e-2 log` or `4, 8, 16`. Raises ConfigError that names the field, what was found and what is allowed."""
    knob = next((knob for knob in knobs(RunConfig) if knob.name == field), None)
    if knob is None:
        raise ConfigError("config.unknown_field", field=field, found=repr(text))
    if found := RANGE.match(text):
        low, high = (_number(knob, part, text) for part in found.groups()[:2])
        if low >= high or (found[3] and low <= 0):
            raise ConfigError("search.bad_range", name=field, found=text)
        return Range(field, low, high, bool(found[3]), whole=knob.type is int)
    choices = tuple(_choice(knob, part.strip(), text) for part in text.split(",") if part.strip())
    if len(choices) < 2:
        raise ConfigError("search.bad_range", name=field, found=text)
    return Range(field, choices=choices)


def _number(knob: Knob, part: str, text: str) -> float:
    if knob.type not in (int, float):
        raise ConfigError("search.not_a_number", name=knob.name, found=text)
    try:
        return float(part)
    except ValueError as error:
        raise ConfigError("search.bad_range", name=knob.name, found=text) from error


def _choice(knob: Knob, part: str, text: str) -> Any:
    if knob.type is bool:
        return part.lower() in ("true", "1", "yes", "on")
    try:
        return knob.type(part)
    except ValueError as error:
        raise ConfigError("search.bad_range", name=knob.name, found=text) from error


def check(config: RunConfig, ranges: tuple[Range, ...]) -> None:
    """Both ends of every range must be allowed. Raises ConfigError as a form would, and for a search over nothing."""
    if not ranges:
        raise ConfigError("search.no_ranges")
    for range_ in ranges:
        for value in range_.choices or (range_.low, range_.high):
            with_value(config, {range_.field: int(value) if range_.whole else value})


def with_value(config: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """The config with some dotted fields changed."""
    flat = {**flatten(config), **values}
    missing = [name for name in values if name not in flatten(build_flat(RunConfig, flat))]
    if missing:  # a field of an adapter that is not the chosen one would change nothing
        raise ConfigError("search.field_unused", name=missing[0])
    return build_flat(RunConfig, flat)
