import pytest

from chatgui.data.conversation import Document, Row, fingerprint
from chatgui.data.load import DataConfig
from chatgui.data.split import split
from chatgui.errors import DataError


def rows(count: int, name: str | None = None) -> list[Row]:
    return [Row(Document(f"{name} {number}"), "a.txt", number, name) for number in range(count)]


def test_every_row_is_in_exactly_one_split() -> None:
    splits = split(rows(100), DataConfig())
    assert [len(splits.named(name)) for name in ("train", "validation", "test")] == [85, 5, 10]
    assert sorted(row.line for part in (splits.train, splits.validation, splits.test) for row in part) == list(
        range(100)
    )


def test_rows_keep_the_order_of_the_source() -> None:
    lines = [row.line for row in split(rows(50), DataConfig()).train]
    assert lines == sorted(lines)


def test_the_same_seed_divides_alike_and_another_one_does_not() -> None:
    first, again, other = (split(rows(100), DataConfig(split_seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first.test != other.test


def test_fractions_of_zero_take_nothing() -> None:
    splits = split(rows(10), DataConfig(validation_fraction=0, test_fraction=0))
    assert (len(splits.train), splits.validation, splits.test) == (10, (), ())


def test_one_row_is_always_left_for_training() -> None:
    splits = split(rows(1), DataConfig(validation_fraction=0.5, test_fraction=0.5))
    assert (len(splits.train), splits.validation, splits.test) == (1, (), ())


def test_a_split_of_the_source_is_kept_as_it_is() -> None:
    splits = split([*rows(20, "train"), *rows(3, "test")], DataConfig(validation_fraction=0.1, test_fraction=0.5))
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (18, 2, 3)


def test_a_source_without_training_rows_is_refused() -> None:
    with pytest.raises(DataError, match="all 3 rows belong to validation or test"):
        split(rows(3, "test"), DataConfig())


def test_an_unknown_split_is_refused_with_those_there_are() -> None:
    with pytest.raises(DataError, match=r'split "dev" is not known; use train, validation, test\.'):
        split(rows(3), DataConfig()).named("dev")


def test_equal_items_have_equal_fingerprints_and_others_do_not() -> None:
    assert fingerprint(Document("a")) == fingerprint(Document("a"))
    assert fingerprint(Document("a")) != fingerprint(Document("b"))


def test_splits_are_written_as_fingerprints() -> None:
    splits = split(rows(10), DataConfig())
    assert splits.fingerprints()["test"] == [fingerprint(row.item) for row in splits.test]
