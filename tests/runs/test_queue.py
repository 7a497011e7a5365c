from pathlib import Path

import pytest

from chatgui.config import RunConfig
from chatgui.errors import RunError
from chatgui.runs.queue import Rules, move, next_run, queued_runs, read_rules, rest_after, write_rules
from chatgui.runs.store import Run, create_run


@pytest.fixture
def waiting(home: Path) -> list[Run]:
    return [create_run(home, RunConfig()) for _ in range(3)]


def order(home: Path) -> list[str]:
    return [run.id for run in queued_runs(home)]


def test_runs_wait_in_the_order_they_came_whatever_their_names(home: Path, waiting: list[Run]) -> None:
    assert order(home) == [run.id for run in waiting]


@pytest.mark.parametrize(
    ("which", "by", "now"), [(2, -1, [0, 2, 1]), (0, 1, [1, 0, 2]), (0, 9, [1, 2, 0]), (0, -1, [0, 1, 2])]
)
def test_a_run_moves_in_the_queue_up_to_its_ends(
    home: Path, waiting: list[Run], which: int, by: int, now: list[int]
) -> None:
    move(home, waiting[which], by)
    assert order(home) == [waiting[index].id for index in now]


def test_a_resumed_run_waits_behind_the_others(home: Path, waiting: list[Run]) -> None:
    waiting[0].request_pause()
    waiting[0].reopen(resume=True)
    assert order(home) == [waiting[1].id, waiting[2].id, waiting[0].id]


def test_a_run_that_does_not_wait_cannot_be_moved(home: Path, waiting: list[Run]) -> None:
    waiting[0].request_stop()
    assert order(home) == [run.id for run in waiting[1:]]
    with pytest.raises(RunError, match="does not wait in the queue"):
        move(home, waiting[0], 1)


def test_the_rules_of_the_queue_outlive_the_program(home: Path) -> None:
    assert read_rules(home) == Rules(paused=False, continue_on_error=True)
    write_rules(home, Rules(paused=True, continue_on_error=False))
    assert read_rules(home) == Rules(paused=True, continue_on_error=False)
    (home / "queue.json").write_text("[1", encoding="utf-8")
    assert read_rules(home) == Rules()


def test_a_held_queue_begins_nothing(home: Path) -> None:
    run = create_run(home, RunConfig())
    write_rules(home, Rules(paused=True))
    assert next_run(home) is None
    write_rules(home, Rules())
    assert next_run(home) is not None and next_run(home).id == run.id  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("state", "continues", "held"), [("failed", True, False), ("failed", False, True), ("finished", False, False)]
)
def test_after_a_failure_the_queue_rests_only_when_it_is_told_to(
    home: Path, state: str, continues: bool, held: bool
) -> None:
    run = create_run(home, RunConfig(), state)
    write_rules(home, Rules(continue_on_error=continues))
    rest_after(home, run)
    assert read_rules(home).paused == held
