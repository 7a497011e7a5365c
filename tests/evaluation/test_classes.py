import math

import pytest

from chatgui.evaluation.classes import class_scores, label_set_scores, mean_surprise, number_scores


def test_a_table_of_known_guesses_has_the_textbook_numbers() -> None:
    scores = class_scores(["a", "b"], ["a", "a", "b", "b"], ["a", "b", "b", "b"])
    assert scores["accuracy"] == 0.75
    assert scores["confusion"] == [[1, 1], [0, 2]]
    assert scores["classes"]["a"] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 0.8) / 2)


def test_a_label_nobody_guessed_counts_as_zero_without_a_warning() -> None:
    scores = class_scores(["a", "b", "c"], ["a", "b"], ["a", "a"])
    assert scores["classes"]["b"]["f1"] == 0.0
    assert scores["classes"]["c"]["support"] == 0


def test_a_set_of_labels_is_right_only_as_a_whole() -> None:
    scores = label_set_scores(["x", "y"], [["x", "y"], ["x"]], [["x"], ["x"]])
    assert scores["accuracy"] == 0.5
    assert scores["micro_f1"] == pytest.approx(0.8)


def test_correlations_of_a_constant_are_none() -> None:
    assert number_scores([1.0, 2.0], [3.0, 3.0]) == {"mse": 2.5, "pearson": None, "spearman": None}


def test_order_alone_decides_the_rank_correlation() -> None:
    scores = number_scores([1.0, 2.0, 3.0], [1.0, 10.0, 11.0])
    assert scores["spearman"] == pytest.approx(1.0)
    assert scores["pearson"] is not None and scores["pearson"] < 1


def test_surprise_is_the_cross_entropy() -> None:
    assert mean_surprise(["a", "b"], [{"a": 0.5, "b": 0.5}, {"a": 0.75, "b": 0.25}]) == pytest.approx(
        (math.log(2) + math.log(4)) / 2
    )
