from pathlib import Path

from chatgui.config import RunConfig
from chatgui.events import Step
from chatgui.runs.journal import Journal
from chatgui.runs.store import create_run


def test_the_state_tells_how_long_the_run_still_needs(home: Path) -> None:
    run = create_run(home, RunConfig())
    with Journal(run, lambda event: None) as journal:
        journal.begin()
        journal.set_state(total_steps=100)
        assert run.state().seconds_left is None
        for number in range(1, 51):
            journal.emit(Step(number, 0.0, number, 2.0 * number, 1.0, 1e-3, 1.0, 1.0))
        journal.set_state()
    low, high = run.state().seconds_left or (0.0, 0.0)
    assert low < 100 < high
