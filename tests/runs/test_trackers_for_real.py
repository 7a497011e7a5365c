"""Weights & Biases and trackio themselves: what they keep is what `events.jsonl` says. Needs the extra `trackers`.

Both write to this machine alone here; that a run does without one that fails is tried with the real one as well.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chatgui.config import RunConfig
from chatgui.events import Notice
from chatgui.fields import build
from chatgui.runs.store import Run, list_runs
from chatgui.runs.trackers import PROJECT, curves
from tests.conftest import ROOT

pytestmark = [pytest.mark.trackers, pytest.mark.filterwarnings("default")]
BLOCK, HEAD = 32768, 7
"""Of the log that wandb keeps: LevelDB's format behind seven bytes of its own."""


def train(tmp_path: Path, tiny_model: Path, conversations: Path, names: str, **environment: str) -> Run:
    """A run of five steps, in a process of its own, as a person starts it."""
    values = {
        "model": {"name": str(tiny_model)}, "data": {"source": str(conversations), "validation_fraction": 0.2},
        "training": {"max_steps": 5, "evaluation_steps": 2, "batch_size": 4}, "probes": {"count": 0}, "trackers": names,
    }  # fmt: skip
    config = build(RunConfig, values)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")), encoding="utf-8")
    command = [sys.executable, "-m", "chatgui", "train", f"{tmp_path}/config.yaml", "--home", f"{tmp_path}/home"]
    quiet = {"HOME": str(tmp_path), "TRACKIO_DIR": str(tmp_path / "trackio"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **quiet, **environment}, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = list_runs(tmp_path / "home")
    assert run.state().state == "finished"
    return run


def written(run: Run) -> dict[int, dict[str, float]]:
    """The numbers of events.jsonl by step."""
    found: dict[int, dict[str, float]] = {}
    for event in run.events():
        if values := curves(event):
            found.setdefault(getattr(event, "step", 0), {}).update(values)
    return found


def notices(run: Run) -> list[dict[str, Any]]:
    return [event.values for event in run.events() if isinstance(event, Notice) and event.key == "run.tracker_failed"]


def records(file: Path) -> Iterator[bytes]:
    """The records of wandb's log."""
    data, at, parts = file.read_bytes(), HEAD, b""
    while at + HEAD <= len(data):
        if BLOCK - at % BLOCK < HEAD:  # too little room for a head: the block is filled up
            at += BLOCK - at % BLOCK
            continue
        size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        parts += data[at + HEAD : at + HEAD + size]
        at += HEAD + size
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


def kept_by_wandb(run: Run) -> dict[int, dict[str, float]]:
    from wandb.proto import wandb_internal_pb2

    (file,) = run.folder.glob("wandb/offline-run-*/*.wandb")
    found: dict[int, dict[str, float]] = {}
    for line in records(file):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(line)
        items = {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        if items:
            step = int(items["_step"])
            found.setdefault(step, {}).update({k: v for k, v in items.items() if not k.startswith("_")})
    return found


def kept_by_trackio(run: Run, folder: Path) -> dict[int, dict[str, float]]:
    from trackio.sqlite_storage import SQLiteStorage

    found: dict[int, dict[str, float]] = {}
    for row in SQLiteStorage.get_logs(PROJECT, run.id):
        numbers = {name: value for name, value in row.items() if "/" in name}
        found.setdefault(int(row["step"]), {}).update(numbers)
    return found


def test_wandb_keeps_the_numbers_of_the_events(tmp_path: Path, tiny_model: Path, conversations: Path) -> None:
    run = train(tmp_path, tiny_model, conversations, "wandb", WANDB_MODE="offline")
    assert notices(run) == []
    kept, told = kept_by_wandb(run), written(run)
    assert sorted(told) == [0, 1, 2, 3, 4, 5]
    assert kept == told


def test_trackio_keeps_the_numbers_of_the_events(
    tmp_path: Path, tiny_model: Path, conversations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read when it is imported
    run = train(tmp_path, tiny_model, conversations, "trackio")
    assert notices(run) == []
    assert kept_by_trackio(run, tmp_path / "trackio") == written(run)


def test_a_run_does_without_wandb_when_nobody_has_logged_in(
    tmp_path: Path, tiny_model: Path, conversations: Path
) -> None:
    run = train(tmp_path, tiny_model, conversations, "wandb, tensorboard", WANDB_MODE="online", WANDB_API_KEY="")
    (told,) = notices(run)
    assert told["tracker"] == "wandb" and told["reason"]
    assert list(run.folder.glob("tensorboard/*"))
