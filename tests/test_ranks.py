"""A step's examples are dealt out by tokens, and nothing is lost."""

from chatgui.ranks import ALONE, Ranks


def test_every_example_goes_to_one_rank() -> None:
    lengths = [5, 90, 12, 40, 41, 7, 88, 3]
    shares = Ranks(1, 3).shares([0, 1, 3, 4, 6, 7], lengths)
    assert sorted(index for share in shares for index in share) == [0, 1, 3, 4, 6, 7]
    assert [sum(lengths[index] for index in share) for share in shares] == [90, 88, 89]


def test_all_ranks_deal_alike() -> None:
    lengths = [7] * 10
    assert Ranks(0, 2).shares(range(10), lengths) == Ranks(1, 2).shares(range(10), lengths)


def test_a_rank_may_go_without() -> None:
    assert Ranks(0, 4).shares([2, 0], [3, 9, 4]) == [[2], [0], [], []]


def test_one_process_keeps_the_order() -> None:
    assert ALONE.shares([4, 1, 3], [1, 2, 3, 4, 5]) == [[4, 1, 3]]
    assert ALONE.share_of_split([9, 1, 5]) == [0, 1, 2]


def test_a_split_is_measured_by_all_ranks_together() -> None:
    lengths = [9, 1, 5, 7, 3]
    shares = [Ranks(rank, 2).share_of_split(lengths) for rank in (0, 1)]
    assert shares == [[1, 2, 0], [4, 3]]
