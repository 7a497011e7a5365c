"""Events and tables -> Plotly figures, in plain values. Pure: knows neither files nor the page."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from chatgui.events import Evaluation, Event, Step
from chatgui.report import Bar
from chatgui.text import DEFAULT_LANGUAGE, say

MOST_POINTS = 2000
"""Points of a curve sent to the page at once; more than a screen has columns for."""
TRAIN, VALIDATION, RATE = range(3)
COLOURS = {TRAIN: "#2563eb", VALIDATION: "#d97706", RATE: "#8b8fa3"}


@dataclass
class Curves:
    """Points of the live chart: x in steps, losses in nats per token; traces in the order TRAIN, VALIDATION, RATE."""

    x: list[list[int]] = field(default_factory=lambda: [[], [], []])
    y: list[list[float | None]] = field(default_factory=lambda: [[], [], []])
    """None for a loss that is no number: a gap in the curve."""

    def thinned(self) -> "Curves":
        """At most MOST_POINTS a curve, the last one always kept."""
        return Curves([_thin(x) for x in self.x], [_thin(y) for y in self.y])


def curves(events: Iterable[Event]) -> Curves:
    """The points that some events add."""
    found = Curves()
    for event in events:
        if isinstance(event, Step):
            _add(found, TRAIN, event.step, event.loss)
            _add(found, RATE, event.step, event.learning_rate)
        elif isinstance(event, Evaluation) and event.split == "validation":
            _add(found, VALIDATION, event.step, event.loss)
    return found


def length_figure(bars: Sequence[Bar], limit: int, language: str = DEFAULT_LANGUAGE) -> dict[str, Any]:
    """Lengths in tokens as Plotly's JSON; what the limit cuts is hatched, so that it reads in greyscale."""

    def trace(name: str, chosen: list[Bar], colour: str, pattern: str) -> dict[str, Any]:
        return {
            "type": "bar", "name": say(name, language), "x": [(bar.start + bar.stop - 1) / 2 for bar in chosen],
            "width": [bar.stop - bar.start for bar in chosen], "y": [bar.count for bar in chosen],
            "customdata": [[bar.start, bar.stop] for bar in chosen],
            "marker": {"color": colour, "pattern": {"shape": pattern}, "line": {"width": 0}},
            "hovertemplate": "%{customdata[0]}–%{customdata[1]}: %{y}<extra></extra>",
        }  # fmt: skip

    within = [bar for bar in bars if bar.stop - 1 <= limit]
    beyond = [bar for bar in bars if bar.stop - 1 > limit]
    traces = [trace("chart.within_limit", within, COLOURS[TRAIN], "")]
    if beyond:
        traces.append(trace("chart.beyond_limit", beyond, COLOURS[VALIDATION], "/"))
    return {
        "data": traces,
        "layout": {
            "barmode": "overlay", "bargap": 0.02, "xaxis": {"title": {"text": say("chart.tokens", language)}},
            "yaxis": {"title": {"text": say("chart.rows", language)}}, "showlegend": bool(beyond),
            "legend": {"orientation": "h", "y": 1.15, "x": 0}, "margin": {"l": 56, "r": 16, "t": 30, "b": 48},
        },
    }  # fmt: skip


def loss_figure(points: Curves, language: str = DEFAULT_LANGUAGE) -> dict[str, Any]:
    """The live chart as Plotly's JSON. Lines differ by dash and marker too, so that it reads in greyscale."""

    def trace(index: int, name: str, **looks: Any) -> dict[str, Any]:
        return {
            "type": "scatter", "name": say(name, language), "x": points.x[index], "y": points.y[index],
            "hovertemplate": "%{y:.4g}", **looks,
        }  # fmt: skip

    return {
        "data": [
            trace(TRAIN, "chart.training_loss", mode="lines", line={"color": COLOURS[TRAIN], "width": 2}),
            trace(
                VALIDATION, "chart.validation_loss", mode="lines+markers",
                line={"color": COLOURS[VALIDATION], "width": 2, "dash": "dash"},
                marker={"size": 8, "symbol": "diamond"},
            ),
            trace(
                RATE, "chart.learning_rate", mode="lines", yaxis="y2", visible="legendonly",
                line={"color": COLOURS[RATE], "width": 1.5, "dash": "dot"},
            ),
        ],
        "layout": {
            "xaxis": {"title": {"text": say("chart.step", language)}, "rangemode": "tozero"},
            "yaxis": {"title": {"text": say("chart.loss", language)}},
            "yaxis2": {  # its numbers show on hover; ticks of a hidden curve would only puzzle
                "overlaying": "y", "side": "right", "showgrid": False, "zeroline": False, "showticklabels": False,
            },
            "legend": {"orientation": "h", "y": 1.12, "x": 0},
            "margin": {"l": 56, "r": 48, "t": 30, "b": 48},
            "hovermode": "x unified", "uirevision": "kept",
        },
    }  # fmt: skip


def _add(found: Curves, index: int, x: int, y: float) -> None:
    found.x[index].append(x)
    found.y[index].append(y if math.isfinite(y) else None)


def _thin(values: Sequence[Any]) -> list[Any]:
    stride = -(-len(values) // MOST_POINTS) if values else 1
    kept = list(values[::stride])
    return kept if not values or (len(values) - 1) % stride == 0 else [*kept, values[-1]]
