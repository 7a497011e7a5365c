from pathlib import Path

import pytest

from chatgui.config import RunConfig
from chatgui.events import Event, Notice, Resumed, Step
from chatgui.runs import follow
from chatgui.runs.follow import CURVES_KEPT, Follower, Followers
from chatgui.runs.store import Run, create_run


def step(number: int, loss: float = 2.0) -> Step:
    return Step(number, 0.1, 10, 1.0, loss, 1e-3, 1.0, 10.0)


@pytest.fixture
def run(home: Path) -> Run:
    run = create_run(home, RunConfig())
    for number in (1, 2):
        run.append(step(number))
    return run


def test_each_look_reads_only_what_is_new(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = Follower(run)
    follower.look(100)
    asked: list[int] = []
    read = Run.events_since

    def note(run: Run, offset: int, most_bytes: int = -1) -> tuple[list[Event], int]:
        asked.append(offset)
        return read(run, offset, most_bytes)

    monkeypatch.setattr(Run, "events_since", note)
    version, size = follower.version, (run.folder / "events.jsonl").stat().st_size
    follower.look(100)
    assert follower.version == version
    run.append(step(3, 1.5))
    follower.look(100)
    assert follower.version != version
    assert min(asked) == size
    assert follower.curves.array("loss").tolist() == [2.0, 2.0, 1.5]
    assert follower.last_step == step(3, 1.5)


def test_a_long_file_is_read_in_pieces_to_its_end(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "PIECE_BYTES", 50)  # less than a line
    follower = Follower(run)
    follower.look(100)
    assert len(follower.curves) == 2


def test_a_resume_takes_steps_back_and_keeps_the_notices(run: Run) -> None:
    follower = Follower(run)
    run.append(Notice("run.rows_cut", {"count": 1, "limit": 2}))
    follower.look(100)
    for event in (Resumed(1), step(2, 1.0)):
        run.append(event)
    follower.look(100)
    assert follower.curves.array("loss").tolist() == [2.0, 1.0]
    assert len(follower.notices) == 1


def test_of_a_run_begun_anew_only_the_new_curve_is_left(run: Run) -> None:
    follower = Follower(run)
    follower.look(100)
    run.forget_events()
    for number in (1, 2, 3):
        run.append(step(number, 7.0))
    follower.look(100)
    assert follower.curves.array("loss").tolist() == [7.0, 7.0, 7.0]


def test_only_so_many_curves_stay_in_memory(home: Path) -> None:
    followers = Followers()
    runs = [create_run(home, RunConfig()) for _ in range(CURVES_KEPT + 1)]
    first = followers.of(runs[0], 10)
    assert followers.of(runs[0], 10) is first
    for run in runs[1:]:
        followers.of(run, 10)
    assert followers.of(runs[0], 10) is not first
