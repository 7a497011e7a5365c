"""Trackers get the curves of events.jsonl, and none of them can stop a run."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from chatgui.config import RunConfig
from chatgui.errors import ConfigError
from chatgui.events import Evaluation, Notice, Step
from chatgui.fields import build_flat
from chatgui.runs import trackers
from chatgui.runs.execute import execute
from chatgui.runs.store import Run, create_run
from chatgui.runs.trackers import curves

MakeConfig = Callable[..., RunConfig]


def read_by_tensorboard(run: Run) -> dict[str, list[tuple[int, float]]]:
    """Steps and values of each curve, by TensorBoard's own reader."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(run.folder / "tensorboard"), size_guidance={"scalars": 0})
    reader.Reload()
    return {tag: [(it.step, it.value) for it in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def written(run: Run) -> dict[str, list[tuple[int, float]]]:
    """The same of events.jsonl, in the precision of TensorBoard's files."""
    found: dict[str, list[tuple[int, float]]] = {}
    for event in run.events():
        for name, value in curves(event).items():
            found.setdefault(name, []).append((getattr(event, "step", -1), float(numpy.float32(value))))
    return found


def notices(run: Run) -> list[dict[str, Any]]:
    return [event.values for event in run.events() if isinstance(event, Notice) and event.key == "run.tracker_failed"]


def with_trackers(config: RunConfig, names: str) -> RunConfig:
    return config.model_copy(update={"trackers": names})


def test_tensorboard_reads_the_curves_of_the_events(home: Path, make_config: MakeConfig) -> None:
    run = create_run(home, with_trackers(make_config(max_steps=5, evaluation_steps=2), "tensorboard"))
    assert execute(run)
    assert read_by_tensorboard(run) == written(run)
    curve = written(run)["train/loss"]
    assert [step for step, _ in curve] == [1, 2, 3, 4, 5]
    assert len({value for _, value in curve}) == 5
    assert [step for step, _ in written(run)["validation/loss"]] == [0, 2, 4, 5]


def test_a_resumed_run_leaves_one_curve_in_tensorboard(home: Path, make_config: MakeConfig) -> None:
    run = create_run(home, with_trackers(make_config(max_steps=6, checkpoint_steps=2), "tensorboard"))

    def stop_hard(event: Any) -> None:
        if isinstance(event, Step) and event.step == 3:
            raise RuntimeError("the power went")

    assert not execute(run, stop_hard)
    run.reopen(resume=True)
    assert execute(run)
    assert read_by_tensorboard(run) == written(run)
    assert [step for step, _ in written(run)["train/loss"]] == [1, 2, 3, 4, 5, 6]


def test_a_library_that_is_missing_is_told_once(
    home: Path, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    run = create_run(home, with_trackers(make_config(), "wandb, tensorboard"))
    assert execute(run)
    assert run.state().state == "finished"
    (told,) = notices(run)
    assert told["tracker"] == "wandb" and "wandb" in told["reason"]
    assert read_by_tensorboard(run)["train/loss"] == written(run)["train/loss"]


def test_a_folder_that_cannot_be_made_is_told_once(home: Path, make_config: MakeConfig) -> None:
    run = create_run(home, with_trackers(make_config(), "tensorboard"))
    (run.folder / "tensorboard").write_text("in the way")
    assert execute(run)
    (told,) = notices(run)
    assert "File exists" in told["reason"]
    assert [event.step for event in run.events() if isinstance(event, Evaluation)][-1] == 3


def test_a_tracker_that_never_answers_does_not_hold_a_run(
    home: Path, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, hold = os.pipe()

    def hang(run: Run, config: RunConfig, back_to: int | None) -> Any:
        os.read(release, 1)
        raise RuntimeError("released")

    monkeypatch.setitem(trackers.OPENERS, "trackio", hang)
    monkeypatch.setattr(trackers, "CLOSING_SECONDS", 0.2)
    run = create_run(home, with_trackers(make_config(), "trackio"))
    assert execute(run)
    os.write(hold, b".")
    assert notices(run) == [{"tracker": "trackio", "reason": "no answer within 0.2 s"}]
    assert run.state().state == "finished"
    os.close(hold)
    os.close(release)


def test_an_unknown_tracker_is_refused_under_its_field() -> None:
    with pytest.raises(ConfigError, match="“mlfow” is no tracker; use tensorboard, wandb, trackio") as caught:
        build_flat(RunConfig, {"trackers": "tensorboard, mlfow"})
    assert caught.value.field == "trackers"
