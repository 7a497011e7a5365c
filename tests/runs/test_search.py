"""Hyperparameter search: ranges, and a driver that is killed."""

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chatgui.config import RunConfig
from chatgui.errors import ConfigError, RunError
from chatgui.events import Evaluation
from chatgui.runs.driving import drive
from chatgui.runs.notes import read_notes
from chatgui.runs.queue import next_run
from chatgui.runs.ranges import Range, parse_range, with_value
from chatgui.runs.search import (
    Search,
    SearchConfig,
    create_search,
    find_search,
    pictures,
    read_search,
)  # fmt: skip
from chatgui.runs.store import LIVE, create_run, find_run, list_runs
from tests.conftest import ROOT

RATES = (Range("training.learning_rate", 1e-4, 1e-1, log=True),)


def test_a_range_is_read_as_it_is_written() -> None:
    assert parse_range("training.learning_rate", "1e-4..1e-2 log") == Range(
        "training.learning_rate", 1e-4, 1e-2, log=True
    )
    assert parse_range("adapter.rank", " 4 ..  64") == Range("adapter.rank", 4, 64, whole=True)
    assert parse_range("adapter.rank", "4, 8") == Range("adapter.rank", choices=(4, 8))
    assert parse_range("training.schedule", "cosine,linear").choices == ("cosine", "linear")


@pytest.mark.parametrize(
    ("field", "text", "sentence"),
    [
        ("training.learning_rate", "1e-2..1e-4", "low end first"),
        ("training.learning_rate", "0..1 log", "above 0 for log"),
        ("training.learning_rate", "fast..slow", "cannot be searched"),
        ("adapter.rank", "8", "two or more values"),
        ("training.schedule", "cosine..linear", "list its values"),
        ("training.speed", "1..2", "training.speed"),
    ],
)
def test_a_range_that_makes_no_sense_is_told(field: str, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse_range(field, text)


def test_an_end_that_the_field_does_not_allow_is_told_before_the_first_trial(home: Path) -> None:
    with pytest.raises(ConfigError, match="learning_rate"):
        create_search(home, RunConfig(), SearchConfig(), (Range("training.learning_rate", 1e-3, 2.0),))
    assert not (home / "searches").exists()


def test_a_field_of_another_method_is_refused(home: Path) -> None:
    config = RunConfig.model_validate({"adapter": {"kind": "full"}})
    with pytest.raises(ConfigError, match=r"adapter\.rank has no effect"):
        create_search(home, config, SearchConfig(), (Range("adapter.rank", choices=(4, 8)),))


def test_a_config_file_may_say_what_is_searched_and_flags_add_to_it(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "training: {epochs: 1}\nsearch:\n  trials: 5\n  ranges: {training.learning_rate: 1e-4..1e-2 log}\n",
        encoding="utf-8",
    )
    config, settings, ranges = read_search(file, {"training.seed": "3"}, {"trials": "7"}, ["adapter.rank=4,8"])
    assert (config.training.epochs, config.training.seed, settings.trials) == (1.0, 3, 7)
    assert [range_.field for range_ in ranges] == ["training.learning_rate", "adapter.rank"]


def test_a_search_that_is_not_there_is_named(home: Path) -> None:
    with pytest.raises(RunError, match="no search nothing"):
        find_search(home, "nothing")


def driver(search: Search) -> "subprocess.Popen[bytes]":
    with said_by_drivers(search).open("ab") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", "chatgui", "search", search.id, "--home", str(search.home)],
            stdout=stream, stderr=stream, start_new_session=True,
        )  # fmt: skip


def said_by_drivers(search: Search) -> Path:
    """What all drivers of the search printed, one behind the other."""
    return search.home.parent / "drivers.txt"


