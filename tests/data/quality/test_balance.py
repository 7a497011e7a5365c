from collections import Counter

from chatgui.data.conversation import Choice, Document, Item, Judged, Labelled, Tagged
from chatgui.data.quality.balance import count, labels_of, rare


def test_labels_of_every_kind_of_item_are_counted() -> None:
    items: list[Item] = [
        Labelled("a", ("joy", "calm")), Labelled("b", 2.5), Tagged(("x", "y"), ("B-PER", "O")), Judged((), "r", True),
        Choice((), "c", False), Document("d"),
    ]  # fmt: skip
    assert count(items) == Counter({"joy": 1, "calm": 1, "PER": 1, "good": 1, "passed": 1})


def test_a_number_is_no_label() -> None:
    assert labels_of(Labelled("a", 3.0)) == ()


def test_a_label_with_few_rows_is_rare() -> None:
    assert rare(Counter({"a": 500, "b": 480, "c": 7, "d": 3})) == {"c", "d"}
    assert rare(Counter({"a": 20, "b": 30})) == set()
    assert rare(Counter({"only": 1})) == set()
