"""Numbers about replies: likeness to a reference, variety, repetition, and intervals by bootstrap. Knows no model."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+|[^\w\s]")
"""A word, a mark, or, where words are written without spaces (Chinese, Japanese, Korean), a letter."""
CHINESE = re.compile(r"[\u3400-\u9fff]")
RESAMPLES = 1000
REPEATED = 4
"""Length of the word groups whose return counts as repetition (seq-rep-4, Welleck et al. 2020, arXiv:1908.04319)."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; None where an interval would mislead."""

    value: float
    low: float | None = None
    high: float | None = None


def words(text: str) -> list[str]:
    """Words in lower case; a Chinese text gives its characters."""
    return WORD.findall(text.lower())


def rouge_l(reply: str, reference: str) -> float:
    """F1 of the longest common subsequence of words, 0 to 1 (Lin 2004, "ROUGE", section 3)."""
    ours, theirs = words(reply), words(reference)
    common = common_subsequence(ours, theirs)
    return 2 * common / (len(ours) + len(theirs)) if common else 0.0


def common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence, by the bits of one number (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for index, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << index
    full = (1 << len(first)) - 1
    row = full
    for word in second:
        both = row & places.get(word, 0)
        row = ((row + both) | (row - both)) & full
    return len(first) - row.bit_count()


def distinct(replies: Sequence[str], size: int) -> float:
    """Different groups of `size` words over all such groups in all replies (distinct-n, Li et al. 2016)."""
    groups = [group for reply in replies for group in _groups(words(reply), size)]
    return len(set(groups)) / len(groups) if groups else 0.0


def repetition(reply: str) -> float:
    """Share of a reply's groups of REPEATED words that stood in it before."""
    groups = list(_groups(words(reply), REPEATED))
    return 1 - len(set(groups)) / len(groups) if groups else 0.0


def _groups(words_: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    return zip(*(words_[start:] for start in range(size)), strict=False)


def chrf(reply: str, reference: str) -> float:
    """chrF2 of one reply, 0 to 100 (Popović 2015), by sacrebleu."""
    return float(_sacrebleu().CHRF().sentence_score(reply, [reference]).score)


@dataclass(frozen=True)
class BleuCounts:
    """What a corpus score is summed from: matches and totals for 1 to 4 words, lengths of reply and reference."""

    numbers: tuple[int, ...]

    @property
    def score(self) -> float:
        """BLEU, 0 to 100 (Papineni et al. 2002), smoothed as sacrebleu does by default."""
        matches, totals, (ours, theirs) = self.numbers[:4], self.numbers[4:8], self.numbers[8:]
        bleu = _sacrebleu().BLEU
        made = bleu.compute_bleu(list(matches), list(totals), ours, theirs, smooth_method="exp", smooth_value=None)
        return float(made.score)


def bleu_counts(reply: str, reference: str) -> BleuCounts:
    """Of one reply; Chinese is counted by its characters."""
    tokenize = "zh" if CHINESE.search(reference) else "13a"
    made = _bleu(tokenize).sentence_score(reply, [reference])
    return BleuCounts((*made.counts, *made.totals, made.sys_len, made.ref_len))


@lru_cache
def _bleu(tokenize: str) -> Any:
    return _sacrebleu().BLEU(tokenize=tokenize, effective_order=True)


def _sacrebleu() -> Any:
    import sacrebleu.metrics as found

    return found


# ---- intervals -------------------------------------------------------------------------------------------------------


def mean_of(values: Sequence[float]) -> float:
    """0 for none."""
    return sum(values) / len(values) if values else 0.0


def bootstrap(
    count: int, statistic: Callable[[Sequence[int]], float], *, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """A statistic of `count` rows with its percentile interval (Efron & Tibshirani 1993, chapter 13).

    `statistic` gets the indices of the rows that take part, repeated ones included.
    """
    import numpy as np

    if not count:
        return Estimate(0.0)
    value = statistic(range(count))
    if count == 1:
        return Estimate(value)
    generator = np.random.default_rng(seed)
    drawn = [statistic(generator.integers(0, count, count).tolist()) for _ in range(resamples)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(value, float(low), float(high))


def bootstrap_mean(values: Sequence[float], weights: Sequence[float] | None = None, **how: Any) -> Estimate:
    """The (weighted) mean of one number a row: `sum(values) / sum(weights)`."""
    if weights is None:
        return bootstrap(len(values), lambda rows: mean_of([values[row] for row in rows]), **how)

    def ratio(rows: Sequence[int]) -> float:
        return sum(values[row] for row in rows) / max(1e-12, sum(weights[row] for row in rows))

    return bootstrap(len(values), ratio, **how)


def bootstrap_bleu(counts: Sequence[BleuCounts], **how: Any) -> Estimate:
    """Corpus BLEU."""
    import numpy as np

    table = np.array([each.numbers for each in counts])
    how.setdefault("resamples", RESAMPLES)
    return bootstrap(len(counts), lambda rows: BleuCounts(tuple(table[list(rows)].sum(0).tolist())).score, **how)
