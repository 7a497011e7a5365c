"""Blind review: pairs of replies, votes on them, and the one file both stand in, a JSON line each.

The file is only ever appended to, one whole line at a time and flushed to the disk, so that a crash loses nothing that
was acknowledged. Which reply stands on the left follows from a seed and is never written where a reviewer could see it
before the vote. Knows neither runs nor the screen.
"""

import errno
import json
import os
import random
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from chatgui.config import GenerationConfig
from chatgui.data.conversation import Judged, Message
from chatgui.errors import DataError
from chatgui.generation.compare import Messages

Choice = Literal["left", "right", "tie", "both_bad"]
Verdict = Literal["tuned", "base", "tie", "both_bad"]
CHOICES: tuple[Choice, ...] = get_args(Choice)
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
COMMENT_CHARACTERS = 4000
NAME_CHARACTERS = 60
MOST_PAIRS = 1000

_writing = threading.Lock()


@dataclass(frozen=True)
class Review:
    """What is reviewed: prompts, in the order they are shown, and how their replies are drawn."""

    id: str
    source: str
    """Where the prompts are from: `test`, the name of a file, or `typed`."""
    prompts: tuple[Messages, ...]
    seed: int
    """Shuffles left and right."""
    settings: GenerationConfig
    created: float


@dataclass(frozen=True)
class Pair:
    """Both replies to one prompt of a review, texts only: nothing else may tell which is which."""

    review: str
    index: int
    base: str
    tuned: str
    error: str = ""
    """Why there are no replies (a prompt that is too long), in English; empty as a rule."""

    @property
    def votable(self) -> bool:
        """Equal replies leave nothing to choose."""
        return not self.error and self.base != self.tuned


@dataclass(frozen=True)
class Vote:
    """One reviewer's word on one pair. A later one by the same reviewer takes its place."""

    review: str
    index: int
    reviewer: str
    choice: Choice
    left: Literal["base", "tuned"]
    tag: str = ""
    comment: str = ""
    time: float = 0.0
    id: str = ""
    """Made where the vote was given: sent again after a failure it still counts once."""

    @property
    def verdict(self) -> Verdict:
        """The vote with its sides named."""
        if self.choice == "left":
            return self.left
        if self.choice == "right":
            return "base" if self.left == "tuned" else "tuned"
        return self.choice


@dataclass(frozen=True)
class Thumb:
    """A reply from the chat that was found good or bad; `good` None takes an earlier thumb back."""

    prompt: Messages
    reply: str
    side: Literal["base", "tuned"]
    good: bool | None
    reviewer: str = ""
    weights: str = ""
    time: float = 0.0


@dataclass(frozen=True)
class Contents:
    """Everything a file of reviews holds, in the order it was written."""

    reviews: tuple[Review, ...] = ()
    pairs: Mapping[tuple[str, int], Pair] = field(default_factory=dict)
    cast: tuple[Vote, ...] = ()
    thumbs: tuple[Thumb, ...] = ()

    def review(self, id_: str | None = None) -> Review | None:
        """The review of that id, or the newest one; None when there is none."""
        fitting = [review for review in self.reviews if id_ in (None, "", review.id)]
        return fitting[-1] if fitting else None

    @cached_property
    def votes(self) -> tuple[Vote, ...]:
        """The votes that count: the last of each reviewer on each pair, in the order they were given."""
        latest: dict[tuple[str, int, str], Vote] = {}
        for vote in self.cast:
            key = (vote.review, vote.index, vote.reviewer)
            latest.pop(key, None)
            latest[key] = vote
        return tuple(vote for vote in latest.values() if (vote.review, vote.index) in self.pairs)

    def of(self, review: Review) -> tuple[tuple[Pair, tuple[Vote, ...]], ...]:
        """Pairs of a review that are ready, in order, each with its votes."""
        votes: dict[int, list[Vote]] = {}
        for vote in self.votes:
            if vote.review == review.id:
                votes.setdefault(vote.index, []).append(vote)
        ready = [self.pairs.get((review.id, index)) for index in range(len(review.prompts))]
        return tuple((pair, tuple(votes.get(pair.index, ()))) for pair in ready if pair)

    def open_pairs(self, review: Review, reviewer: str) -> list[Pair]:
        """Pairs that are ready and still want this reviewer's vote."""
        return [
            pair
            for pair, votes in self.of(review)
            if pair.votable and reviewer not in {vote.reviewer for vote in votes}
        ]

    def judged(self) -> list[Judged]:
        """The thumbs that count, as items for training: the last one on each reply."""
        latest = {(json.dumps(thumb.prompt), thumb.reply): thumb for thumb in self.thumbs}
        return [
            Judged(messages(thumb.prompt), thumb.reply, thumb.good)
            for thumb in latest.values()
            if thumb.good is not None
        ]


KINDS: dict[str, Any] = {"review": Review, "pair": Pair, "vote": Vote, "thumb": Thumb}


