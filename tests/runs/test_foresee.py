import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from chatgui.config import ModelConfig, RunConfig, TrainingConfig
from chatgui.data.load import DataConfig
from chatgui.errors import RunError
from chatgui.events import Notice, Stage, Step
from chatgui.runs.execute import execute
from chatgui.runs.foresee import ask, is_wanted, keep_forecast, read_forecast, want_forecast
from chatgui.runs.store import create_run
from chatgui.runs.worker import start_worker
from chatgui.text import say
from chatgui.training.forecast import sentence
from tests.runs.conftest import curve


@pytest.fixture
def config(tiny_model: Path, conversations: Path) -> RunConfig:
    """Four steps of the tiny model."""
    return RunConfig(
        model=ModelConfig(name=str(tiny_model)), data=DataConfig(source=str(conversations)),
        training=TrainingConfig(max_steps=4, batch_size=4),
    )  # fmt: skip


def test_a_waiting_worker_makes_the_forecast_and_leaves(config: RunConfig, tmp_path: Path) -> None:
    worker = start_worker(tmp_path).process
    made = ask(worker, config)
    assert worker.returncode == 0
    assert made.steps == 4 and made.fits and 0 < made.seconds_low < made.seconds_high
    keep_forecast(tmp_path, made)
    assert read_forecast(tmp_path) == made


def test_the_reason_why_there_is_no_forecast_comes_back(config: RunConfig, tmp_path: Path) -> None:
    missing = config.model_copy(update={"data": DataConfig(source="/nowhere.jsonl")})
    with pytest.raises(RunError, match="nowhere"):
        ask(start_worker(tmp_path).process, missing)


def test_a_worker_that_dies_says_that_memory_may_be_out(config: RunConfig, tmp_path: Path) -> None:
    worker = start_worker(tmp_path).process
    worker.kill()
    with pytest.raises(RunError, match="memory"):
        ask(worker, config)


def test_it_can_be_broken_off(config: RunConfig, tmp_path: Path) -> None:
    worker: subprocess.Popen[str] = start_worker(tmp_path).process
    with pytest.raises(RunError):
        ask(worker, config, should_stop=lambda: True)
    assert worker.poll() is not None


def test_a_run_that_wants_one_begins_with_a_forecast_and_keeps_to_its_curve(config: RunConfig, home: Path) -> None:
    plain, run = create_run(home, config), create_run(home, config)
    want_forecast(run.folder)
    assert is_wanted(run.folder) and execute(plain) and execute(run)
    made = read_forecast(run.folder)
    assert made.steps == 4 and made.fits and made.peak_memory_bytes > 0
    assert curve(run) == curve(plain)
    stages = [event.name for event in run.events() if isinstance(event, Stage)]
    assert stages == ["imports", "data", "model", "forecast", "training", "saving"]
    (told,) = (event for event in run.events() if isinstance(event, Notice))
    assert say(told.key, "en", **told.values) == sentence(made, "en")
    assert not list(run.folder.glob(".forecast*"))


def test_a_run_that_does_not_fit_waits_with_the_reason_and_may_be_tried_all_the_same(
    config: RunConfig, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create_run(home, config)
    want_forecast(run.folder)
    monkeypatch.setattr("chatgui.runs.foresee._available", lambda device: 100 * 2**20)
    assert not execute(run)
    state = run.state()
    assert (state.state, state.message["key"], state.step) == ("paused", "forecast.held", 0)
    assert "0.10 GB are free" in say("forecast.held", "en", **state.message["values"])
    assert not [event for event in run.events() if isinstance(event, Step)]
    run.reopen(resume=True)
    assert execute(run) and run.state().state == "finished"


def test_the_command_line_prints_it_and_makes_no_run(
    config: RunConfig, chatgui: Callable[..., "subprocess.CompletedProcess[str]"], home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")), encoding="utf-8")
    done = chatgui("train", file, "--forecast", "--json")
    row: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 0 and row["steps"] == 4 and row["fits"] is True
    assert {"seconds_low", "seconds_high", "peak_memory_bytes", "advice"} <= set(row)
    assert not (home / "runs").exists()
