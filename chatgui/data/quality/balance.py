"""How often each label or tag stands in the data, and whether some are too rare to be learnt."""

from collections import Counter
from collections.abc import Iterable

from chatgui.data.conversation import Choice, Item, Judged, Labelled, Tagged

OUTSIDE = "O"
FEW = 0.1
"""A label with less than this share of what an even distribution would give is rare."""
FEWEST = 5
"""So is one with fewer rows than this: no split leaves enough of it."""


def labels_of(item: Item) -> tuple[str, ...]:
    """Names of what the item is; a number to be predicted is no label."""
    match item:
        case Labelled(label=tuple() as names):
            return names
        case Tagged():
            return tuple(sorted({tag.partition("-")[2] or tag for tag in item.tags if tag != OUTSIDE}))
        case Judged():
            return ("good" if item.good else "bad",)
        case Choice():
            return ("clicked" if item.clicked else "passed",)
    return ()


def count(items: Iterable[Item]) -> Counter[str]:
    """Rows that have each label."""
    return Counter(name for item in items for name in labels_of(item))


def rare(counts: Counter[str]) -> set[str]:
    """Labels that the data has too few rows of."""
    if len(counts) < 2:
        return set()
    even = counts.total() / len(counts)
    return {name for name, number in counts.items() if number < max(FEWEST, FEW * even)}
