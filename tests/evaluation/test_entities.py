import random
import warnings
from typing import Any

import pytest

from chatgui.evaluation.entities import entity_scores, spans

TRUTH = (("B-PER", "I-PER", "O", "B-LOC"), ("O", "B-ORG", "O"))
GUESSES = (("B-PER", "I-PER", "O", "B-ORG"), ("B-LOC", "B-ORG", "O"))


def drawn(seed: int, rows: int = 60) -> list[list[str]]:
    """Tags as a model may give them: also an I- without a B-, or of another type."""
    rng = random.Random(seed)
    tags = ["O", "O", "O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]
    return [[rng.choice(tags) for _ in range(length)] for length in range(1, rows)]


def seqeval_table(truth: Any, guesses: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from seqeval.metrics import classification_report

        return classification_report(truth, guesses, output_dict=True, zero_division=0)


@pytest.mark.parametrize("seed", range(5))
def test_the_table_is_that_of_seqeval(seed: int) -> None:
    truth, guesses = drawn(seed), drawn(seed + 100)
    ours, theirs = entity_scores(truth, guesses)["entities"], seqeval_table(truth, guesses)
    assert set(ours) == set(theirs)
    for name, row in theirs.items():
        found = ours[name]
        expected = (row["precision"], row["recall"], row["f1-score"], row["support"])
        assert (found["precision"], found["recall"], found["f1"], found["support"]) == pytest.approx(expected), name


def test_an_entity_is_right_only_with_its_type_and_both_ends() -> None:
    scores = entity_scores(TRUTH, GUESSES)
    assert (scores["precision"], scores["recall"]) == (pytest.approx(2 / 4), pytest.approx(2 / 3))
    assert scores["entities"]["PER"]["f1"] == 1.0
    assert scores["entities"]["LOC"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}


def test_tags_have_a_table_of_their_own() -> None:
    scores = entity_scores(TRUTH, GUESSES)
    assert scores["tokens"]["I-PER"]["f1"] == 1.0
    assert scores["tokens"]["micro avg"]["support"] == 4
    assert scores["accuracy"] == pytest.approx(5 / 7)


def test_bioes_is_read_like_bio() -> None:
    assert spans(("S-LOC", "B-PER", "I-PER", "E-PER", "O", "S-PER")) == [("LOC", 0, 0), ("PER", 1, 3), ("PER", 5, 5)]


def test_texts_without_any_name_have_an_empty_table() -> None:
    assert entity_scores([["O", "O"]], [["O", "O"]])["f1"] == 0.0
