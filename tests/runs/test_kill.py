"""A worker is killed at twenty random moments of one run, and the run ends as if nothing had happened."""

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chatgui.config import RunConfig
from chatgui.events import Resumed
from chatgui.fields import build
from chatgui.runs.store import ENDED, Run, create_run
from tests.runs.conftest import curve, wait_for

KILLS = 20
STEPS = 240


@pytest.fixture
def make_run(home: Path, tiny_model: Path, conversations: Path, tmp_path: Path) -> Callable[[], Run]:
    """A run whose every step draws random numbers: the model has dropout."""
    folder = tmp_path / "dropout"
    shutil.copytree(tiny_model, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {"resid_pdrop": 0.1, "embd_pdrop": 0.1, "attn_pdrop": 0.1}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    training = {
        "max_steps": STEPS,
        "batch_size": 4,
        "checkpoint_steps": 4,
        "evaluation_steps": 12,
        "max_length_tokens": 64,
    }
    values = {
        "model": {"name": str(folder)}, "data": {"source": str(conversations), "validation_fraction": 0.1},
        "training": training, "probes": {"count": 1, "max_new_tokens": 4},
    }  # fmt: skip
    return lambda: create_run(home, build(RunConfig, values))


def kill_at(run: Run, pid: int, *, started: bool, seconds: float) -> None:
    """SIGKILL, which no process can hear coming, so long after the start of the process or of its training."""
    if started:
        wait_for(run, "running")
    time.sleep(seconds)
    assert run.state().state not in ENDED, f"it ended before it could be killed: {run.state()}"
    os.kill(pid, signal.SIGKILL)
    wait_for(run, "interrupted")


def test_a_run_killed_at_twenty_random_moments_ends_as_an_undisturbed_one(
    start: Callable[[Run], int], make_run: Callable[[], Run]
) -> None:
    seed = int(os.environ.get("CHATGUI_KILL_SEED") or time.time_ns() % 10**6)
    print(f"CHATGUI_KILL_SEED={seed}")
    straight, broken = make_run(), make_run()
    began = time.monotonic()
    start(straight)
    wait_for(straight, "running")
    start_seconds = time.monotonic() - began
    wait_for(straight, "finished")
    draw = random.Random(seed)
    longest_life = straight.state().seconds / (0.8 * KILLS)  # so that about half of the run is left at the last kill
    for number in range(KILLS):
        started = number % 4 > 0  # the others die while they load
        life = draw.uniform(0, longest_life if started else start_seconds)
        kill_at(broken, start(broken), started=started, seconds=life)
        broken.reopen(resume=True)
    start(broken)
    wait_for(broken, "finished")
    resumed = [event.step for event in broken.events_since(0)[0] if isinstance(event, Resumed)]
    print(f"went on from the steps {resumed}")
    assert len(set(resumed)) >= 5, "hardly a kill came while it trained"
    assert curve(broken) == curve(straight)
    assert len(curve(straight)) == STEPS + STEPS // 12 + 1
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (broken.result_folder() / name).read_bytes() == (straight.result_folder() / name).read_bytes()
    assert not [folder for folder in broken.folder.rglob(".*") if folder.is_dir()]
