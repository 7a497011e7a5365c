"""What a curve says, in plain words: a key of the locales and its values. Pure, so that it can be tested on curves.

Each hint wants a clear sign: a wrong hint costs more trust than a missing one.
"""

from typing import Any

import numpy as np

from chatgui.curves import Curves, Numbers

FEWEST_STEPS = 20
"""Before that a curve says nothing."""
RISE = 1.02
"""Validation this much above its best, twice in a row, has turned."""
EXPLOSION = 1.3
"""Smoothed loss this much above its lowest has come apart."""
FLAT = 0.02
"""A fall of less than this share is none."""
STILL_FALLING = 0.03
"""A fall of this share over the last fifth means that the curve had not flattened out."""

Hint = tuple[str, dict[str, Any]]


def hints(curves: Curves, total_steps: int, ended: bool) -> list[Hint]:
    """The hints that a run's curve gives now, the most pressing first. `ended` is by itself, not by a stop."""
    smooth = curves.array("smooth")
    if len(smooth) < FEWEST_STEPS or not np.isfinite(smooth).all():
        return []
    found = [
        _learns_by_heart(curves, smooth),
        _comes_apart(curves, smooth),
        _does_not_fall(curves, smooth, total_steps),
        _ended_early(smooth) if ended else None,
    ]
    given = [hint for hint in found if hint]
    return given[:1]  # one at a time: the next one often is a consequence of the first


def _learns_by_heart(curves: Curves, smooth: Numbers) -> Hint | None:
    """Validation rises while training falls."""
    steps = sorted(curves.validation)
    losses = [curves.validation[step] for step in steps]
    if len(losses) < 4:
        return None
    best = int(np.argmin(losses))
    after = losses[best + 1 :]
    if len(after) < 2 or min(after[-2:]) < RISE * losses[best]:
        return None
    at = int(np.searchsorted(curves.columns["step"], max(1, steps[best])))
    if smooth[-1] >= smooth[min(at, len(smooth) - 1)]:
        return None
    return "hint.by_heart", {"step": steps[best]}


def _comes_apart(curves: Curves, smooth: Numbers) -> Hint | None:
    """The loss climbs away from its lowest point: the rate is too high."""
    lowest = int(np.argmin(smooth))
    climb = smooth[-1] - smooth[lowest]
    if smooth[-1] < EXPLOSION * smooth[lowest] or len(smooth) - lowest < 5 or climb < 5 * _noise(curves, smooth):
        return None
    return "hint.diverging", {"step": int(curves.columns["step"][lowest]), "rate": f"{_highest_rate(curves):.2g}"}


def _does_not_fall(curves: Curves, smooth: Numbers, total_steps: int) -> Hint | None:
    """After a third of the run: nothing learnt, with steps that are too small, or with ones that jump about."""
    if len(smooth) < max(FEWEST_STEPS, total_steps / 3):
        return None
    start, now = float(np.mean(smooth[:5])), float(smooth[-1])
    if start - now > max(FLAT * start, 3 * _noise(curves, smooth)):
        return _falls_slowly(curves, smooth) if now > 0.9 * start else None
    spread = float(np.nanstd(np.diff(curves.array("loss")))) / max(abs(now), 1e-9)
    rate = f"{_highest_rate(curves):.2g}"
    return ("hint.rate_too_high", {"rate": rate}) if spread > 0.5 else ("hint.not_falling", {"rate": rate})


def _falls_slowly(curves: Curves, smooth: Numbers) -> Hint | None:
    """A straight, shallow fall: each step could be larger."""
    half = len(smooth) // 2
    first, second = smooth[0] - smooth[half], smooth[half] - smooth[-1]
    if first <= 0 or second < 0.6 * first:
        return None
    return "hint.rate_too_low", {"rate": f"{_highest_rate(curves):.2g}"}


def _ended_early(smooth: Numbers) -> Hint | None:
    before = float(smooth[int(len(smooth) * 0.8)])
    fall = (before - float(smooth[-1])) / max(abs(before), 1e-9)
    return ("hint.ended_early", {"percent": round(100 * fall)}) if fall > STILL_FALLING else None


def _noise(curves: Curves, smooth: Numbers) -> float:
    """Standard deviation that the noise of the loss leaves in its moving average."""
    decay = 0.5 ** (1 / curves.half_life)
    return float(np.nanstd(curves.array("loss") - smooth)) * ((1 - decay) / (1 + decay)) ** 0.5


def _highest_rate(curves: Curves) -> float:
    return float(np.nanmax(curves.array("learning_rate")))
