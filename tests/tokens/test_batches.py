import random

import pytest

from chatgui.tokens.batches import collate, micro_batches, plan_epoch
from chatgui.tokens.example import IGNORE_INDEX, Example

LENGTHS = random.Random(7).choices(range(5, 200), k=101)


def test_every_example_comes_once_an_epoch() -> None:
    steps = plan_epoch(LENGTHS, batch_size=8, seed=0, epoch=0)
    assert sorted(index for step in steps for index in step) == list(range(101))
    assert sorted(map(len, steps)) == [5, *[8] * 12]


def test_the_order_is_that_of_the_seed_and_the_epoch() -> None:
    first, again = (plan_epoch(LENGTHS, 8, seed=3, epoch=1) for _ in range(2))
    assert first == again
    assert first != plan_epoch(LENGTHS, 8, seed=4, epoch=1)
    assert first != plan_epoch(LENGTHS, 8, seed=3, epoch=2)


def test_neighbours_of_like_length_save_padding() -> None:
    def padded(steps: list[list[int]]) -> int:
        return sum(max(LENGTHS[index] for index in step) * len(step) for step in steps)

    in_order = [list(range(start, min(start + 8, 101))) for start in range(0, 101, 8)]
    assert padded(plan_epoch(LENGTHS, 8, seed=0, epoch=0)) < 0.7 * padded(in_order)


@pytest.mark.parametrize("budget", [64, 200, 1000, 10**6])
def test_micro_batches_keep_to_the_budget_and_lose_nothing(budget: int) -> None:
    parts = list(micro_batches(range(101), LENGTHS, budget))
    assert sorted(index for part in parts for index in part) == list(range(101))
    for part in parts:
        assert len(part) == 1 or max(LENGTHS[index] for index in part) * len(part) <= budget


def test_an_example_longer_than_the_budget_stands_alone() -> None:
    assert list(micro_batches([0, 1, 2], [5, 500, 5], 100)) == [[0, 2], [1]]


def test_a_batch_is_padded_on_the_right_with_nothing_to_learn() -> None:
    batch = collate([Example((1, 2, 3), (IGNORE_INDEX, 2, 3)), Example((4, 5), (IGNORE_INDEX, 5))])
    assert batch.input_ids.tolist() == [[1, 2, 3], [4, 5, 0]]
    assert batch.labels.tolist() == [[IGNORE_INDEX, 2, 3], [IGNORE_INDEX, 5, IGNORE_INDEX]]
    assert (batch.tokens, batch.supervised) == (5, 3)


def test_rivals_lie_behind_their_example_and_count_as_its_tokens() -> None:
    pair = Example((1, 2), (-100, 2), target=(1.0,), rivals=(Example((3, 4, 5), (-100, 4, 5)),))
    batch = collate([pair, pair])
    assert batch.input_ids.tolist() == [[1, 2, 0], [3, 4, 5], [1, 2, 0], [3, 4, 5]]
    assert batch.lengths.tolist() == [2, 3, 2, 3]
    assert (batch.tokens, batch.supervised) == (10, 2)
    assert batch.targets is not None and batch.targets.tolist() == [[1.0], [1.0]]


def test_examples_without_a_target_have_none_in_the_batch() -> None:
    assert collate([Example((1, 2), (1, 2))]).targets is None


def test_a_packed_batch_lays_the_examples_end_to_end() -> None:
    examples = [Example((1, 2, 3), (1, 2, 3)), Example((4, 5), (IGNORE_INDEX, 5))]
    batch = collate(examples, packed=True)
    assert batch.input_ids.tolist() == [[1, 2, 3, 4, 5]]
    assert batch.labels.tolist() == [[IGNORE_INDEX, 2, 3, IGNORE_INDEX, 5]], "a first token has nothing before it"
    assert batch.position_ids is not None and batch.position_ids.tolist() == [[0, 1, 2, 0, 1]]
    assert (batch.tokens, batch.supervised, batch.sequence_lengths) == (5, 3, (3, 2))
    assert int((batch.labels != IGNORE_INDEX).sum()) == batch.supervised


@pytest.mark.parametrize("budget", [64, 200, 1000])
def test_without_padding_the_budget_counts_real_tokens(budget: int) -> None:
    parts = list(micro_batches(range(101), LENGTHS, budget, packed=True))
    assert sorted(index for part in parts for index in part) == list(range(101))
    assert all(len(part) == 1 or sum(LENGTHS[index] for index in part) <= budget for part in parts)