def messages(prompt: Messages) -> tuple[Message, ...]:
    """A prompt as items of data hold it."""
    return tuple(Message(turn["role"], turn["content"]) for turn in prompt)


def append(path: Path, record: Review | Pair | Vote | Thumb) -> None:
    """One more line, on the disk when this returns.

    A line that an earlier crash tore is closed first, so that it spoils only itself. Raises OSError when the disk is
    full; nothing of the line then stays.
    """
    line = json.dumps({"kind": _kind(record), **_plain(record)}, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    with _writing, path.open("ab", buffering=0) as stream:
        size = stream.tell()
        if size and _last_byte(path) != b"\n":
            line = b"\n" + line
        if stream.write(line) < len(line):  # no exception: a full disk takes what still fits
            stream.truncate(size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(stream.fileno())


def read(path: Path) -> Contents:
    """What the file says; a torn line or one of a later version is passed over. Empty when there is no file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return Contents()
    return _read(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _read(path: Path, size: int, changed: int) -> Contents:
    lines = path.read_bytes().decode("utf-8", "replace").split("\n")
    found: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    for line in lines:
        record = _from_line(line)
        if record is not None:
            found[_kind(record)].append(record)
    pairs: dict[tuple[str, int], Pair] = {}
    for pair in found["pair"]:  # the first one stays: votes may already be on it
        pairs.setdefault((pair.review, pair.index), pair)
    return Contents(tuple(found["review"]), pairs, tuple(found["vote"]), tuple(found["thumb"]))


def _kind(record: Any) -> str:
    return next(kind for kind, class_ in KINDS.items() if type(record) is class_)


def _plain(record: Any) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in type(record).__dataclass_fields__}
    return values | {"settings": values["settings"].model_dump()} if "settings" in values else values


def _from_line(line: str) -> Any:
    try:
        values = json.loads(line)
        kind = values.pop("kind")
        if kind == "review":
            values |= {"prompts": tuple(values["prompts"]), "settings": GenerationConfig(**values["settings"])}
        if kind == "vote" and values["choice"] not in CHOICES:
            return None
        return KINDS[kind](**values)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1)


def new_review(
    prompts: Sequence[Messages], source: str, settings: GenerationConfig, *, pairs: int, seed: int
) -> Review:
    """A review of so many prompts, drawn by the seed when there are more; each prompt once.

    Raises DataError when there is no prompt.
    """
    unique = list({json.dumps(prompt, ensure_ascii=False): prompt for prompt in prompts}.values())
    if not unique:
        raise DataError("review.no_prompts", source=source)
    wanted = min(max(1, pairs), len(unique), MOST_PAIRS)
    chosen = sorted(random.Random(seed).sample(range(len(unique)), wanted))
    id_ = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    return Review(id_, source, tuple(unique[index] for index in chosen), seed, settings, time.time())


def typed_prompts(text: str) -> list[Messages]:
    """A prompt for each line that is not empty."""
    return [[{"role": "user", "content": line.strip()}] for line in text.splitlines() if line.strip()]


def left_side(review: Review, index: int, reviewer: str) -> Literal["base", "tuned"]:
    """Which model stands on the left: a coin that falls alike for the same seed, review, pair and reviewer."""
    return random.Random(f"{review.seed}/{review.id}/{reviewer}/{index}").choice(("base", "tuned"))


def cast_vote(
    path: Path, contents: Contents, review: Review, index: int, *, reviewer: str, choice: str, tag: str = "",
    comment: str = "", id_: str = "",
) -> Vote:  # fmt: skip
    """Append a vote, unless the same one (by `id_`) is there already.

    Raises DataError for a pair that is not ready or a choice that is none.
    """
    if choice not in CHOICES:
        raise DataError("review.unknown_choice", found=choice, allowed=", ".join(CHOICES))
    pair = contents.pairs.get((review.id, index))
    if pair is None or not pair.votable:
        raise DataError("review.no_pair", pair=index + 1, pairs=len(review.prompts))
    again = next((vote for vote in contents.cast if id_ and vote.id == id_), None)
    if again:
        return again
    name = reviewer_name(reviewer)
    vote = Vote(
        review.id, index, name, choice, left_side(review, index, name), tag.strip()[:NAME_CHARACTERS],
        comment.strip()[:COMMENT_CHARACTERS], time.time(), id_ or secrets.token_hex(8),
    )  # fmt: skip
    append(path, vote)
    return vote


def reviewer_name(name: str) -> str:
    """A reviewer's name as it is kept: one line, not too long, never empty."""
    return " ".join(name.split())[:NAME_CHARACTERS] or "-"


def add_thumb(
    path: Path, prompt: Messages, reply: str, side: Literal["base", "tuned"], good: bool | None, *, reviewer: str = "",
    weights: str = "",
) -> Thumb:  # fmt: skip
    """A thumb up or down on a reply of the chat; `good` None takes it back. Appended at once."""
    thumb = Thumb(prompt, reply, side, good, reviewer, weights, time.time())
    append(path, thumb)
    return thumb
