"""Copies and near copies among rows: which row repeats which earlier one.

Near copies are found by MinHash and locality-sensitive hashing (Broder 1997; Leskovec et al., Mining of Massive
Datasets, chapter 3), held against each other by one byte of each hash (b-bit minwise hashing, Li and Koenig 2010), and
then confirmed on the texts themselves, so that chance alone flags nothing. The index takes 192 bytes a row (192 MB for
a million), so no sample is needed.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

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
LIKELY = 0.58
"""Share of equal bytes below which the texts of a pair are not read: at NEAR, the share is lower once in 10,000."""
MOST_CONFIRMED = 100_000
"""Pairs whose texts are read; of any further ones the share of equal bytes decides, right within 0.09 in 95 of 100."""
CHUNK_ROWS = 20_000
"""Rows whose candidates are in memory at one time."""


class Sketches(NamedTuple):
    """What N rows are compared by. `empty` makes room for many, to be filled part by part."""

    bands: npt.NDArray[np.uint32]
    """(N, BANDS): rows that agree in one column may be near copies. Zeros for an item that is not compared."""
    marks: npt.NDArray[np.uint8]
    """(N, BANDS * BAND_ROWS): the lowest byte of each MinHash; two rows share as many as they share shingles."""

    @classmethod
    def empty(cls, count: int) -> "Sketches":
        """Of `count` items that are not compared."""
        return cls(np.zeros((count, BANDS), np.uint32), np.zeros((count, BANDS * BAND_ROWS), np.uint8))


def key_of(item: Item) -> int:
    """64 bits that are equal when two items are."""
    return int(fingerprint(item), 16)


def sketch(items: Iterable[Item]) -> Sketches:
    """Of some items, in their order."""
    import rensa

    sets = [_compared(item) for item in items]
    if not sets:
        return Sketches.empty(0)
    digests = rensa.RMinHash.digest_matrix_from_token_sets(sets, BANDS * BAND_ROWS, SEED).to_rows()
    hashes = np.array(digests, np.uint64)
    values = hashes.reshape(len(sets), BANDS, BAND_ROWS)
    mixed = np.zeros(values.shape[:2], np.uint64)
    for row in range(BAND_ROWS):  # FNV-like; overflow is meant
        mixed = (mixed ^ values[:, :, row]) * np.uint64(0x9E3779B97F4A7C15)
    keys = (mixed >> np.uint64(32)).astype(np.uint32)
    keys[[len(tokens) < ENOUGH_WORDS for tokens in sets]] = 0
    return Sketches(keys, (hashes & np.uint64(0xFF)).astype(np.uint8))


def _compared(item: Item) -> list[str]:
    """What an item is compared by; offers to users are alike by nature, so they are not."""
    return [] if isinstance(item, Choice) else shingles(text_of(item))


def exact_copies(keys: npt.NDArray[np.uint64]) -> Places:
    """(N,) the first place that holds the same item; its own place where there is no earlier one."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)


def near_copies(
    sketches: Sketches, exact: Places, text_at: Callable[[int], str], should_stop: Callable[[], bool]
) -> Places:
    """(N,) the earlier place that a row nearly repeats; its own place where there is none.

    Exact copies are not looked at. A row that repeats one which itself repeats a third is only flagged when it is a
    near copy of one that stays.
    """
    found = np.arange(len(exact), dtype=np.int64)
    shingles_at = lru_cache(maxsize=4096)(lambda place: frozenset(shingles(text_at(place))))
    confirmed = 0
    for later, earlier, share in _pairs(sketches, exact):
        if should_stop():
            break
        if found[later] != later or found[earlier] != earlier:
            continue
        confirmed += 1
        if confirmed <= MOST_CONFIRMED:
            share = similarity(shingles_at(later), shingles_at(earlier))
        if share >= NEAR:
            found[later] = earlier
    return found


def _pairs(sketches: Sketches, exact: Places) -> Iterator[tuple[int, int, float]]:
    """Later and earlier row of each likely pair, in the order of the source, with their share of equal bytes."""
    originals = np.flatnonzero(exact == np.arange(len(exact)))
    if len(originals) < 2:
        return
    first, before = _neighbours(sketches.bands, originals)
    for start in range(0, len(originals), CHUNK_ROWS):
        own = slice(start, min(start + CHUNK_ROWS, len(originals)))
        later, earlier = _shared(_candidates(first, before, own))
        pairs = np.stack([originals[later + start], originals[earlier]])
        shares = (sketches.marks[pairs[0]] == sketches.marks[pairs[1]]).mean(1)
        likely = shares >= LIKELY
        yield from zip(*pairs[:, likely].tolist(), shares[likely].tolist(), strict=True)


def _neighbours(bands: npt.NDArray[np.uint32], originals: Places) -> tuple[npt.NDArray[np.int32], ...]:
    """(BANDS, M) each: the first row of each row's bucket, and the one before it there; -1 where there is none."""
    first = np.full((BANDS, len(originals)), -1, np.int32)
    before = np.full((BANDS, len(originals)), -1, np.int32)
    for band in range(BANDS):
        keys = bands[originals, band]
        order = np.argsort(keys, kind="stable").astype(np.int32)  # stable: in a bucket the order of the source stays
        ordered = keys[order]
        begins = np.r_[True, ordered[1:] != ordered[:-1]]
        bucket = order[np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))]
        follows = ~begins & (ordered != 0)
        first[band, order[follows]] = bucket[follows]
        before[band, order[follows]] = order[np.flatnonzero(follows) - 1]
    return first, before


def _candidates(first: npt.NDArray[np.int32], before: npt.NDArray[np.int32], own: slice) -> npt.NDArray[np.int32]:
    """(C, BANDS * MOST_TWINS) earlier rows of the buckets of some rows, sorted; -1 where there is none."""
    twins = [before[:, own]]
    for _ in range(MOST_TWINS - 2):
        last = twins[-1]
        twins.append(np.where(last >= 0, np.take_along_axis(before, np.maximum(last, 0), 1), -1))
    known = np.any([first[:, own] == twin for twin in twins], axis=0)
    found = np.concatenate([np.where(known, -1, first[:, own]), *twins])
    return np.sort(found.T, axis=1)


def _shared(candidates: npt.NDArray[np.int32]) -> tuple[Places, Places]:
    """Which row (of C) and which candidate, for each that stands in SHARED_BANDS of its buckets or more."""
    span = SHARED_BANDS - 1
    same = (candidates[:, span:] == candidates[:, : candidates.shape[1] - span]) & (candidates[:, span:] >= 0)
    same[:, :-1] &= candidates[:, span:-1] != candidates[:, span + 1 :]  # once for each candidate: at its last place
    rows, at = np.nonzero(same)
    return rows, candidates[rows, at + span].astype(np.int64)


def copies_of(items: Sequence[Item], should_stop: Callable[[], bool] = lambda: False) -> tuple[Places, Places]:
    """Exact and near copies of some items, as `exact_copies` and `near_copies` give them."""
    keys = np.fromiter((key_of(item) for item in items), np.uint64, len(items))
    exact = exact_copies(keys)
    near = near_copies(sketch(items), exact, lambda place: text_of(items[place]), should_stop)
    return exact, near
