"""A scorecard in words and rounded numbers for the page. Knows nothing of gradio."""

from collections.abc import Mapping
from typing import Any

from chatgui.text import DEFAULT_LANGUAGE, say, sentences

SHOWN_CHANGES = 30
METRICS = {
    "loss": -1, "perplexity": -1, "token_accuracy": 1, "bleu": 1, "chrf": 1, "rouge_l": 1, "ended_share": 1,
    "repetition": -1, "distinct_1": 0, "distinct_2": 0, "reply_tokens": 0, "general_en_loss": -1, "general_zh_loss": -1,
}  # fmt: skip
"""In the order they are shown, and the direction that is better (0: neither)."""


def card_row(card: Mapping[str, Any], language: str) -> dict[str, Any]:
    """Everything the page draws of a card: what it is over, its lines, and the replies that changed most."""
    replies = card.get("replies", 0)
    split = say(f"dataset.count.{card['split']}", language)
    return {
        "title": say("scorecard.over", language, rows=card["rows"], split=split, replies=replies),
        "rows": metric_rows(card, language), "changes": card.get("changes", [])[:SHOWN_CHANGES],
    }  # fmt: skip


def metric_rows(card: Mapping[str, Any], language: str) -> list[dict[str, Any]]:
    """A line for each number that both models have, the known ones first."""
    names = [name for name, value in card["tuned"].items() if isinstance(value, (int, float)) and name in card["base"]]
    order = [name for name in METRICS if name in names] + [name for name in names if name not in METRICS]
    return [_metric_row(card, name, language) for name in order]


def _metric_row(card: Mapping[str, Any], name: str, language: str) -> dict[str, Any]:
    """`good` is None where neither direction is better, or the interval of the change holds zero."""
    change = card.get("change", {}).get(name, {})
    difference = change.get("value", card["tuned"][name] - card["base"][name])
    low, high = change.get("low"), change.get("high")
    sure = low is not None and (low > 0 or high < 0)
    wish = METRICS.get(name, 0)
    return {
        "metric": name, "name": _known(f"metric.{name}", language) or name,
        "help": _known(f"metric.{name}.help", language), "base": _number(card["base"], name),
        "tuned": _number(card["tuned"], name),
        "change": f"{difference:+.3g}" + (f" [{low:+.3g}, {high:+.3g}]" if low is not None else ""),
        "good": (difference > 0) == (wish > 0) if wish and sure else None,
    }  # fmt: skip


def _known(key: str, language: str) -> str:
    return say(key, language) if key in sentences(DEFAULT_LANGUAGE) else ""


def _number(side: Mapping[str, Any], name: str) -> str:
    ends = side.get("intervals", {}).get(name)
    return f"{side[name]:.4g}" + (f" [{ends[0]:.3g}, {ends[1]:.3g}]" if ends else "")
