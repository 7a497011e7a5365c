"""How well a list was ordered: AUC, NDCG@k, hit rate@k and MRR; and the orders that need no model.

Knows no model. Numbers by scikit-learn where it has them.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from chatgui.data.conversation import Choice

K = 10
"""Places of a list that a reader looks at."""


def rank_scores(items: Sequence[Choice], scores: Sequence[float], k: int = K) -> dict[str, float | None]:
    """`auc` over all rows; `ndcg@k`, `hit_rate@k` and `mrr` as means over the lists that hold a taken and a left one.

    A tie counts against the ranking: the taken one stands behind its equals. None where nothing can be ranked.
    """
    import numpy
    from sklearn.metrics import ndcg_score, roc_auc_score

    truth = [item.clicked for item in items]
    found: dict[str, list[float]] = {"ndcg": [], "hit_rate": [], "mrr": []}
    for places in lists(items):
        clicked = numpy.array([truth[place] for place in places], dtype=float)
        given = numpy.array([scores[place] for place in places])
        if not 0 < clicked.sum() < len(clicked):
            continue
        first = min(int((given > score).sum() + (given == score).sum()) for score in given[clicked > 0])
        found["ndcg"].append(float(ndcg_score([clicked], [given], k=k)))
        found["hit_rate"].append(float(first <= k))
        found["mrr"].append(1 / first)
    mean = {name: sum(values) / len(values) if values else None for name, values in found.items()}
    both = len(set(truth)) == 2
    return {
        "auc": float(roc_auc_score(truth, scores)) if both else None, f"ndcg@{k}": mean["ndcg"],
        f"hit_rate@{k}": mean["hit_rate"], "mrr": mean["mrr"],
    }  # fmt: skip


def lists(items: Sequence[Choice]) -> list[list[int]]:
    """Rows that were offered together: to one user after one history; where that is never so, to one user at all."""
    together = _grouped([(item.user, item.history) for item in items])
    if any(len(places) > 1 for places in together):
        return together
    return _grouped([item.user for item in items])


def _grouped(keys: Sequence[Any]) -> list[list[int]]:
    groups: dict[Any, list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    return list(groups.values())


def popularity_scores(seen: Sequence[Choice], items: Sequence[Choice]) -> list[float]:
    """How often each candidate was taken in the rows one may know."""
    taken = Counter(item.candidate for item in seen if item.clicked)
    return [float(taken[item.candidate]) for item in items]


def bm25_scores(items: Sequence[Choice]) -> list[float]:
    """BM25 of each candidate for the words of its history, among all candidates."""
    from chatgui.generation.retrieval import Index

    candidates = sorted({item.candidate for item in items})
    places = {candidate: place for place, candidate in enumerate(candidates)}
    index = Index(candidates)
    known: dict[tuple[str, ...], list[float]] = {}
    for item in items:
        if item.history not in known:
            known[item.history] = index.scores(" ".join(item.history))
    return [known[item.history][places[item.candidate]] for item in items]
