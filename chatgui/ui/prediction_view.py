"""Predictions as HTML: a label with its probabilities, names marked in their text, ranked lists, tables of metrics."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from chatgui.tasks.tagging import spaced
from chatgui.text import say

MOST_LABELS = 5
COLUMNS = ("precision", "recall", "f1", "support")
NUMBERS = ("accuracy", "macro_f1", "loss", "mse", "pearson", "spearman", "auc", "ndcg@10", "hit_rate@10", "mrr")


def prediction(row: Mapping[str, Any], language: str) -> str:
    """One prediction, whatever its task."""
    if "ranking" in row:
        return _bars(list(zip(row["ranking"], row["scores"], strict=True)), "{:.3f}")
    if "words" in row:
        return _marked(row, language)
    label = row["label"]
    if isinstance(label, float):
        return f'<p class="predicted">{label:.3f}</p>'
    names = ", ".join(label) if isinstance(label, list) else label
    best = sorted(row["scores"].items(), key=lambda pair: -pair[1])[:MOST_LABELS]
    return f'<p class="predicted">{html.escape(names or "-")}</p>{_bars(best, "{:.1%}")}'


def _bars(pairs: Sequence[tuple[str, float]], form: str) -> str:
    top = max([1e-9, *(score for _, score in pairs)])
    rows = "".join(
        f'<li><span class="bar" style="width:{max(0.0, score / top):.1%}"></span>'
        f"<span>{html.escape(name)}</span><b>{form.format(score)}</b></li>"
        for name, score in pairs
    )
    return f'<ol class="bars">{rows}</ol>'


def _marked(row: Mapping[str, Any], language: str) -> str:
    texts = spaced(row["words"])
    starts = {entity["start"]: entity for entity in row["entities"]}
    parts, at = [], 0
    while at < len(texts):
        entity = starts.get(at)
        if entity is None:
            parts.append(html.escape(texts[at]))
            at += 1
            continue
        text = "".join(texts[at : entity["stop"]])
        lead = " " if text.startswith(" ") else ""
        parts.append(
            f'{lead}<mark class="entity" title="{entity["score"]:.0%}">{html.escape(text.strip())}'
            f"<sub>{html.escape(entity['type'])}</sub></mark>"
        )
        at = entity["stop"]
    return f'<p class="marked">{"".join(parts)}</p>' + ("" if starts else f"<p>{say('try.no_entity', language)}</p>")


def reasons(pairs: Sequence[tuple[str, float]]) -> str:
    """What of a history weighs most."""
    rows = "".join(f"<li><span>{html.escape(name)}</span><b>{weight:+.3f}</b></li>" for name, weight in pairs[:3])
    return f'<ol class="bars">{rows}</ol>'


def metrics(scores: Mapping[str, Any], title: str, language: str) -> str:
    """Numbers of one model, and its table by label or type."""
    if not scores:
        return f"<h4>{html.escape(title)}</h4><p>{say('try.base_cannot', language)}</p>"
    facts = "".join(
        f"<div><dt>{say(f'score.{name}', language)}</dt><dd>{scores[name]:.4f}</dd></div>"
        for name in (*NUMBERS, "precision", "recall", "f1")
        if isinstance(scores.get(name), float)
    )
    rows = _table(scores.get("entities") or scores.get("classes") or {}, language)
    if scores.get("tokens"):
        rows += (
            f"<details><summary>{say('score.by_tag', language)}</summary>{_table(scores['tokens'], language)}</details>"
        )
    return f'<h4>{html.escape(title)}</h4><dl class="ready">{facts}</dl>{rows}'


def _table(table: Mapping[str, Mapping[str, float]], language: str) -> str:
    """Precision, recall, F1 and support, a label or type a line."""
    if not table:
        return ""
    head = "".join(f"<th>{say(f'score.{name}', language)}</th>" for name in COLUMNS)
    body = "".join(
        f"<tr><th>{html.escape(name)}</th>"
        + "".join(f"<td>{row[column]:.4f}</td>" for column in COLUMNS[:3])
        + f"<td>{row['support']}</td></tr>"
        for name, row in table.items()
    )
    return f'<div class="scroll"><table class="scores"><tr><th></th>{head}</tr>{body}</table></div>'
