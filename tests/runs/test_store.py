import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from chatgui.config import RunConfig
from chatgui.errors import RunError
from chatgui.events import Event, Resumed, Step, to_line
from chatgui.runs.files import write_atomically
from chatgui.runs.process import started
from chatgui.runs.store import (
    CHECKPOINTS_KEPT,
    Run,
    State,
    create_run,
    find_run,
    home_folder,
    is_alive,
    list_runs,
    silent_seconds,
    summary,
)  # fmt: skip


def step(number: int) -> Step:
    return Step(number, 0.1, 10, 1.0, 2.0, 1e-3, 1.0, 10.0)


@pytest.fixture
def run(home: Path) -> Run:
    return create_run(home, RunConfig())


def live(run: Run) -> Run:
    """The run as if this process trained it."""
    run.claim(os.getpid())
    run.set_state(state="running")
    return run


def dead_process() -> tuple[int, str | None]:
    """A process that has ended; its number and its mark are still known."""
    worker = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mark = started(worker.pid)
    worker.communicate(b"\n")
    return worker.pid, mark


def test_a_new_run_is_queued_and_keeps_its_config(home: Path) -> None:
    config = RunConfig.model_validate({"training": {"epochs": 7}, "data": {"source": "my talks.jsonl"}})
    run = create_run(home, config)
    assert (run.state().state, run.config) == ("queued", config)
    assert run.folder.parent == home / "runs"
    assert "-my-talks-" in run.id


def test_a_run_begun_by_this_process_is_alive(home: Path) -> None:
    assert create_run(home, RunConfig(), state="starting").state().state == "starting"


def test_a_live_run_whose_process_is_gone_reads_interrupted(run: Run) -> None:
    pid, mark = dead_process()
    run.set_state(state="running", pid=pid, pid_started=mark, step=7)
    state = run.state()
    assert (state.state, state.step, state.message["key"]) == ("interrupted", 7, "run.interrupted")


def test_a_live_run_without_a_process_reads_interrupted(run: Run) -> None:
    run.set_state(state="running")
    assert run.state().state == "interrupted"


def test_a_number_that_another_process_got_is_not_the_worker() -> None:
    assert is_alive(State("running", 0.0, pid=os.getpid(), pid_started=started()))
    assert not is_alive(State("running", 0.0, pid=os.getpid(), pid_started=started(1)))


def test_a_live_run_that_gives_no_sign_of_life_is_noticed_without_the_wall_clock(run: Run) -> None:
    run.set_state(state="running", pid=os.getpid(), pid_started=started(), heartbeat=time.monotonic() - 100)
    assert 100 <= silent_seconds(run.state()) < 150
    run.set_state(state="finished")
    assert silent_seconds(run.state()) == 0


def test_a_dead_process_on_a_full_or_read_only_disk_is_told_as_that(home: Path, small_disk: Path) -> None:
    pid, mark = dead_process()
    run = create_run(small_disk, RunConfig())
    run.set_state(state="running", pid=pid, pid_started=mark)
    assert run.state().message["key"] == "run.interrupted_full"  # 256 KiB are full from the start
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert run.state().message["key"] == "run.interrupted_read_only"


def test_a_run_without_a_readable_state_is_told(run: Run) -> None:
    (run.folder / "state.json").write_text('{"state": "run', encoding="utf-8")
    with pytest.raises(RunError, match=r"state\.json is missing or broken"):
        run.state()


def test_a_field_of_a_later_version_is_passed_over(run: Run) -> None:
    values = json.loads((run.folder / "state.json").read_text(encoding="utf-8"))
    (run.folder / "state.json").write_text(json.dumps({**values, "mood": "good"}), encoding="utf-8")
    assert run.state().state == "queued"


def test_a_reader_never_sees_half_a_text(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    texts = {letter * 50_000 for letter in "ab"}
    write_atomically(path, "a" * 50_000)
    done = threading.Event()

    def write() -> None:
        for _ in range(20):
            for text in texts:
                write_atomically(path, text)
        done.set()

    threading.Thread(target=write).start()
    while not done.is_set():
        assert path.read_text(encoding="utf-8") in texts
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]


def test_events_are_read_from_where_the_reader_was(run: Run) -> None:
    assert run.events_since(0) == ([], 0)
    run.append(step(1))
    events, offset = run.events_since(0)
    run.append(step(2))
    assert events == [step(1)]
    assert run.events_since(offset)[0] == [step(2)]


