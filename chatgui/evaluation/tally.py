"""What votes say: wins, ties and losses with an interval, agreement between reviewers, biases. Pure arithmetic."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from chatgui.evaluation.reviews import Contents, Pair, Review, Verdict, Vote

Z95 = 1.959963984540054
"""97.5 % quantile of the standard normal distribution."""


@dataclass(frozen=True)
class Share:
    """So many of so many, with the 95 % Wilson interval of the share."""

    count: int
    total: int

    @property
    def value(self) -> float | None:
        """None when there is nothing to take a share of."""
        return self.count / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end."""
        return wilson_interval(self.count, self.total)


@dataclass(frozen=True)
class Tally:
    """Verdicts counted; a win is one of the fine-tuned model."""

    wins: int
    ties: int
    both_bad: int
    losses: int

    @property
    def total(self) -> int:
        """All verdicts."""
        return self.wins + self.ties + self.both_bad + self.losses

    @property
    def win_rate(self) -> Share:
        """Wins among the verdicts that prefer a side; ties and "both bad" say nothing about which is better."""
        return Share(self.wins, self.wins + self.losses)


@dataclass(frozen=True)
class Agreement:
    """How far reviewers agree beyond chance: 1 always, 0 as if they threw dice; None where that is not defined."""

    reviewers: tuple[str, ...]
    pairs: int
    """Pairs that all of them voted on."""
    kappa: float | None


@dataclass(frozen=True)
class Findings:
    """All that a review has shown so far."""

    votes: Tally
    pairs: Tally
    """One verdict a pair: the most frequent among its reviewers, a tie when two are equally frequent."""
    reviewers: Mapping[str, int]
    """Votes of each reviewer."""
    agreement: tuple[Agreement, ...]
    longer: Share
    """How often the longer reply won, among the votes that prefer a side and replies of different length."""
    left: Share
    """How often the left reply won, among the votes that prefer a side."""
    identical: int
    """Pairs with equal replies, which nobody was asked about."""
    tags: Mapping[str, int]


def wilson_interval(count: int, total: int, z: float = Z95) -> tuple[float, float]:
    """Score interval of a share (Wilson 1927, JASA 22:209-212); (0, 1) when nothing was counted."""
    if not total:
        return 0.0, 1.0
    share, square = count / total, z * z
    centre = (share + square / (2 * total)) / (1 + square / total)
    half = z / (1 + square / total) * math.sqrt(share * (1 - share) / total + square / (4 * total * total))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return (0.0 if count == 0 else low), (1.0 if count == total else high)


def tally(verdicts: Iterable[Verdict]) -> Tally:
    """Count verdicts."""
    counts = Counter(verdicts)
    return Tally(counts["tuned"], counts["tie"], counts["both_bad"], counts["base"])


def majority(verdicts: Sequence[Verdict]) -> Verdict:
    """The most frequent one; a tie when two are equally frequent."""
    (first, count), *rest = Counter(verdicts).most_common()
    return "tie" if rest and rest[0][1] == count else first


def cohen_kappa(first: Sequence[str], second: Sequence[str]) -> float | None:
    """Agreement of two raters on the same items beyond chance (Cohen 1960); None when chance alone explains all."""
    count = len(first)
    if not count:
        return None
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / count
    ours, theirs = Counter(first), Counter(second)
    expected = sum(ours[name] * theirs[name] for name in ours) / count**2
    return None if expected == 1 else (observed - expected) / (1 - expected)


def fleiss_kappa(ratings: Sequence[Sequence[str]]) -> float | None:
    """Agreement of equally many raters on each item (Fleiss 1971); None when chance alone explains all."""
    if not ratings or len(ratings[0]) < 2:
        return None
    raters = len(ratings[0])
    counts = [Counter(item) for item in ratings]
    observed = sum(sum(n * (n - 1) for n in item.values()) for item in counts) / (len(ratings) * raters * (raters - 1))
    overall = sum(counts, Counter())
    expected = sum((n / (len(ratings) * raters)) ** 2 for n in overall.values())
    return None if expected == 1 else (observed - expected) / (1 - expected)


def agreement(ready: Sequence[tuple[Pair, Sequence[Vote]]]) -> tuple[Agreement, ...]:
    """Fleiss' kappa over all reviewers when there are more than two, then Cohen's for every two that share pairs."""
    rated = [{vote.reviewer: vote.verdict for vote in votes} for _, votes in ready]
    names = sorted({name for item in rated for name in item})
    groups = [tuple(names)] if len(names) > 2 else []
    groups += combinations(names, 2)
    found = []
    for group in groups:
        shared = [[item[name] for name in group] for item in rated if set(group) <= set(item)]
        if shared:
            columns = list(zip(*shared, strict=True))
            kappa = cohen_kappa(*columns) if len(group) == 2 else fleiss_kappa(shared)
            found.append(Agreement(group, len(shared), kappa))
    return tuple(found)


def findings(contents: Contents, review: Review) -> Findings:
    """Everything about one review."""
    ready = contents.of(review)
    judged = [(pair, vote) for pair, votes in ready for vote in votes]
    decided = [(pair, vote) for pair, vote in judged if vote.choice in ("left", "right")]
    unequal = [(pair, vote) for pair, vote in decided if len(pair.base) != len(pair.tuned)]
    return Findings(
        votes=tally(vote.verdict for _, vote in judged),
        pairs=tally(majority([vote.verdict for vote in votes]) for _, votes in ready if votes),
        reviewers=Counter(vote.reviewer for _, vote in judged),
        agreement=agreement(ready),
        longer=Share(sum(_longer(pair) == vote.verdict for pair, vote in unequal), len(unequal)),
        left=Share(sum(vote.choice == "left" for _, vote in decided), len(decided)),
        identical=sum(not pair.error and not pair.votable for pair, _ in ready),
        tags=Counter(vote.tag for _, vote in judged if vote.tag),
    )


def _longer(pair: Pair) -> str:
    return "tuned" if len(pair.tuned) > len(pair.base) else "base"
