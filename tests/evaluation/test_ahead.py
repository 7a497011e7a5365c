import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatgui.config import GenerationConfig
from chatgui.errors import ModelError
from chatgui.evaluation import ahead
from chatgui.evaluation.ahead import Ahead, missing
from chatgui.evaluation.reviews import Pair, Review, append, cast_vote, new_review, read, typed_prompts
from chatgui.generation.compare import compare_prompts
from chatgui.generation.pair import load_pair
from tests.finished import save_random_adapter
from tests.generation.conftest import config_of

SETTINGS = GenerationConfig(temperature=0, max_new_tokens=6)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "reviews.jsonl"


@pytest.fixture
def review(path: Path) -> Review:
    prompts = typed_prompts("\n".join(f"question {n}" for n in range(30)))
    made = new_review(prompts, "typed", SETTINGS, pairs=30, seed=0)
    append(path, made)
    return made


@pytest.fixture
def models(tiny_model: Path, tmp_path: Path) -> Any:
    """A base and an adapter of random numbers."""
    return load_pair(config_of(tiny_model), save_random_adapter(tiny_model, tmp_path / "adapter"))


def wait(condition: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def ready(path: Path) -> list[int]:
    return sorted(index for _, index in read(path).pairs)


def test_a_few_pairs_are_made_ahead_and_a_vote_asks_for_more(path: Path, review: Review, models: Any) -> None:
    maker = Ahead(path, review, lambda: models)
    maker.wake()
    wait(lambda: not maker.working)
    assert ready(path) == list(range(ahead.AHEAD_PAIRS))
    cast_vote(path, read(path), review, 4, reviewer="Ann", choice="tie")
    maker.wake()
    wait(lambda: not maker.working)
    assert ready(path) == list(range(5 + ahead.AHEAD_PAIRS))


def test_pairs_are_what_compare_gives(path: Path, review: Review, models: Any) -> None:
    maker = Ahead(path, review, lambda: models)
    maker.wake()
    wait(lambda: not maker.working)
    (row,) = compare_prompts(models, [review.prompts[7]], SETTINGS)
    pair = read(path).pairs[review.id, 7]
    assert (pair.base, pair.tuned) == (row["base"]["text"], row["tuned"]["text"])
    assert pair.votable


def test_it_goes_on_where_an_earlier_server_was_killed(path: Path, review: Review, models: Any) -> None:
    for index in (0, 1, 2, 5):
        append(path, Pair(review.id, index, "kept", "too"))
    maker = Ahead(path, review, lambda: models)
    maker.wake()
    wait(lambda: not maker.working)
    assert ready(path) == list(range(ahead.AHEAD_PAIRS))
    assert [read(path).pairs[review.id, index].base for index in (0, 1, 2, 5)] == ["kept"] * 4
    assert path.read_text().count('"kind": "pair"') == ahead.AHEAD_PAIRS


def test_it_stops_within_a_batch_and_resumes(path: Path, review: Review, models: Any) -> None:
    maker = Ahead(path, review, lambda: models)
    maker.wake()
    wait(lambda: ready(path))
    maker.stop(wait_seconds=30)
    made = len(ready(path))
    assert not maker.working
    assert made < ahead.AHEAD_PAIRS
    maker.wake()
    wait(lambda: not maker.working)
    assert len(ready(path)) == ahead.AHEAD_PAIRS


def test_equal_replies_are_no_stock(path: Path, review: Review) -> None:
    for index in range(ahead.AHEAD_PAIRS):
        append(path, Pair(review.id, index, "same", "same"))
    assert missing(read(path), review) == list(range(ahead.AHEAD_PAIRS, 2 * ahead.AHEAD_PAIRS))


def test_a_model_that_is_gone_is_told_and_can_be_tried_again(path: Path, review: Review, models: Any) -> None:
    answers: list[Any] = [ModelError("model.not_found", name="gone"), models]

    def load() -> Any:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    maker = Ahead(path, review, load)
    maker.wake()
    wait(lambda: not maker.working)
    assert isinstance(maker.error, ModelError)
    maker.wake()
    wait(lambda: not maker.working)
    assert maker.error is None
    assert len(ready(path)) == ahead.AHEAD_PAIRS
