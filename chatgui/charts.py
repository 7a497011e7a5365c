"""Curves and tables -> charts in Plotly's JSON, in plain values. Pure: knows neither files nor the page."""

from collections.abc import Mapping, Sequence
from typing import Any

from chatgui.curves import AXES, Curves, compact, thinned, window
from chatgui.report import Bar
from chatgui.text import DEFAULT_LANGUAGE, say, sentences

MOST_POINTS = 320
"""Points of one line of the chosen run; more than a chart of that width can show apart."""
MOST_POINTS_BESIDE = 120
"""Of one line of a run laid over it."""
LOWER = ("learning_rate", "grad_norm", "tokens_per_second", "memory_bytes")
"""What the strip below the losses may show of any run; `metric_names` are those of its task besides."""
COLOURS = ("#2563eb", "#b45309", "#0f766e", "#a21caf", "#be123c", "#4d7c0f")
"""Of the runs, the chosen one first. Apart in greyscale by dash as well."""
DASHES = ("solid", "dot", "dashdot", "longdash", "longdashdot", "dash")
VALIDATION_COLOUR = "#d97706"
GIB = 2**30


def view(
    curves: Curves, *, axis: str, lower: str, ends: Sequence[float] | None, beside: bool = False
) -> dict[str, Any]:
    """The points of one run that a view needs: a few kilobytes, however long the run.

    Lists of equal length under `raw` (chosen run only), `smooth`, `validation` and `lower`: `x` on the axis, `y`, and
    `step`. `ends` are those of the visible part of the axis; None shows all.
    """
    most = MOST_POINTS_BESIDE if beside else MOST_POINTS
    places, steps = curves.array(axis), curves.array("step")
    part = window(places, ends)

    def line(name: str, points: int) -> dict[str, Any]:
        if name not in curves.columns and name != "smooth":  # a run laid over may have another task
            return {"x": [], "y": [], **({} if axis == "step" else {"step": []})}
        values = curves.array(name)[part] / (GIB if name == "memory_bytes" else 1)
        here, at = places[part], steps[part]
        if name == "memory_bytes":  # looked at once a second only
            known = values == values
            values, here, at = values[known], here[known], at[known]
        chosen = thinned(values, points)
        x = compact(here[chosen], 6)
        return {"x": x, "y": compact(values[chosen]), **({} if axis == "step" else {"step": compact(at[chosen], 9)})}

    at, looks, losses = curves.validation_points(axis)
    seen = window(looks, ends)
    chosen = thinned(losses[seen], most // 4)
    validation = {"x": compact(looks[seen][chosen], 6), "y": compact(losses[seen][chosen])}
    if axis != "step":
        validation["step"] = compact(at[seen][chosen], 9)
    lines = {"smooth": line("smooth", most // 2), "validation": validation, "lower": line(lower, most // 2)}
    return lines if beside else {"raw": line("loss", most), **lines}


def frame(language: str = DEFAULT_LANGUAGE) -> dict[str, Any]:
    """What stays the same in every view: names, looks and layout, for the page's script to hang the points into.

    `lines` holds Plotly's looks of each line, `axes`, `lowers` what the choices are called. Lines differ by dash and
    marker too, so that it reads in greyscale.
    """
    blue = COLOURS[0]
    return {
        "colours": COLOURS, "dashes": DASHES,
        "lines": {
            "raw": {"name": say("chart.training_loss", language), "mode": "lines", "opacity": 0.35,
                    "line": {"color": blue, "width": 1}, "hoverinfo": "skip", "showlegend": False},
            "smooth": {"name": say("chart.training_loss", language), "mode": "lines",
                       "line": {"color": blue, "width": 2.5}},
            "validation": {"name": say("chart.validation_loss", language), "mode": "lines+markers",
                           "line": {"color": VALIDATION_COLOUR, "width": 2, "dash": "dash"},
                           "marker": {"size": 8, "symbol": "diamond"}},
            "lower": {"mode": "lines", "yaxis": "y2", "line": {"color": "#6b7280", "width": 1.5}, "showlegend": False},
        },
        "axes": _named(AXES, language), "lowers": _named(LOWER, language),
        "loss": say("chart.loss", language), "log": say("chart.log", language), "x": say("chart.x", language),
        "strip": say("chart.strip", language), "beside": say("chart.beside", language),
        "validation_short": say("chart.validation_short", language),
        "layout": {
            "xaxis": {"rangemode": "tozero", "anchor": "y2"},
            "yaxis": {"domain": [0.34, 1]}, "yaxis2": {"domain": [0, 0.22], "rangemode": "tozero", "nticks": 4},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "margin": {"l": 60, "r": 16, "t": 30, "b": 44}, "hovermode": "x unified", "uirevision": "kept",
        },
    }  # fmt: skip


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
    traces = [trace("chart.within_limit", within, COLOURS[0], "")]
    if beyond:
        traces.append(trace("chart.beyond_limit", beyond, VALIDATION_COLOUR, "/"))
    return {
        "data": traces,
        "layout": {
            "barmode": "overlay", "bargap": 0.02, "xaxis": {"title": {"text": say("chart.tokens", language)}},
            "yaxis": {"title": {"text": say("chart.rows", language)}}, "showlegend": bool(beyond),
            "legend": {"orientation": "h", "y": 1.15, "x": 0}, "margin": {"l": 56, "r": 16, "t": 30, "b": 48},
        },
    }  # fmt: skip


def metric_names(curves: Curves, language: str = DEFAULT_LANGUAGE) -> dict[str, str]:
    """What the task of a run says of its steps, with its name for the reader."""
    known = sentences(DEFAULT_LANGUAGE)
    return {name: say(f"chart.{name}", language) if f"chart.{name}" in known else name for name in curves.metrics}


def _named(names: Sequence[str], language: str) -> Mapping[str, str]:
    return {name: say(f"chart.{name}", language) for name in names}
