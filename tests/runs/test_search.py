"""Hyperparameter search: ranges, and a driver that is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chatgui.config import RunConfig
from chatgui.errors import ConfigError, RunError
from chatgui.runs.notes import read_notes
from chatgui.runs.search import (
    Range,
    Search,
    SearchConfig,
    create_search,
    drive,
    find_search,
    parse_range,
    pictures,
    read_search,
    with_value,
)  # fmt: skip
from chatgui.runs.store import LIVE, find_run, list_runs

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
    return subprocess.Popen(
        [sys.executable, "-m", "chatgui", "search", search.id, "--home", str(search.home)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def wait_for_trials(search: Search, ended: int) -> None:
    end = time.monotonic() + 300
    while True:
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
        wait_for_trials(small, ended)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert driver(small).wait(timeout=550) == 0
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


@pytest.mark.slow
def test_a_second_driver_is_refused(small: Search) -> None:
    process = driver(small)
    try:
        wait_for_trials(small, 0)
        with pytest.raises(RunError, match="already under way"):
            drive(small)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