def test_a_torn_last_line_waits_for_its_rest(run: Run) -> None:
    line = to_line(step(2)) + "\n"
    run.append(step(1))
    with (run.folder / "events.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(line[:20])
        stream.flush()
        events, offset = run.events_since(0)
        stream.write(line[20:])
    assert events == [step(1)]
    assert run.events_since(offset)[0] == [step(2)]


def test_a_torn_line_in_the_middle_costs_only_itself(run: Run) -> None:
    run.append(step(1))
    with (run.folder / "events.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"type": "step", "st\n')
    run.append(step(2))
    assert run.events() == [step(1), step(2)]


def test_events_that_were_taken_back_do_not_count(run: Run) -> None:
    events: list[Event] = [step(1), step(2), Resumed(1), step(2)]
    for event in events:
        run.append(event)
    assert run.events() == [step(1), Resumed(1), step(2)]


def test_a_torn_last_line_is_taken_away_before_the_next_event(run: Run) -> None:
    run.append(step(1))
    with (run.folder / "events.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"type": "step", ' + " " * 10_000)
    run.mend_events()
    run.append(step(2))
    assert run.events() == [step(1), step(2)]
    (run.folder / "events.jsonl").write_text("torn", encoding="utf-8")
    run.mend_events()
    assert (run.folder / "events.jsonl").read_bytes() == b""


@pytest.mark.parametrize(("discard", "wish"), [(False, "keep"), (True, "discard")])
def test_a_wish_to_stop_is_seen_by_the_worker_and_by_readers(run: Run, discard: bool, wish: str) -> None:
    live(run)
    assert run.stop_request() is None
    run.request_stop(discard=discard)
    assert (run.stop_request(), run.state().state) == (wish, "stopping")


def test_a_queued_run_is_stopped_at_once(run: Run) -> None:
    run.request_stop()
    assert (run.state().state, run.state().message["key"]) == ("stopped", "run.stopped_in_queue")


def test_a_run_that_stops_after_its_epoch_still_reads_as_running(run: Run) -> None:
    live(run).request_stop(after_epoch=True)
    assert (run.stop_request(), run.state().state) == ("epoch", "running")


def test_a_wish_can_be_taken_back(run: Run) -> None:
    live(run).request_pause()
    assert (run.stop_request(), run.state().state) == ("pause", "stopping")
    run.withdraw_stop()
    assert (run.stop_request(), run.state().state) == (None, "running")


def test_a_queued_run_that_is_paused_leaves_the_queue_until_it_is_resumed(run: Run) -> None:
    run.request_pause()
    assert (run.state().state, run.state().message["key"]) == ("paused", "run.paused_in_queue")
    run.reopen(resume=True)
    assert (run.state().state, run.stop_request()) == ("queued", None)


def test_a_run_that_does_not_wait_cannot_be_claimed(run: Run) -> None:
    live(run)
    with pytest.raises(RunError, match="does not wait in the queue"):
        run.claim(os.getpid())


def test_a_run_that_has_ended_cannot_be_stopped(run: Run) -> None:
    run.set_state(state="finished")
    with pytest.raises(RunError, match=r"is not running \(state: finished\)"):
        run.request_stop()


def test_a_resumed_run_has_forgotten_its_old_stop_but_not_its_events(run: Run) -> None:
    live(run).append(step(1))
    (run.folder / "checkpoints" / "step-000001").mkdir(parents=True)
    run.request_stop()
    run.set_state(state="stopped")
    run.reopen(resume=True)
    assert (run.state().state, run.stop_request(), run.events()) == ("queued", None, [step(1)])


def test_a_run_without_a_checkpoint_is_resumed_from_the_start(run: Run) -> None:
    run.append(step(1))
    run.set_state(state="failed", step=1)
    run.reopen(resume=True)
    assert (run.events(), run.state().step) == ([], 0)


def test_a_run_begun_anew_forgets_what_it_had(run: Run) -> None:
    run.append(step(1))
    (run.folder / "checkpoints" / "step-000001").mkdir(parents=True)
    run.set_state(state="failed")
    run.reopen(resume=False)
    assert (run.events(), run.checkpoints()) == ([], [])


def test_a_live_run_is_neither_reopened_nor_deleted(run: Run) -> None:
    live(run)
    with pytest.raises(RunError, match="is still running"):
        run.reopen(resume=True)
    with pytest.raises(RunError, match="is still running"):
        run.delete()
    assert run.folder.is_dir()


def test_delete_removes_the_folder(run: Run) -> None:
    run.delete()
    assert not run.folder.exists()


def test_the_newest_checkpoints_are_kept_and_the_best(run: Run) -> None:
    for number in (5, 10, 15, 1_000_000, 999_999):
        (run.folder / "checkpoints" / f"step-{number:06d}").mkdir(parents=True)
    (run.folder / "checkpoints" / ".step-1000001").mkdir()  # not yet whole
    run.thin_checkpoints({0: 0.5, 5: 2.0, 10: 1.0, 15: 1.5, 999_999: 1.25})  # of step 0 there is no checkpoint
    assert [folder.name for folder in run.checkpoints()] == ["step-000010", "step-999999", "step-1000000"]
    assert CHECKPOINTS_KEPT == 2


def test_of_checkpoints_without_a_validation_loss_the_newest_are_kept(run: Run) -> None:
    for number in (5, 10, 15):
        (run.folder / "checkpoints" / f"step-{number:06d}").mkdir(parents=True)
    run.thin_checkpoints({})
    assert [folder.name for folder in run.checkpoints()] == ["step-000010", "step-000015"]


def test_a_run_without_a_result_says_so(run: Run) -> None:
    with pytest.raises(RunError, match=r"has kept no result \(state: queued\)"):
        run.result_folder()


def test_a_run_is_found_by_id_beginning_end_and_folder(home: Path) -> None:
    run = create_run(home, RunConfig())
    for name in (run.id, run.id[:12], run.id[-4:], str(run.folder), "last"):
        assert find_run(home, name).folder == run.folder


def test_the_last_run_is_the_newest(home: Path) -> None:
    runs = []
    for _ in range(2):
        runs.append(create_run(home, RunConfig()))
        time.sleep(1.1)  # the id counts seconds
    assert find_run(home, "last").id == runs[1].id
    assert [run.id for run in list_runs(home)] == [runs[1].id, runs[0].id]


def test_a_beginning_that_fits_two_runs_is_refused_with_both(home: Path) -> None:
    runs = [create_run(home, RunConfig()) for _ in range(2)]
    with pytest.raises(RunError, match="fits several runs") as caught:
        find_run(home, runs[0].id[:4])
    assert all(run.id in str(caught.value) for run in runs)


def test_an_unknown_run_is_refused_with_the_newest_ones(run: Run, home: Path) -> None:
    with pytest.raises(RunError, match=f"there is no run nowhere in .*{run.id}"):
        find_run(home, "nowhere")


def test_an_empty_home_has_no_last_run(home: Path) -> None:
    assert list_runs(home) == []
    with pytest.raises(RunError, match="there is no run last"):
        find_run(home, "last")


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match="nothing can be written here"):
        create_run(tmp_path / "file", RunConfig())


def test_the_home_is_the_option_then_the_environment(home: Path, tmp_path: Path) -> None:
    assert home_folder() == home
    assert home_folder(str(tmp_path)) == tmp_path


def test_the_summary_names_state_and_ingredients(run: Run) -> None:
    row = summary(run)
    assert {name: row[name] for name in ("run", "state", "task", "model", "data", "adapter", "steps")} == {
        "run": run.id, "state": "queued", "task": "chat", "model": "starter", "data": "support", "adapter": "lora",
        "steps": 0,
    }  # fmt: skip


def test_a_state_of_another_shape_is_told(run: Run) -> None:
    for text in ("[]", '{"mood": "good"}'):
        (run.folder / "state.json").write_text(text, encoding="utf-8")
        with pytest.raises(RunError, match="missing or broken"):
            run.state()


def test_no_name_is_no_run(run: Run, home: Path) -> None:
    with pytest.raises(RunError, match="there is no run"):
        find_run(home, "")


def test_events_of_a_run_begun_anew_are_read_from_the_start(run: Run) -> None:
    for number in (1, 2, 3):
        run.append(step(number))
    _, offset = run.events_since(0)
    (run.folder / "events.jsonl").unlink()
    run.append(step(1))
    events, after = run.events_since(offset)
    assert events == [step(1)]
    assert after < offset


def test_a_wish_that_cannot_be_written_is_told(run: Run) -> None:
    live(run)
    in_the_way = run.folder / f".stop.json.{os.getpid()}.{threading.get_native_id()}"  # as a read-only disk would be
    in_the_way.mkdir()
    with pytest.raises(RunError, match="nothing can be written here"):
        run.request_stop()
