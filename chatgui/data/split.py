"""Which rows are trained on, which are watched, and which nobody may see before the end."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chatgui.data.conversation import Row, fingerprint
from chatgui.data.load import DataConfig
from chatgui.errors import DataError


@dataclass(frozen=True)
class Splits:
    """Rows of each split, in the order of the source."""

    train: tuple[Row, ...]
    validation: tuple[Row, ...]
    test: tuple[Row, ...]

    def named(self, name: str) -> tuple[Row, ...]:
        """Rows of `train`, `validation` or `test`. Raises DataError for another name."""
        if name not in NAMES:
            raise DataError("data.split_unknown", found=name, allowed=", ".join(NAMES))
        return getattr(self, name)

    def fingerprints(self) -> dict[str, list[str]]:
        """Fingerprint of every row by split, as it goes into `splits.json`."""
        return {name: [fingerprint(row.item) for row in self.named(name)] for name in NAMES}


NAMES = ("train", "validation", "test")


def split(rows: Sequence[Row], config: DataConfig) -> Splits:
    """Divide by seed. A split that the source assigns itself is kept as it is, and no rows are taken for it.

    At least one row stays for training: raises DataError when the source leaves none.
    """
    assigned = {name: [row for row in rows if row.split == name] for name in NAMES}
    pool = assigned["train"] + [row for row in rows if row.split is None]
    if not pool:
        raise DataError("data.no_train", rows=len(rows))
    order = list(range(len(pool)))
    random.Random(config.split_seed).shuffle(order)
    taken: dict[str, set[int]] = {}
    for name, fraction in (("test", config.test_fraction), ("validation", config.validation_fraction)):
        count = 0 if assigned[name] else min(round(len(pool) * fraction), len(order) - 1)
        taken[name], order = set(order[:count]), order[count:]
    return Splits(
        train=_pick(pool, set(order)),
        validation=(*assigned["validation"], *_pick(pool, taken["validation"])),
        test=(*assigned["test"], *_pick(pool, taken["test"])),
    )


def _pick(pool: Sequence[Row], indices: Iterable[int]) -> tuple[Row, ...]:
    chosen = set(indices)
    return tuple(row for index, row in enumerate(pool) if index in chosen)
