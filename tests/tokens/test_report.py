import pytest

from chatgui.data.conversation import Document, Row
from chatgui.errors import DataError
from chatgui.tokens.example import IGNORE_INDEX, Example
from chatgui.tokens.report import Encoded, encode_rows, must_teach, steps_per_epoch


def of_length(row: Row) -> Example:
    assert isinstance(row.item, Document)
    if not row.item.text:
        raise DataError("data.nothing_to_learn")
    ids = tuple(range(len(row.item.text)))
    return Example(ids[:10], ids[:10], max(0, len(ids) - 10))


def encoded(*lengths: int) -> Encoded:
    return encode_rows([Row(Document("x" * n), "a.txt", line) for line, n in enumerate(lengths, 1)], of_length)


def test_a_row_without_a_label_is_dropped_with_line_and_reason() -> None:
    result = encoded(3, 0, 4)
    assert [row.line for row in result.rows] == [1, 3]
    assert [(row.line, row.reason.key) for row in result.dropped] == [(2, "data.nothing_to_learn")]


def test_examples_that_were_cut_are_counted() -> None:
    assert encoded(2, 11, 6, 30).cut == 2


def test_an_example_whose_reply_was_cut_away_blames_the_length() -> None:
    nothing = (IGNORE_INDEX,) * 4
    with pytest.raises(DataError, match="it is 9 tokens long and its reply begins behind the limit of 4"):
        must_teach(Example((1, 2, 3, 4), nothing, 5), 4)
    with pytest.raises(DataError, match="no reply in it that teaches"):
        must_teach(Example((1, 2, 3, 4), nothing), 4)


@pytest.mark.parametrize(("examples", "steps"), [(0, 0), (1, 1), (8, 1), (9, 2)])
def test_the_last_step_of_an_epoch_may_be_smaller(examples: int, steps: int) -> None:
    assert steps_per_epoch(examples, 8) == steps