def wait_for_trials(search: Search, ended: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 300
    while True:
        assert process.poll() is None, said_by_drivers(search).read_text()
        trials = search.trials()
        if trials and trials[-1]["run"] and sum(trial["state"] != "running" for trial in trials) >= ended:
            return
        assert time.monotonic() < end, "the search does not get on"
        time.sleep(0.05)


@pytest.fixture
def small(home: Path, make_config: Callable[..., RunConfig]) -> Iterator[Search]:
    """A search of 12 short trials; whatever still trains at the end of the test is ended."""
    config = make_config(max_steps=4, checkpoint_steps=100, evaluation_steps=2)
    config = with_value(config, {"data.validation_fraction": 0.2})
    yield create_search(home, config, SearchConfig(trials=12), RATES)
    for run in list_runs(home):
        if run.state().state in LIVE and (pid := run.state().pid):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_search_killed_twice_ends_with_all_its_trials_and_the_right_best_one(small: Search) -> None:
    for ended in (2, 5):
        process = driver(small)
        wait_for_trials(small, ended, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert driver(small).wait(timeout=550) == 0, said_by_drivers(small).read_text()
    rows = small.trials()
    assert [row["trial"] for row in rows] == list(range(12))
    assert {row["state"] for row in rows} <= {"complete", "pruned"}
    runs = list_runs(small.home)
    assert sorted(run.id for run in runs) == sorted(row["run"] for row in rows)
    assert all(read_notes(run).tags == (f"search:{small.id}",) for run in runs)
    losses = {run.id: run.state().result["validation_loss"] for run in runs if run.state().state == "finished"}
    found = small.best()
    assert found
    row, config = found
    assert row["run"] == min(losses, key=lambda run: losses[run])
    assert config == find_run(small.home, row["run"]).config
    assert set(pictures(small)) == {"optimization_history", "param_importances", "parallel_coordinate"}


def tried_by(home: Path, how: str) -> tuple[int, list[dict[str, Any]]]:
    """How many drivers a search of 8 trials took, and its trials."""
    search = create_search(home, RunConfig(), SearchConfig(trials=8, sampler="random"), RATES)
    done = subprocess.run(
        [sys.executable, "-m", "tests.runs.killed_drivers", search.folder, how],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    trials = search.trials()
    assert [trial["trial"] for trial in trials] == list(range(8))
    assert {trial["state"] for trial in trials} <= {"complete", "pruned"}
    runs = list_runs(home)
    assert sorted(run.id for run in runs) == sorted(trial["run"] for trial in trials)
    assert all(read_notes(run).tags == (f"search:{search.id}",) for run in runs)
    return int(done.stdout.split()[-1]), trials


@pytest.mark.slow
def test_drivers_killed_before_every_write_try_what_a_spared_one_tries(tmp_path: Path) -> None:
    """Each dies one write later than the last, some of them with half a line in Optuna's record."""
    drivers, spared = tried_by(tmp_path / "spared", "--spared")
    assert drivers == 1
    for how in ("--killed", "--torn"):
        drivers, trials = tried_by(tmp_path / how, how)
        assert drivers > 20
        assert [trial["training.learning_rate"] for trial in trials] == [t["training.learning_rate"] for t in spared]


def test_a_run_whose_making_broke_off_is_made(home: Path) -> None:
    (home / "runs" / "half").mkdir(parents=True)
    (home / "runs" / "half" / "config.yaml").write_text("task: {ki")
    run = create_run(home, RunConfig(), run_id="half")
    assert (run.state().state, run.config) == ("queued", RunConfig())
    with pytest.raises(RunError, match="File exists"):
        create_run(home, RunConfig(), run_id="half")
    assert run.state().state == "queued"


def test_looking_at_a_search_writes_nothing(small: Search) -> None:
    assert (small.trials(), small.best()) == ([], None)
    assert sorted(file.name for file in small.folder.iterdir()) == ["config.yaml", "search.yaml"]
    small.study()
    size = small.journal.stat().st_size
    assert small.trials() == []
    assert small.journal.stat().st_size == size


class Ended:
    """A queue that trains as a worker would whose losses are no numbers."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def start(self) -> None:
        self.thread = threading.Thread(target=self.train, daemon=True)
        self.thread.start()

    def train(self) -> None:
        for number in range(2):
            while not (run := next_run(self.home)):
                time.sleep(0.01)
            run.claim(os.getpid())
            loss = 1.0 if number else math.nan
            run.append(Evaluation(4, "validation", loss))
            run.set_state(state="finished", result={"validation_loss": loss if number else None})

    def close(self) -> None:
        self.thread.join()


def test_a_trial_whose_loss_is_no_number_has_failed_and_the_search_goes_on(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatgui.runs.driving.TrainingThread", Ended)
    search = create_search(home, RunConfig(), SearchConfig(trials=2), RATES)
    drive(search)
    assert [trial["state"] for trial in search.trials()] == ["fail", "complete"]


@pytest.mark.slow
def test_a_second_driver_is_refused(small: Search) -> None:
    process = driver(small)
    try:
        wait_for_trials(small, 0, process)
        with pytest.raises(RunError, match="already under way"):
            drive(small)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
