from pathlib import Path

import pytest

from chatgui.config import GenerationConfig
from chatgui.evaluation.reviews import (
    Pair,
    Review,
    Verdict,
    append,
    cast_vote,
    left_side,
    new_review,
    read,
    typed_prompts,
)
from chatgui.evaluation.tally import (
    Agreement,
    cohen_kappa,
    findings,
    fleiss_kappa,
    majority,
    tally,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [  # statsmodels.stats.proportion.proportion_confint(…, method="wilson")
        (10, 20, 0.299298, 0.700702),
        (15, 20, 0.531299, 0.888138),
        (1, 10, 0.017876, 0.404150),
        (0, 10, 0.0, 0.277533),
        (10, 10, 0.722467, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_the_wilson_interval_has_the_known_values(count: int, total: int, low: float, high: float) -> None:
    assert wilson_interval(count, total) == pytest.approx((low, high), abs=1e-6)


def test_the_wilson_interval_solves_its_defining_equation() -> None:
    """The ends are the shares at which the observed one is just 1.96 standard errors away."""
    for end in wilson_interval(7, 23):
        assert abs(7 / 23 - end) == pytest.approx(1.959964 * (end * (1 - end) / 23) ** 0.5, rel=1e-5)


def test_cohens_kappa_of_the_textbook_table() -> None:
    """20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no give 0.4."""
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert cohen_kappa(first, second) == pytest.approx(0.4)
    assert cohen_kappa(["a", "b"], ["a", "b"]) == 1
    assert cohen_kappa(["a", "a"], ["a", "a"]) is None
    assert cohen_kappa([], []) is None


def test_fleiss_kappa_of_the_table_in_the_paper() -> None:
    """Ten subjects, fourteen raters, five categories: 0.210 (Fleiss 1971, as worked in its Wikipedia article)."""
    table = [
        (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1), (7, 7, 0, 0, 0),
        (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
    ]  # fmt: skip
    ratings = [[str(kind) for kind, count in enumerate(row) for _ in range(count)] for row in table]
    assert fleiss_kappa(ratings) == pytest.approx(0.210, abs=5e-4)


def test_the_majority_of_a_pair_is_a_tie_when_two_are_equally_frequent() -> None:
    assert majority(["tuned", "tuned", "base"]) == "tuned"
    assert majority(["tuned", "base"]) == "tie"
    assert majority(["both_bad"]) == "both_bad"


def test_ties_and_both_bad_do_not_change_the_win_rate() -> None:
    counts: dict[Verdict, int] = {"tuned": 6, "base": 2, "tie": 9, "both_bad": 3}
    counted = tally(verdict for verdict, count in counts.items() for _ in range(count))
    assert (counted.total, counted.wins, counted.ties, counted.both_bad, counted.losses) == (20, 6, 9, 3, 2)
    assert counted.win_rate.value == 0.75
    assert tally(["tie"]).win_rate.value is None


@pytest.fixture
def reviewed(tmp_path: Path) -> tuple[Path, Review]:
    """Eight pairs; the fine-tuned reply is the longer one in the even ones."""
    path = tmp_path / "reviews.jsonl"
    review = new_review(typed_prompts("\n".join("abcdefgh")), "typed", GenerationConfig(), pairs=8, seed=0)
    append(path, review)
    for index in range(8):
        append(path, Pair(review.id, index, "no", "a longer reply" if index % 2 == 0 else "y"))
    return path, review


def prefer(path: Path, review: Review, index: int, verdict: str, reviewer: str) -> None:
    choice = verdict
    if verdict in ("tuned", "base"):
        choice = "left" if left_side(review, index, reviewer) == verdict else "right"
    cast_vote(path, read(path), review, index, reviewer=reviewer, choice=choice)


def test_findings_agree_with_a_count_by_hand(reviewed: tuple[Path, Review]) -> None:
    path, review = reviewed
    for index, verdict in enumerate(["tuned", "base", "tuned", "tuned", "base", "tie", "both_bad"]):
        prefer(path, review, index, verdict, "Ann")
    found = findings(read(path), review)
    assert (found.votes.wins, found.votes.losses, found.votes.ties, found.votes.both_bad) == (3, 2, 1, 1)
    assert (found.longer.count, found.longer.total) == (3, 5)  # pairs 0, 2 for the long tuned, 1 for the long base
    assert found.left.total == 5
    assert found.left.count == sum(vote.choice == "left" for vote in read(path).votes)
    assert found.pairs == found.votes
    assert found.agreement == ()


def test_two_reviewers_are_compared_on_the_pairs_they_share(reviewed: tuple[Path, Review]) -> None:
    path, review = reviewed
    for index in range(6):
        prefer(path, review, index, "tuned" if index % 2 else "base", "Ann")
        prefer(path, review, index + 2, "tuned" if index % 2 else "base", "Ben")
    found = findings(read(path), review)
    assert found.agreement == (Agreement(("Ann", "Ben"), 4, 1.0),)
    assert found.reviewers == {"Ann": 6, "Ben": 6}
    assert (found.votes.total, found.pairs.total) == (12, 8)


def test_three_reviewers_get_one_kappa_together_and_one_for_every_two(reviewed: tuple[Path, Review]) -> None:
    path, review = reviewed
    for index in range(4):
        for reviewer in ("Ann", "Ben", "Cy"):
            prefer(path, review, index, "tuned" if index < 2 or reviewer == "Cy" else "base", reviewer)
    names = [found.reviewers for found in findings(read(path), review).agreement]
    assert names == [("Ann", "Ben", "Cy"), ("Ann", "Ben"), ("Ann", "Cy"), ("Ben", "Cy")]
