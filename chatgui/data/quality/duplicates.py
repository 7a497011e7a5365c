"""Copies and near copies among rows: which row repeats which earlier one.

Near copies are found by MinHash and locality-sensitive hashing (Broder 1997; Leskovec et al., Mining of Massive
Datasets, chapter 3) and then confirmed on the texts themselves, so that chance alone flags nothing. The index takes
BANDS * 4 bytes a row (96 MB for a million), so no sample is needed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from chatgui.data.conversation import Choice, Item, fingerprint
from chatgui.data.quality.words import shingles, similarity, text_of

Places = npt.NDArray[np.int64]
NEAR = 0.75
"""Jaccard index of the shingles from which on two texts count as near copies."""
BANDS, BAND_ROWS = 24, 4
"""A pair at NEAR shares a band with a probability of 1 - (1 - 0.75^4)^24 = 0.9999."""
SEED = 1
MOST_TWINS = 3
"""Earlier rows of its bucket that a row is compared with; more would be quadratic where many rows look alike."""
SHARED_BANDS = 2
"""A pair at NEAR shares 7.6 of the bands on average, and fewer than this with a probability of 0.001."""
ENOUGH_WORDS = 8
"""Shingles below which a text is too short for a likeness to mean anything."""


def key_of(item: Item) -> int:
    """64 bits that are equal when two items are."""
    return int(fingerprint(item), 16)


def band_keys(items: Iterable[Item]) -> npt.NDArray[np.uint32]:
    """(N, BANDS): rows that agree in one column may be near copies. Zeros for an item that is not compared."""
    import rensa

    sets = [_compared(item) for item in items]
    if not sets:
        return np.zeros((0, BANDS), np.uint32)
    digests = rensa.RMinHash.digest_matrix_from_token_sets(sets, BANDS * BAND_ROWS, SEED).to_rows()
    values = np.array(digests, np.uint64).reshape(len(sets), BANDS, BAND_ROWS)
    mixed = np.zeros(values.shape[:2], np.uint64)
    for row in range(BAND_ROWS):  # FNV-like; overflow is meant
        mixed = (mixed ^ values[:, :, row]) * np.uint64(0x9E3779B97F4A7C15)
    keys = (mixed >> np.uint64(32)).astype(np.uint32)
    keys[[len(tokens) < ENOUGH_WORDS for tokens in sets]] = 0
    return keys


def _compared(item: Item) -> list[str]:
    """What an item is compared by; offers to users are alike by nature, so they are not."""
    return [] if isinstance(item, Choice) else shingles(text_of(item))


def exact_copies(keys: npt.NDArray[np.uint64]) -> Places:
    """(N,) the first place that holds the same item; its own place where there is no earlier one."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)


def near_copies(
    bands: npt.NDArray[np.uint32], exact: Places, text_at: Callable[[int], str], should_stop: Callable[[], bool]
) -> Places:
    """(N,) the earlier place that a row nearly repeats; its own place where there is none.

    Exact copies are not looked at. A row that repeats one which itself repeats a third is only flagged when it is a
    near copy of one that stays.
    """
    found = np.arange(len(exact), dtype=np.int64)
    shared = Counter(_candidates(bands, exact))
    shingles_at = lru_cache(maxsize=4096)(lambda place: frozenset(shingles(text_at(place))))
    for later, earlier in sorted(pair for pair, count in shared.items() if count >= SHARED_BANDS):
        if should_stop():
            break
        if found[later] != later or found[earlier] != earlier:
            continue
        if similarity(shingles_at(later), shingles_at(earlier)) >= NEAR:
            found[later] = earlier
    return found


def _candidates(bands: npt.NDArray[np.uint32], exact: Places) -> Iterator[tuple[int, int]]:
    originals = np.flatnonzero(exact == np.arange(len(exact)))
    if not len(originals):
        return
    for band in range(bands.shape[1]):
        keys = bands[originals, band]
        order = np.argsort(keys, kind="stable")  # stable: within a bucket the order of the source stays
        ordered, places = keys[order], originals[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        stops = np.r_[starts[1:], len(ordered)]
        shared = (stops - starts > 1) & (ordered[starts] != 0)
        for start, stop in zip(starts[shared], stops[shared], strict=True):
            bucket = places[start:stop].tolist()
            for at in range(1, len(bucket)):
                for earlier in {0, *range(max(0, at - MOST_TWINS + 1), at)}:
                    yield bucket[at], bucket[earlier]


def copies_of(items: Sequence[Item], should_stop: Callable[[], bool] = lambda: False) -> tuple[Places, Places]:
    """Exact and near copies of some items, as `exact_copies` and `near_copies` give them."""
    keys = np.fromiter((key_of(item) for item in items), np.uint64, len(items))
    exact = exact_copies(keys)
    near = near_copies(band_keys(items), exact, lambda place: text_of(items[place]), should_stop)
    return exact, near
