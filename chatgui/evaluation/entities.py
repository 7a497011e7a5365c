"""How well named spans were found: precision, recall and F1 by type and over all, by nervaluate (strict: type and
both ends must be right), and the same for single tags.

Knows no model.
"""

from collections.abc import Sequence
from typing import Any

from chatgui.evaluation.classes import by_class

AVERAGES = ("micro avg", "macro avg", "weighted avg")
"""Rows below the types in the table of entities, as scikit-learn and seqeval name them."""


def spans(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Type, first word and last word of every entity in BIO or BIOES tags; an I- without a B- begins one as well."""
    from nervaluate.loaders import ListLoader

    found = ListLoader().load([[_as_bio(tag) for tag in tags]])
    return [(entity.label, entity.start, entity.end) for entity in found[0]]


def entity_scores(truth: Sequence[Sequence[str]], guesses: Sequence[Sequence[str]]) -> dict[str, Any]:
    """`precision`, `recall`, `f1` (micro, over entities), `entities` {type or average: precision, recall, f1, support},
    `tokens` (the same for tags, "O" left out of the averages) and `accuracy` of the tags.
    """
    table = _entity_table(truth, guesses)
    flat_truth, flat_guesses = ([tag for row in rows for tag in row] for rows in (truth, guesses))
    tags = sorted({*flat_truth, *flat_guesses} - {"O"})
    rows = by_class(tags, flat_truth, flat_guesses, tags) if tags else {}
    right = sum(one == other for one, other in zip(flat_truth, flat_guesses, strict=True))
    micro = table["micro avg"]
    return {
        "precision": micro["precision"], "recall": micro["recall"], "f1": micro["f1"], "entities": table,
        "tokens": {**rows, **_averages(rows)}, "accuracy": right / max(1, len(flat_truth)),
    }  # fmt: skip


def _entity_table(truth: Any, guesses: Any) -> dict[str, dict[str, float]]:
    from nervaluate import Evaluator

    types = _types([*truth, *guesses])
    true, guessed = ([[_as_bio(tag) for tag in row] for row in rows] for rows in (truth, guesses))
    if not types:
        return {name: _row(0, 0, 0) for name in AVERAGES}
    result = Evaluator(true, guessed, tags=types, loader="list").evaluate()
    strict = {name: result["entities"][name]["strict"] for name in types}
    rows = {name: _row(each.correct, each.actual, each.possible) for name, each in strict.items()}
    overall = result["overall"]["strict"]
    return {**rows, **_averages(rows), "micro avg": _row(overall.correct, overall.actual, overall.possible)}


def _averages(rows: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Micro (from the rows' counts), macro and weighted means, in that order."""
    support = sum(row["support"] for row in rows.values())
    right = sum(row["recall"] * row["support"] for row in rows.values())
    named = sum(row["recall"] * row["support"] / row["precision"] if row["precision"] else 0.0 for row in rows.values())
    micro = _row(right, named, support)
    macro, weighted = (
        {
            name: sum(row[name] * weight for row, weight in zip(rows.values(), weights, strict=True))
            / max(1, sum(weights))
            for name in ("precision", "recall", "f1")
        }
        for weights in ([1.0] * len(rows), [row["support"] for row in rows.values()])
    )
    return {
        name: {**row, "support": int(support)} for name, row in zip(AVERAGES, (micro, macro, weighted), strict=True)
    }


def _row(right: float, named: float, support: float) -> dict[str, float]:
    precision, recall = (right / count if count else 0.0 for count in (named, support))
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    return {"precision": precision, "recall": recall, "f1": f1, "support": int(support)}


def _types(rows: Sequence[Sequence[str]]) -> list[str]:
    return sorted({tag.partition("-")[2] for row in rows for tag in row if "-" in tag})


def _as_bio(tag: str) -> str:
    """BIOES and BILOU said in BIO: the end of an entity is inside it, a single one begins."""
    place, dash, name = tag.partition("-")
    return {"E": "I", "L": "I", "S": "B", "U": "B"}.get(place, place) + dash + name
