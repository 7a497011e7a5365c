import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chatgui.config import GenerationConfig
from chatgui.data.conversation import Judged, Message
from chatgui.errors import DataError
from chatgui.evaluation import reviews
from chatgui.evaluation.reviews import Pair, Review, append, cast_vote, left_side, new_review, read, typed_prompts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "reviews.jsonl"


@pytest.fixture
def review(path: Path) -> Review:
    """Six prompts with pairs; the replies of the last one are equal."""
    made = new_review(
        typed_prompts("\n".join(f"Frage {n} 问" for n in range(6))), "typed", GenerationConfig(), pairs=6, seed=3
    )
    append(path, made)
    for index in range(6):
        append(path, Pair(made.id, index, f"base {index}", f"base {index}" if index == 5 else f"tuned reply {index}"))
    return made


def vote(path: Path, review: Review, index: int, choice: str, reviewer: str = "Ann", **more: str) -> reviews.Vote:
    return cast_vote(path, read(path), review, index, reviewer=reviewer, choice=choice, **more)


def test_everything_that_is_appended_is_read_again(path: Path, review: Review) -> None:
    cast = vote(path, review, 0, "left", tag="facts", comment="两行\nand \u2028 more")
    found = read(path)
    assert found.review() == found.review(review.id) == review
    assert found.votes == (cast,)
    assert [pair.index for pair, _ in found.of(review)] == list(range(6))


def test_a_vote_names_the_side_that_stood_there(path: Path, review: Review) -> None:
    left = left_side(review, 1, "Ann")
    right = "base" if left == "tuned" else "tuned"
    assert vote(path, review, 1, "left").verdict == left
    assert vote(path, review, 1, "right").verdict == right
    assert [vote(path, review, 1, choice).verdict for choice in ("tie", "both_bad")] == ["tie", "both_bad"]


def test_sides_follow_from_seed_review_pair_and_reviewer_and_are_balanced() -> None:
    one = Review("r", "typed", (), 1, GenerationConfig(), 0.0)
    sides = [left_side(one, index, "Ann") for index in range(400)]
    assert sides == [left_side(one, index, "Ann") for index in range(400)]
    assert 160 < sides.count("tuned") < 240
    other = Review("r", "typed", (), 2, GenerationConfig(), 0.0)
    assert sides != [left_side(other, index, "Ann") for index in range(400)]
    assert sides != [left_side(one, index, "Ben") for index in range(400)]


def test_the_last_vote_of_a_reviewer_counts_and_others_keep_theirs(path: Path, review: Review) -> None:
    vote(path, review, 0, "tie")
    vote(path, review, 0, "both_bad", reviewer="Ben")
    vote(path, review, 0, "left")
    assert [(cast.reviewer, cast.choice) for cast in read(path).votes] == [("Ben", "both_bad"), ("Ann", "left")]


def test_a_vote_that_is_sent_twice_counts_once(path: Path, review: Review) -> None:
    first = vote(path, review, 0, "left", id_="abc")
    assert vote(path, review, 0, "left", id_="abc") == first
    assert len(read(path).cast) == 1


def test_open_pairs_are_those_without_this_reviewers_vote(path: Path, review: Review) -> None:
    vote(path, review, 0, "tie")
    vote(path, review, 3, "left")
    found = read(path)
    assert [pair.index for pair in found.open_pairs(review, "Ann")] == [1, 2, 4]
    assert [pair.index for pair in found.open_pairs(review, "Ben")] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("index", [5, 6, -1])
def test_a_vote_on_what_cannot_be_voted_on_is_refused(path: Path, review: Review, index: int) -> None:
    with pytest.raises(DataError, match="has no replies to vote on"):
        vote(path, review, index, "left")


def test_an_unknown_choice_is_refused_with_the_known_ones(path: Path, review: Review) -> None:
    with pytest.raises(DataError, match='"middle" is not known; use one of: left, right, tie, both_bad'):
        vote(path, review, 0, "middle")


@pytest.mark.parametrize("torn", [1, 7, 40])
def test_a_torn_last_line_spoils_only_itself(path: Path, review: Review, torn: int) -> None:
    vote(path, review, 0, "left")
    vote(path, review, 1, "left")
    path.write_bytes(path.read_bytes()[:-torn])
    assert [cast.index for cast in read(path).votes] == ([0, 1] if torn == 1 else [0])
    vote(path, review, 2, "right")
    assert [cast.index for cast in read(path).votes] == ([0, 1, 2] if torn == 1 else [0, 2])


def test_votes_survive_a_process_that_is_killed_right_after_them(path: Path, review: Review) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from chatgui.evaluation.reviews import *\n"
        "path = Path(sys.argv[1]); found = read(path)\n"
        "for index in range(4): cast_vote(path, read(path), found.review(), index, reviewer='Ann', choice='tie')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], env=os.environ, timeout=60)
    assert done.returncode == -9
    assert [cast.index for cast in read(path).votes] == [0, 1, 2, 3]


def test_a_line_of_a_later_version_is_passed_over(path: Path, review: Review) -> None:
    with path.open("a") as stream:
        stream.write('{"kind": "star", "stars": 5}\n{"kind": "vote", "choice": "middle"}\n[1]\n\n')
    vote(path, review, 0, "left")
    assert len(read(path).cast) == 1


def test_a_full_disk_is_told_and_leaves_no_half_line(path: Path, review: Review) -> None:
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, hard))
    try:
        with pytest.raises(OSError):
            vote(path, review, 0, "left")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old)
    assert path.read_bytes() == before


def test_a_review_takes_each_prompt_once_and_draws_by_seed() -> None:
    prompts = typed_prompts("a\n\nb\na\nc\n d \ne")
    assert [prompt[0]["content"] for prompt in prompts] == ["a", "b", "a", "c", "d", "e"]

    def drawn(seed: int, pairs: int = 3) -> tuple[reviews.Messages, ...]:
        return new_review(prompts, "typed", GenerationConfig(), pairs=pairs, seed=seed).prompts

    assert len(drawn(0, pairs=99)) == 5
    assert drawn(0) == drawn(0)
    assert len({str(drawn(seed)) for seed in range(12)}) > 3


def test_a_review_without_prompts_is_refused() -> None:
    with pytest.raises(DataError, match="there is no prompt to review"):
        new_review([], "typed", GenerationConfig(), pairs=3, seed=0)


def test_the_last_thumb_on_a_reply_counts(path: Path) -> None:
    prompt = [{"role": "user", "content": "hi"}]
    for reply, good in (("yes", True), ("no", True), ("no", False), ("so", True), ("so", None)):
        reviews.add_thumb(path, prompt, reply, "tuned", good)
    asked = (Message("user", "hi"),)
    assert read(path).judged() == [Judged(asked, "yes", True), Judged(asked, "no", False)]


@pytest.mark.parametrize(("given", "kept"), [("  Ann\n Lee ", "Ann Lee"), ("", "-"), ("王" * 99, "王" * 60)])
def test_a_reviewers_name_is_one_short_line(given: str, kept: str) -> None:
    assert reviews.reviewer_name(given) == kept
