"""The training thread over real worker processes. A worker's imports take seconds, so few tests share many facts."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chatgui.config import RunConfig
from chatgui.errors import RunError
from chatgui.events import Resumed, Step
from chatgui.runs.execute import execute
from chatgui.runs.store import ENDED, Run, create_run
from chatgui.runs.worker import POLL_SECONDS, TrainingThread, start_worker
from chatgui.text import say
from tests.runs.conftest import Open, wait_until

Make = Callable[..., RunConfig]
slow = pytest.mark.slow
LONG = 100_000
"""Steps that no test waits for."""


def has_ended(run: Run) -> bool:
    return run.state().state in ENDED


def steps(run: Run) -> list[int]:
    return [event.step for event in run.events() if isinstance(event, Step)]


# ---- the queue -------------------------------------------------------------------------------------------------------


@slow
def test_queued_runs_are_trained_in_order_and_a_failure_does_not_stop_the_next(
    home: Path, make_config: Make, open_thread: Open, tmp_path: Path
) -> None:
    configs = [make_config(), make_config(source=tmp_path / "nowhere.jsonl"), make_config()]
    runs = []
    for config in configs:
        runs.append(create_run(home, config))
        time.sleep(1.1)  # the id counts seconds
    open_thread(home)
    wait_until(lambda: all(map(has_ended, runs)))
    assert [run.state().state for run in runs] == ["finished", "failed", "finished"]
    assert [run.has_model for run in runs] == [True, False, True]
    assert runs[1].state().message["key"] == "data.not_found"
    assert steps(runs[0]) == [1, 2, 3]
    began = [run.state().pid_started or 0 for run in runs]
    assert began == sorted(began)


@slow
def test_a_killed_worker_leaves_an_interrupted_run_that_resumes_from_its_last_checkpoint(
    home: Path, make_config: Make, open_thread: Open, quiet: None
) -> None:
    run = create_run(home, make_config(max_steps=300, checkpoint_steps=20))
    thread = open_thread(home)
    wait_until(lambda: len(run.checkpoints()) == 2)
    os.kill(run.state().pid or 0, signal.SIGKILL)
    wait_until(run.marked_interrupted)
    assert run.state().message["key"] == "run.killed"
    assert "memory ran out" in say("run.killed")
    last = int(run.checkpoints()[-1].name.removeprefix("step-"))
    run.reopen(resume=True)
    thread.wake()
    wait_until(lambda: has_ended(run))
    assert (run.state().state, run.has_model) == ("finished", True)
    assert [event.step for event in run.events() if isinstance(event, Resumed)] == [last]
    assert steps(run) == list(range(1, 301))


@slow
@pytest.mark.parametrize("discard", [False, True])
def test_a_live_run_stops_and_keeps_what_it_learnt_unless_told_otherwise(
    home: Path, make_config: Make, open_thread: Open, quiet: None, discard: bool
) -> None:
    live = create_run(home, make_config(max_steps=LONG))
    open_thread(home)
    wait_until(lambda: live.state().state == "running")
    queued = create_run(home, make_config())
    queued.request_stop(discard=discard)
    assert (queued.state().state, queued.has_model) == ("stopped", False)
    live.request_stop(discard=discard)
    wait_until(lambda: has_ended(live))
    assert (live.state().state, live.has_model) == ("stopped", not discard)
    assert queued.state().state == "stopped"


# ---- servers ---------------------------------------------------------------------------------------------------------


@slow
def test_a_live_worker_outlives_its_server_and_the_next_one_finds_it(
    home: Path, make_config: Make, open_thread: Open, quiet: None
) -> None:
    run = create_run(home, make_config(max_steps=LONG))
    first = open_thread(home)
    wait_until(lambda: steps(run))
    worker = run.state().pid
    first.close()
    second = open_thread(home)
    wait_until(lambda: second.owns)
    waiting = create_run(home, make_config())
    second.wake()
    before = len(steps(run))
    wait_until(lambda: len(steps(run)) > before + 3)
    assert (run.state().state, run.state().pid) == ("running", worker)
    assert waiting.state().state == "queued"
    run.request_stop()
    wait_until(lambda: has_ended(waiting))
    assert (run.state().state, waiting.state().state) == ("stopped", "finished")


def test_of_two_servers_only_one_takes_runs(home: Path, open_thread: Open, quiet: None) -> None:
    first = open_thread(home)
    wait_until(lambda: first.owns)
    second = open_thread(home)
    time.sleep(0.5)
    assert not second.owns
    first.close()
    second.wake()
    wait_until(lambda: second.owns)


def test_a_thread_that_never_began_can_be_closed(tmp_path: Path) -> None:
    TrainingThread(tmp_path).close()


def test_a_run_nobody_can_read_does_not_stop_the_queue(home: Path, open_thread: Open, quiet: None) -> None:
    run = create_run(home, RunConfig())
    broken = create_run(home, RunConfig())
    (broken.folder / "state.json").write_text("[]", encoding="utf-8")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as worker:
        run.claim(worker.pid)
    open_thread(home)
    wait_until(run.marked_interrupted, 10)
    with pytest.raises(RunError):
        broken.state()


def test_trouble_with_the_disk_is_logged_once(
    home: Path, open_thread: Open, quiet: None, caplog: pytest.LogCaptureFixture
) -> None:
    run = create_run(home, RunConfig())
    (run.folder / "state.json").unlink()
    (run.folder / "state.json").mkdir()  # cannot be read as a file
    open_thread(home)
    wait_until(lambda: caplog.records, 10)
    time.sleep(1.0)
    assert len(caplog.records) == 1


# ---- the spare worker ------------------------------------------------------------------------------------------------


@slow
def test_the_spare_worker_leaves_when_its_input_closes(tmp_path: Path) -> None:
    spare = start_worker(tmp_path)
    assert spare.process.poll() is None
    spare.orders.close()
    assert spare.process.wait(timeout=120) == 0
    assert spare.words() == ""


def test_closing_the_thread_does_not_wait_for_a_spares_imports(home: Path, open_thread: Open) -> None:
    thread = open_thread(home)
    wait_until(lambda: thread._spare)
    spare = thread._spare
    assert spare
    thread.close()
    assert spare.process.poll() is not None


def test_the_next_spare_does_not_do_its_imports_while_a_run_takes_its_first_steps(
    home: Path, make_config: Make, open_thread: Open
) -> None:
    thread = open_thread(home)
    wait_until(lambda: thread._spare)
    create_run(home, make_config(max_steps=300))
    thread.wake()
    wait_until(lambda: thread._workers)
    time.sleep(3 * POLL_SECONDS)
    assert thread._spare is None


def test_another_trainer_takes_the_place_of_workers(home: Path, make_config: Make) -> None:
    """As on ZeroGPU: not in a main thread, and on behalf of whoever asks."""
    home.mkdir()
    thread = TrainingThread(home, execute)
    thread.start()
    run = create_run(home, make_config())
    time.sleep(3 * POLL_SECONDS)
    assert run.state().state == "queued", "nobody has asked for it"
    thread.wake()
    wait_until(lambda: has_ended(run))
    thread.close()
    assert (run.state().state, run.state().step, run.has_model) == ("finished", 3, True)
    assert thread._workers == []
