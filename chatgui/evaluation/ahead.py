"""Replies for a review made ahead in a thread: a few pairs more than the fastest reviewer needs, never all at once.

The thread ends when enough is ready and is started again by the next visit or vote, so a restarted server goes on where
the old one was killed: what is ready stands in the file.
"""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from chatgui.errors import ChatGuiError
from chatgui.evaluation.reviews import Contents, Pair, Review, append, read
from chatgui.generation.compare import compare_prompts

if TYPE_CHECKING:
    from chatgui.generation.pair import Pair as ModelPair

AHEAD_PAIRS = 12
"""Pairs kept ready before the pair that the fastest reviewer votes on next."""
BATCH_PAIRS = 4
"""Made at once: a wish to stop is heard between two batches."""
log = logging.getLogger(__name__)


class Ahead:
    """Makes the pairs of one review of one file."""

    def __init__(self, path: Path, review: Review, load: "Callable[[], ModelPair]") -> None:
        """`load` gives the two models; it is called in the thread, and not when nothing is wanted."""
        self.path = path
        self.review = review
        self.error: ChatGuiError | None = None
        """Why the last attempt ended early."""
        self._load = load
        self._stop = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def working(self) -> bool:
        """Whether replies are being made now."""
        return self._thread is not None and self._thread.is_alive()

    def wake(self) -> None:
        """Make what is wanted; nothing to do when that is ready or being made."""
        with self._starting:
            if not self.working and missing(read(self.path), self.review):
                self._stop.clear()
                self.error = None
                self._thread = threading.Thread(target=self._work, name="review-ahead", daemon=True)
                self._thread.start()

    def stop(self, wait_seconds: float = 0.0) -> None:
        """Make no more; waits for the batch in hand at most that long."""
        self._stop.set()
        if self._thread and wait_seconds:
            self._thread.join(wait_seconds)

    def _work(self) -> None:
        try:
            while (wanted := missing(read(self.path), self.review)[:BATCH_PAIRS]) and not self._stop.is_set():
                self._make(wanted)
        except ChatGuiError as error:
            self.error = error
            log.info("replies of review %s: %s", self.review.id, error)
        except OSError as error:
            self.error = ChatGuiError("review.cannot_write", path=str(self.path), reason=error.strerror or str(error))
            log.exception("replies of review %s", self.review.id)

    def _make(self, indices: list[int]) -> None:
        pair = self._load()
        rows = compare_prompts(
            pair, [self.review.prompts[index] for index in indices], self.review.settings, background=True
        )
        for index, row in zip(indices, rows, strict=True):
            made = Pair(self.review.id, index, row["base"]["text"], row["tuned"]["text"], row.get("error", ""))
            append(self.path, made)
            if self._stop.is_set():
                return


class Makers:
    """The makers of replies of one process: one works at a time, as they want the same processor."""

    def __init__(self) -> None:
        self._makers: dict[tuple[Path, str], Ahead] = {}
        self._choosing = threading.Lock()

    def wake(self, path: Path, review: Review, load: "Callable[[], ModelPair]", *, again: bool = False) -> Ahead:
        """The maker of a review, at work if there is anything to do. Others stop after the batch in hand.

        One that failed rests until it is woken with `again`.
        """
        with self._choosing:
            maker = self._makers.setdefault((path, review.id), Ahead(path, review, load))
            others = [other for other in self._makers.values() if other is not maker and other.working]
            for other in others:
                other.stop()
            if not others and (again or maker.error is None):
                maker.wake()
            return maker


def missing(contents: Contents, review: Review) -> list[int]:
    """Pairs that should be ready and are not: the furthest one voted on and AHEAD_PAIRS more."""
    furthest = max((vote.index for vote in contents.votes if vote.review == review.id), default=-1)
    wanted: list[int] = []
    spare = AHEAD_PAIRS
    for index in range(len(review.prompts)):
        pair = contents.pairs.get((review.id, index))
        if pair is None:
            wanted.append(index)
        if index > furthest and (pair is None or pair.votable):  # equal replies ask for no vote, so they are no stock
            spare -= 1
            if not spare:
                break
    return wanted
