"""Two processes give the curve of one; whatever happens to one of them, the run says so and none stays."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from chatgui.adapters import Adapter
from chatgui.adapters.full import Full
from chatgui.adapters.lora import Lora
from chatgui.adapters.qlora import QLora
from chatgui.config import LaunchConfig, RunConfig
from chatgui.errors import ConfigError
from chatgui.events import Evaluation, Notice, Step
from chatgui.fields import build_flat, flatten
from chatgui.runs.execute import execute
from chatgui.runs.launch import command
from chatgui.runs.store import Run, create_run
from tests.runs.conftest import wait_until

MakeConfig = Callable[..., RunConfig]


def ranks_of(run: Run) -> list[psutil.Process]:
    """The processes that train it, and their launcher."""
    return [it for it in psutil.process_iter(["cmdline"]) if str(run.folder) in (it.info["cmdline"] or [])]


def on_two(config: RunConfig, sharding: str = "none") -> RunConfig:
    return config.model_copy(update={"launch": LaunchConfig(processes=2, sharding=sharding)})


def losses(run: Run) -> tuple[list[tuple[int, int]], list[float]]:
    """Steps with the tokens seen by then, which tell the order of the data, and all losses."""
    events = [event for event in run.events() if isinstance(event, (Step, Evaluation))]
    order = [(event.step, event.tokens) for event in events if isinstance(event, Step)]
    return order, [event.loss for event in events]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("adapter", "sharding"),
    [(Lora(), "none"), (Full(), "none"), (Lora(), "all"), (Lora(), "machine")],
)
def test_two_processes_give_the_curve_of_one(
    home: Path, make_config: MakeConfig, adapter: Adapter, sharding: str
) -> None:
    config = make_config(max_steps=12, batch_size=6, evaluation_steps=4, micro_batch_tokens=512, learning_rate=0.003)
    config = config.model_copy(update={"adapter": adapter})
    one, two = create_run(home, config), create_run(home, on_two(config, sharding))
    assert execute(one)
    assert execute(two), two.log.read_text(encoding="utf-8")
    (order, alone), (order_of_two, together) = losses(one), losses(two)
    print(*(f"{a:.6f} {b:.6f} {abs(a - b):.1e}" for a, b in zip(alone, together, strict=True)), sep="\n")
    assert order_of_two == order
    assert together == pytest.approx(alone, abs=1e-4)
    assert alone[-1] < alone[0] - 0.1
    assert two.has_model
    assert ranks_of(two) == []
    held = [event.values for event in two.events() if isinstance(event, Notice) and event.key == "training.sharded"]
    assert [float(each["held"]) < 0.8 * float(each["total"]) for each in held] == [True] * (sharding != "none")


@pytest.mark.slow
def test_a_sharded_run_that_was_paused_goes_on_to_the_same_weights(home: Path, make_config: MakeConfig) -> None:
    config = on_two(make_config(max_steps=8, batch_size=6, checkpoint_steps=2, micro_batch_tokens=256), "all")
    whole, broken = create_run(home, config), create_run(home, config)
    assert execute(whole), whole.log.read_text(encoding="utf-8")

    def pause(event: object) -> None:
        if isinstance(event, Step) and event.step == 3:
            broken.request_pause()

    execute(broken, pause)
    assert broken.state().state == "paused"
    broken.reopen(resume=True)
    assert execute(broken), broken.log.read_text(encoding="utf-8")
    first, second = (load_file(run.model_folder / "adapter_model.safetensors") for run in (whole, broken))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("adapter", [Full(), QLora()])
def test_only_frozen_weights_in_usual_precision_are_dealt_out(make_config: MakeConfig, adapter: Adapter) -> None:
    config = make_config().model_copy(update={"adapter": adapter})
    with pytest.raises(ConfigError, match=f"and {adapter.kind} is none"):
        build_flat(RunConfig, {**flatten(config), "launch.processes": 2, "launch.sharding": "all"})


@pytest.mark.slow
def test_a_rank_that_dies_ends_the_run_and_leaves_nobody(home: Path, make_config: MakeConfig) -> None:
    run = create_run(home, on_two(make_config(max_steps=100_000)))
    killed: list[psutil.Process] = []

    def kill_the_second(event: object) -> None:
        if isinstance(event, Step) and event.step >= 3 and not killed:
            first = run.state().pid
            killed.extend(it for it in ranks_of(run) if it.pid != first and it.environ().get("RANK") == "1")
            killed[0].kill()

    began = time.monotonic()
    assert not execute(run, kill_the_second)
    assert killed
    state = run.state()
    assert state.state == "failed"
    assert state.message["key"] in ("run.rank_lost", "run.ranks_failed")
    wait_until(lambda: ranks_of(run) == [], seconds=20)
    assert time.monotonic() - began < 200
    assert run.checkpoints()


@pytest.mark.slow
def test_a_signal_ends_all_ranks_with_a_checkpoint(home: Path, make_config: MakeConfig) -> None:
    run = create_run(home, on_two(make_config(max_steps=100_000, checkpoint_steps=100_000)))

    def end(event: object) -> None:
        if isinstance(event, Step) and event.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    assert not execute(run, end)
    state = run.state()
    assert (state.state, state.message["key"]) == ("interrupted", "run.terminated")
    assert [folder.name for folder in run.checkpoints()] == [f"step-{state.step:06d}"]
    assert ranks_of(run) == []


def test_several_machines_find_each_other_by_accelerates_own_options() -> None:
    config = LaunchConfig(machines=4, processes=8, machine_rank=2, main_address="node0")
    words = command(config, None)
    options = dict(pairwise(words))
    assert (options["--num_processes"], options["--num_machines"], options["--machine_rank"]) == ("32", "4", "2")
    assert (options["--main_process_ip"], options["--main_process_port"]) == ("node0", "29500")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"launch.machines": 2}, "main_address must name machine 0"),
        ({"launch.machines": 2, "launch.main_address": "a", "launch.machine_rank": 2}, "must be 1 or less"),
    ],
)
def test_machines_that_cannot_meet_are_refused(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        build_flat(RunConfig, values)


def test_a_launch_by_hand_is_refused(
    chatgui: Callable[..., "subprocess.CompletedProcess[str]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = chatgui("train", "config.yaml")
    assert done.returncode == 2
    assert "give --launch.processes" in done.stderr
