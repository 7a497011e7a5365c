"""Results of tasks -> Plotly figures, in plain values: confusion of labels, shares of a stream. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from chatgui.text import DEFAULT_LANGUAGE, say

MOST_LABELS = 20
"""Rows and columns of a confusion matrix that a person can read; of more labels the most confused are shown."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
"""Of the topics, so that they are told apart in greyscale."""
GRID = {"gridcolor": "rgba(128, 128, 128, 0.25)", "zerolinecolor": "rgba(128, 128, 128, 0.4)"}
LOOKS: dict[str, Any] = {
    "margin": {"l": 90, "r": 20, "t": 40, "b": 70}, "paper_bgcolor": "rgba(0, 0, 0, 0)",
    "plot_bgcolor": "rgba(0, 0, 0, 0)", "font": {"color": "#7b8794"},
}  # fmt: skip
"""Of every figure: nothing behind it and grey words, to be read on a light page and on a dark one."""


def confusion_figure(scores: Mapping[str, Any], title: str, language: str = DEFAULT_LANGUAGE) -> dict[str, Any]:
    """True labels down, predicted ones across; each cell the share of its row, its count on it."""
    labels, counts = scores["labels"], scores["confusion"]
    order = range(len(labels))
    if len(labels) > MOST_LABELS:
        wrong = {i: sum(counts[i]) - counts[i][i] + sum(row[i] for row in counts) - counts[i][i] for i in order}
        order = sorted(sorted(order, key=lambda i: -wrong[i])[:MOST_LABELS])  # type: ignore[assignment]
    shares = [[counts[i][j] / max(1, sum(counts[i])) for j in order] for i in order]
    names = [labels[i] for i in order]
    return {
        "data": [
            {
                "type": "heatmap", "x": names, "y": names, "z": shares, "zmin": 0, "zmax": 1, "colorscale": "Blues",
                "text": [[counts[i][j] for j in order] for i in order], "texttemplate": "%{text}", "showscale": False,
            }
        ],
        "layout": {
            "title": {"text": title}, **LOOKS, "height": 360,
            "xaxis": {"title": {"text": say("figure.predicted", language)}, "type": "category", "automargin": True},
            "yaxis": {
                "title": {"text": say("figure.true", language)}, "type": "category", "autorange": "reversed",
                "automargin": True,
            },
        },
    }  # fmt: skip


def share_figure(
    table: Mapping[str, Mapping[date, Counter[str]]], label: str, marked: Sequence[tuple[str, str]],
    language: str = DEFAULT_LANGUAGE,
) -> dict[str, Any]:  # fmt: skip
    """The share of each label by day, a line a topic and label; `marked` (day, topic) are the alerts.

    The lines of `label` are drawn; those of the others wait in the legend for a click.
    """
    others = sorted({name for days in table.values() for counts in days.values() for name in counts} - {label})
    traces = [
        _share_line(topic, days, name, place, set(marked) if name == label else set(), name == label)
        for name in (label, *others)
        for place, (topic, days) in enumerate(sorted(table.items()))
    ]
    return {
        "data": traces,
        "layout": {
            "title": {"text": say("figure.share", language, label=label)}, **LOOKS, "height": 400,
            "xaxis": GRID, "yaxis": {"tickformat": ".0%", "rangemode": "tozero", **GRID}, "hovermode": "x unified",
            "legend": {"orientation": "h", "y": -0.2},
        },
    }  # fmt: skip


def _share_line(
    topic: str, days: Mapping[date, Counter[str]], label: str, place: int, marked: set[tuple[str, str]], drawn: bool
) -> dict[str, Any]:
    ordered = sorted(days)
    hit = [(day.isoformat(), topic) in marked for day in ordered]
    return {
        "type": "scatter", "mode": "lines+markers", "name": f"{topic}: {label}",
        "x": [day.isoformat() for day in ordered], "y": [days[day][label] / days[day].total() for day in ordered],
        "visible": True if drawn else "legendonly", "line": {"width": 2, "dash": DASHES[place % len(DASHES)]},
        "marker": {
            "size": [13 if each else 5 for each in hit], "symbol": ["x" if each else "circle" for each in hit],
        },
    }  # fmt: skip
