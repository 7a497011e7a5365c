import pytest

from chatgui.data.conversation import Choice
from chatgui.evaluation.ranks import bm25_scores, lists, popularity_scores, rank_scores

ROWS = (
    Choice(("a",), "x", True, "u1"), Choice(("a",), "y", False, "u1"), Choice(("a",), "z", False, "u1"),
    Choice(("b",), "x", False, "u2"), Choice(("b",), "y", True, "u2"), Choice(("b",), "z", False, "u2"),
)  # fmt: skip


def test_a_perfect_order_has_only_ones() -> None:
    scores = rank_scores(ROWS, [float(row.clicked) for row in ROWS])
    assert scores == {"auc": 1.0, "ndcg@10": 1.0, "hit_rate@10": 1.0, "mrr": 1.0}


def test_the_textbook_numbers_of_a_list_whose_second_place_was_taken() -> None:
    scores = rank_scores(ROWS[:3], [0.5, 0.9, 0.1], k=1)
    assert scores["auc"] == 0.5
    assert scores["mrr"] == 0.5
    assert scores["hit_rate@1"] == 0.0
    assert rank_scores(ROWS[:3], [0.5, 0.9, 0.1])["ndcg@10"] == pytest.approx(0.6309, abs=1e-4)


def test_equal_scores_are_no_merit() -> None:
    assert rank_scores(ROWS, [0.0] * 6)["mrr"] == pytest.approx(1 / 3)


def test_a_list_with_nothing_to_tell_apart_is_left_out() -> None:
    assert rank_scores([ROWS[0]], [1.0])["mrr"] is None


def test_rows_offered_together_share_user_and_history_else_the_user() -> None:
    assert lists(ROWS) == [[0, 1, 2], [3, 4, 5]]
    alone = [Choice((str(i),), "x", bool(i % 2), "u") for i in range(3)]
    assert lists(alone) == [[0, 1, 2]]


def test_popularity_counts_what_was_taken() -> None:
    assert popularity_scores(ROWS, [ROWS[0], ROWS[2]]) == [1.0, 0.0]


def test_bm25_prefers_the_candidate_that_shares_words_with_the_history() -> None:
    history = ("Star Wars (1977)", "花园的秘密")
    items = [Choice(history, text, False) for text in ("Star Trek (1982)", "Toy Story (1995)", "花园手册", "航海日志")]
    scores = bm25_scores(items)
    assert scores[0] > scores[1] == 0.0
    assert scores[2] > scores[3] == 0.0
