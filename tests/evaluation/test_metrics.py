import random

import pytest

from chatgui.evaluation import metrics
from chatgui.evaluation.metrics import (
    bleu_counts,
    bootstrap,
    bootstrap_bleu,
    bootstrap_mean,
    common_subsequence,
    distinct,
    repetition,
    rouge_l,
    words,
)


def slow_subsequence(first: str, second: str) -> int:
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


def test_the_common_subsequence_equals_the_textbook_table() -> None:
    rng = random.Random(0)
    for _ in range(200):
        first, second = ("".join(rng.choices("abcd", k=rng.randrange(70))) for _ in range(2))
        assert common_subsequence(first, second) == slow_subsequence(first, second)


def test_chinese_is_counted_by_characters_and_english_by_words() -> None:
    assert words("退货 Takes 7 days。") == ["退", "货", "takes", "7", "days", "。"]


def test_rouge_l_of_the_example_in_the_paper() -> None:
    """Lin 2004: "police killed the gunman" against "police kill the gunman" shares three of four words."""
    assert rouge_l("police kill the gunman", "police killed the gunman") == 0.75
    assert rouge_l("the gunman kill police", "police killed the gunman") == 0.5
    assert rouge_l("", "police") == rouge_l("a", "b") == 0.0


@pytest.mark.parametrize("texts", [["a b c d e f", "x y z"], ["可以在三十天内免费退货", "不行，您来晚了"]])
def test_bleu_from_counts_equals_sacrebleu_over_the_corpus(texts: list[str]) -> None:
    import sacrebleu

    references = [texts[0] + " g", texts[1][:-1] + "w v u"]
    counts = [bleu_counts(*both) for both in zip(texts, references, strict=True)]
    tokenize = "zh" if "退" in texts[0] else "13a"
    expected = sacrebleu.corpus_bleu(texts, [references], tokenize=tokenize).score
    assert bootstrap_bleu(counts, resamples=3).value == pytest.approx(expected)
    assert expected > 1


def test_equal_texts_score_full_marks() -> None:
    assert metrics.chrf("退货要七天", "退货要七天") == pytest.approx(100)
    assert bleu_counts("one two three four", "one two three four").score == pytest.approx(100)


def test_variety_and_repetition() -> None:
    assert distinct(["a b", "a b"], 1) == 0.5
    assert distinct(["a b c"], 2) == 1.0
    assert distinct([""], 2) == repetition("a b c") == 0.0
    assert repetition("a b c d a b c d") == pytest.approx(1 / 5)


def test_the_bootstrap_interval_of_a_mean_is_that_of_the_normal_law() -> None:
    rng = random.Random(1)
    values = [rng.gauss(5, 2) for _ in range(400)]
    found = bootstrap_mean(values)
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 * 2 / 400**0.5, rel=0.15)
    assert found == bootstrap_mean(values), "the seed fixes it"


def test_a_weighted_mean_is_one_over_all_tokens() -> None:
    assert bootstrap_mean([2.0, 30.0], [1.0, 10.0]).value == pytest.approx(32 / 11)


def test_one_row_or_none_has_no_interval() -> None:
    assert bootstrap_mean([3.0]).low is None
    assert bootstrap(0, lambda rows: 1.0).value == 0.0
