import pytest

from chatgui.data.conversation import Document, Item, Row
from chatgui.errors import DataError
from chatgui.tokens.example import IGNORE_INDEX, Example
from chatgui.tokens.report import Encoded, encode_rows, must_teach, steps_per_epoch


def of_length(item: Item) -> Example:
    assert isinstance(item, Document)
    if not item.text:
        raise DataError("data.nothing_to_learn")
    ids = tuple(range(len(item.text)))
    return Example(ids[:10], ids[:10], max(0, len(ids) - 10))


def encoded(*lengths: int) -> Encoded:
    return encode_rows([Row(Document("x" * n), "a.txt", line) for line, n in enumerate(lengths, 1)], of_length)


def test_a_row_without_a_label_is_dropped_with_line_and_reason() -> None:
    result = encoded(3, 0, 4)
    assert [row.line for row in result.rows] == [1, 3]
    assert [(row.line, row.reason.key) for row in result.dropped] == [(2, "data.nothing_to_learn")]


def test_lengths_are_those_before_cutting() -> None:
    assert encoded(2, 4, 6, 30).lengths() == {"median": 5, "p95": 30, "max": 30, "over_limit": 1}


def test_lengths_of_nothing_are_zero() -> None:
    assert encoded().lengths() == {"median": 0, "p95": 0, "max": 0, "over_limit": 0}


def test_lines_of_the_rows_that_were_cut_are_known() -> None:
    assert encoded(2, 11, 6, 30).cut_lines() == [2, 4]


def test_the_supervised_share_counts_labels_that_teach() -> None:
    assert encoded(4, 6).supervised_share == 8 / 10
    assert encoded().supervised_share == 0


def test_an_example_whose_reply_was_cut_away_blames_the_length() -> None:
    nothing = (IGNORE_INDEX,) * 4
    with pytest.raises(DataError, match="it is 9 tokens long and its reply begins behind the limit of 4"):
        must_teach(Example((1, 2, 3, 4), nothing, 5), 4)
    with pytest.raises(DataError, match="no reply in it that teaches"):
        must_teach(Example((1, 2, 3, 4), nothing), 4)


@pytest.mark.parametrize(("examples", "steps"), [(0, 0), (1, 1), (8, 1), (9, 2)])
def test_the_last_step_of_an_epoch_may_be_smaller(examples: int, steps: int) -> None:
    assert steps_per_epoch(examples, 8) == steps
