"""What goes wrong outside of the program, done for real: each time a truthful end, a sentence, and nothing lost."""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from chatgui.config import RunConfig
from chatgui.events import Event, Failed, Finished, Notice, Stage, Step
from chatgui.runs.execute import execute
from chatgui.runs.journal import HEARTBEAT_SECONDS
from chatgui.runs.store import ENDED, Run, create_run, silent_seconds, step_of
from chatgui.runs.worker import OUTPUT
from chatgui.text import languages, say
from tests.runs.conftest import Open, curve, wait_for, wait_until

Make = Callable[..., RunConfig]
Start = Callable[[Run], int]
SERVER = """
import sys, time
from pathlib import Path
from chatgui.runs.workspace import Workspace
workspace = Workspace(Path(sys.argv[1]))
workspace.training.start()
import signal
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
try:
    while True: time.sleep(0.05)
finally:
    workspace.training.close()
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("mounting a disk needs rights this user does not have")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def open_server() -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """The part of a page server that looks after the runs, in a process of its own."""
    servers = []

    def begin(home: Path, **environment: str) -> "subprocess.Popen[bytes]":
        server = subprocess.Popen([sys.executable, "-c", SERVER, home], env={**os.environ, **environment})
        servers.append(server)
        return server

    yield begin
    for server in servers:
        server.kill()
        server.wait()


def at_step(number: int, action: Callable[[], object]) -> Callable[[Event], None]:
    """A listener that acts once, when that step is told."""

    def listen(event: Event) -> None:
        if isinstance(event, Step) and event.step == number:
            action()

    return listen


def sentence(run: Run) -> str:
    message = run.state().message
    for language in languages():
        assert "{" not in say(message["key"], language, **message["values"])
    return str(message["key"])


@pytest.fixture
def straight(home: Path, make_config: Make) -> Run:
    """Eight undisturbed steps."""
    run = create_run(home, make_config(max_steps=8, checkpoint_steps=2))
    assert execute(run)
    return run


# ---- disks -----------------------------------------------------------------------------------------------------------


def test_a_disk_that_fills_up_keeps_the_last_checkpoint_and_the_run_goes_on_when_there_is_room(
    disk: Path, make_config: Make, straight: Run
) -> None:
    run = create_run(disk, make_config(max_steps=8, checkpoint_steps=2))
    filler = disk / "filler"

    def fill() -> None:
        with suppress(OSError), filler.open("wb", buffering=0) as stream:
            while stream.write(bytes(4096)):
                pass

    assert not execute(run, at_step(5, fill))
    assert (run.state().state, sentence(run)) == ("failed", "run.disk_full")
    assert [folder.name for folder in run.checkpoints()] == ["step-000002", "step-000004"]
    filler.unlink()
    run.reopen(resume=True)
    assert execute(run)
    assert curve(run) == curve(straight)


def test_a_disk_that_becomes_read_only_is_told_and_the_run_goes_on_when_it_can_be_written(
    disk: Path, make_config: Make, straight: Run
) -> None:
    run = create_run(disk, make_config(max_steps=8, checkpoint_steps=2))
    heard: list[Event] = []

    def listen(event: Event) -> None:
        heard.append(event)
        if isinstance(event, Step) and event.step == 5:
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)

    assert not execute(run, listen)
    end = heard[-1]
    assert isinstance(end, Failed)
    assert (end.key, end.values["reason"]) == ("run.cannot_write", os.strerror(errno.EROFS))
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    run.set_state(pid=None)  # this test's process lives on, a worker would not
    assert run.state().state == "interrupted"
    run.reopen(resume=True)
    assert execute(run)
    assert curve(run) == curve(straight)


def test_a_run_whose_folder_is_deleted_ends_with_a_sentence_and_does_not_come_back(
    home: Path, make_config: Make
) -> None:
    run = create_run(home, make_config(max_steps=8, checkpoint_steps=2))
    heard: list[Event] = []

    def listen(event: Event) -> None:
        heard.append(event)
        if isinstance(event, Step) and event.step == 3:
            shutil.rmtree(run.folder)

    assert not execute(run, listen)
    assert [event.key for event in heard if isinstance(event, Failed)] == ["run.folder_gone"]
    assert not run.folder.exists()


# ---- clocks ----------------------------------------------------------------------------------------------------------


def test_a_clock_that_jumps_changes_nothing(
    home: Path, make_config: Make, straight: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, jumps = time.time, random.Random(0)
    monkeypatch.setattr(time, "time", lambda: now() + jumps.uniform(-1, 1) * 10**7)
    monkeypatch.setattr("psutil.Process.create_time", lambda process: now() + jumps.uniform(-1, 1) * 10**7)
    run = create_run(home, make_config(max_steps=8, checkpoint_steps=2))
    seen: list[tuple[str, float]] = []

    def look(event: Event) -> None:
        if isinstance(event, Step):
            seen.append((run.state().state, silent_seconds(run.state())))

    assert execute(run, look)
    assert {state for state, _ in seen} == {"running"}
    assert max(seconds for _, seconds in seen) < 60
    assert curve(run) == curve(straight)
    seconds = [event.seconds for event in run.events() if isinstance(event, Step)]
    assert seconds == sorted(seconds)


# ---- signals ---------------------------------------------------------------------------------------------------------


def test_a_worker_that_is_told_to_end_writes_a_checkpoint_and_can_be_resumed(
    home: Path, make_config: Make, start: Start
) -> None:
    run = create_run(home, make_config(max_steps=200, checkpoint_steps=150))
    pid = start(run)
    wait_for(run, "running")
    os.kill(pid, signal.SIGTERM)
    wait_for(run, "interrupted")
    assert sentence(run) == "run.terminated"
    step = run.state().message["values"]["step"]
    assert [step_of(folder) for folder in run.checkpoints()] == [step]
    ends = [event for event in run.events() if isinstance(event, Finished)]
    assert [(event.step, event.reason) for event in ends] == [(step, "interrupted")]
    run.reopen(resume=True)
    start(run)
    wait_for(run, "finished")
    assert [event.step for event in run.events() if isinstance(event, Step)] == list(range(1, 201))


@pytest.mark.slow
def test_a_space_that_goes_to_sleep_takes_its_worker_along(
    home: Path, make_config: Make, open_server: Callable[..., "subprocess.Popen[bytes]"]
) -> None:
    home.mkdir()
    run = create_run(home, make_config(max_steps=10**6, checkpoint_steps=10**6))
    server = open_server(home, SPACE_ID="someone/space")
    wait_for(run, "running")
    server.terminate()
    assert server.wait(timeout=60) == 0
    assert (run.state().state, sentence(run), len(run.checkpoints())) == ("interrupted", "run.terminated", 1)


def test_a_worker_that_hangs_is_noticed_and_a_long_stage_is_not_taken_for_one(
    home: Path, make_config: Make, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create_run(home, make_config(max_steps=10**6, checkpoint_steps=10**6))
    pid = start(run)
    wait_for(run, "running")
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: silent_seconds(run.state()) > 2)
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: silent_seconds(run.state()) < 1)
    os.kill(pid, signal.SIGKILL)
    wait_for(run, "interrupted")

    monkeypatch.setattr("chatgui.runs.journal.HEARTBEAT_SECONDS", 0.1)
    assert HEARTBEAT_SECONDS < 10
    slow = create_run(home, make_config(max_steps=1))
    silences: list[float] = []

    def linger(event: Event) -> None:
        if isinstance(event, Stage) and event.name == "saving":
            time.sleep(2)
            silences.append(silent_seconds(slow.state()))

    assert execute(slow, linger)
    assert max(silences) < 1.5


# ---- servers ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_worker_that_dies_before_its_log_opens_leaves_its_last_words(
    home: Path, make_config: Make, open_thread: Open, quiet: None,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "peft.py").write_text("raise ImportError('peft is broken here')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(broken), os.environ.get("PYTHONPATH", "")]))
    run = create_run(home, make_config())
    open_thread(home)
    wait_until(lambda: run.state().state in ENDED)
    wait_for(run, "failed")
    assert sentence(run) == "run.crashed"
    assert run.state().message["values"]["reason"] == "ImportError: peft is broken here"
    assert "Traceback" in run.log.read_text(encoding="utf-8")
    assert "Traceback" in (home / OUTPUT).read_text(encoding="utf-8")


@pytest.mark.slow
def test_of_two_servers_on_one_home_one_trains_each_run_once_and_the_other_takes_over(
    home: Path, make_config: Make, open_server: Callable[..., "subprocess.Popen[bytes]"]
) -> None:
    home.mkdir()
    first, last = create_run(home, make_config(max_steps=10**6)), create_run(home, make_config())
    servers = [open_server(home) for _ in range(2)]
    wait_for(first, "running")
    servers[0].kill()  # whether it owned the home or not
    first.request_stop()
    wait_for(last, "finished")
    assert (first.state().state, servers[1].poll()) == ("stopped", None)
    for run in (first, last):
        names = [event.name for event in run.events() if isinstance(event, Stage)]
        assert names == ["imports", "data", "model", "training", "saving"]


# ---- checkpoints -----------------------------------------------------------------------------------------------------


def test_a_damaged_checkpoint_is_said_and_the_one_before_it_is_used(
    home: Path, make_config: Make, straight: Run
) -> None:
    run = create_run(home, make_config(max_steps=8, checkpoint_steps=2))
    execute(run, at_step(7, run.request_pause))
    newest = run.checkpoints()[-1]
    assert newest.name == "step-000007"
    for file in newest.iterdir():
        file.write_bytes(file.read_bytes()[:20])
    run.reopen(resume=True)
    assert execute(run)
    assert [event.values["step"] for event in run.events() if isinstance(event, Notice)] == [7]
    assert curve(run) == curve(straight)


def test_a_run_without_any_readable_checkpoint_begins_anew(home: Path, make_config: Make, straight: Run) -> None:
    run = create_run(home, make_config(max_steps=8, checkpoint_steps=2))
    execute(run, at_step(3, run.request_pause))
    for folder in run.checkpoints():
        (folder / "weights.safetensors").unlink()
    run.reopen(resume=True)
    assert execute(run)
    assert curve(run) == curve(straight)


def test_what_has_changed_since_the_checkpoint_is_said_once(
    home: Path, make_config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create_run(home, make_config(max_steps=8, checkpoint_steps=2))
    execute(run, at_step(3, run.request_pause))
    monkeypatch.setattr("chatgui.runs.checkpoints.version", lambda name: "0.0" if name == "peft" else "1.0")
    for step in (5, 7):
        run.reopen(resume=True)
        assert execute(run, at_step(step, run.request_pause))
    notices = [event for event in run.events() if isinstance(event, Notice)]
    assert {str(event.values["what"]) for event in notices} == {"torch", "transformers", "peft", "accelerate"}
    assert len(notices) == 4
    assert "peft" in say(notices[2].key, "zh", **notices[2].values)
