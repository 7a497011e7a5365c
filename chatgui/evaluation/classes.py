"""How well labels and numbers were predicted: accuracy, precision, recall, F1, confusion, error and correlation.

Numbers by scikit-learn and scipy. Knows no model.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

MOST_CONFUSED = 20
"""Rows and columns of a confusion matrix that a person can still read."""


def class_scores(labels: Sequence[str], truth: Sequence[str], guesses: Sequence[str]) -> dict[str, Any]:
    """`accuracy`, `macro_f1`, `weighted_f1`, `classes` {label: precision, recall, f1, support} and `confusion`.

    `confusion[i][j]` counts the rows of label i that were taken for label j. A label that was never guessed has a
    precision of 0.
    """
    from sklearn.metrics import accuracy_score, confusion_matrix

    names = [*labels, *sorted({*truth, *guesses} - set(labels))]
    return {
        "accuracy": float(accuracy_score(truth, guesses)),
        **_f1(truth, guesses, names),
        "classes": by_class(names, truth, guesses, names),
        "labels": names,
        "confusion": confusion_matrix(truth, guesses, labels=names).tolist(),
    }


def label_set_scores(
    labels: Sequence[str], truth: Sequence[Sequence[str]], guesses: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """As `class_scores`, for rows with any number of labels; `accuracy` counts rows whose whole set is right."""
    from sklearn.metrics import accuracy_score

    true, guessed = ([[int(label in row) for label in labels] for row in rows] for rows in (truth, guesses))
    return {
        "accuracy": float(accuracy_score(true, guessed)),
        **_f1(true, guessed, range(len(labels))),
        "classes": by_class(labels, true, guessed, range(len(labels))),
    }


def number_scores(truth: Sequence[float], guesses: Sequence[float]) -> dict[str, float | None]:
    """`mse`, `pearson` and `spearman`; a correlation is None where one side never changes."""
    from scipy.stats import pearsonr, spearmanr
    from sklearn.metrics import mean_squared_error

    varied = len(truth) > 1 and len(set(truth)) > 1 and len(set(guesses)) > 1
    return {
        "mse": float(mean_squared_error(truth, guesses)),
        "pearson": float(pearsonr(truth, guesses).statistic) if varied else None,
        "spearman": float(spearmanr(truth, guesses).statistic) if varied else None,
    }


def mean_surprise(truth: Sequence[str], scores: Sequence[Mapping[str, float]]) -> float:
    """Mean negative log-probability of the true label, in nats: the cross-entropy of any way of predicting."""
    surprises = [-math.log(max(row.get(label, 0.0), 1e-12)) for label, row in zip(truth, scores, strict=True)]
    return sum(surprises) / max(1, len(surprises))


def _f1(truth: Any, guesses: Any, names: Any) -> dict[str, float]:
    from sklearn.metrics import f1_score

    return {
        f"{kind}_f1": float(f1_score(truth, guesses, labels=list(names), average=kind, zero_division=0))
        for kind in ("micro", "macro", "weighted")
    }


def by_class(labels: Sequence[str], truth: Any, guesses: Any, names: Any) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support of each label; `names` are the labels as scikit-learn is given them."""
    from sklearn.metrics import precision_recall_fscore_support

    table = precision_recall_fscore_support(truth, guesses, labels=list(names), average=None, zero_division=0)
    return {
        label: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
        for label, p, r, f, n in zip(labels, *table, strict=True)
    }
