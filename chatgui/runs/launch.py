"""A run on several processes, GPUs or machines: `accelerate launch` starts the ranks, and this file looks after them.

The first rank trains as a single process does (`execute`) and is the only one that writes; the others (`follow`) get
the config from it, prepare the same data and compute their share of each step (`ranks.py`).

    chatgui train config.yaml --launch.processes 2                   # two GPUs, or two CPU processes, of this machine

Several machines: the same command on each, with its own number. Data and model must lie under the same names on all;
the run's folder appears on machine 0 alone.

    chatgui train config.yaml --launch.machines 4 --launch.processes 8 \\
        --launch.main_address node0 --launch.machine_rank 0          # on node0; 1, 2 and 3 on the others

A 70B LoRA on 4 hosts, on paper
-------------------------------
Llama-3-70B (70.6e9 weights, 80 layers, width 8192, 8 key-value heads of 128, MLP 28672), LoRA of rank 16 on all seven
linear layers, 4 hosts of 8 GPUs of 80 GB, examples of 2,048 tokens. Memory of one GPU, in GB of 1e9 bytes:

* Frozen weights in bfloat16: 70.6e9 * 2 = 141 GB. As whole copies they fit no GPU. The 68.5e9 of the layers dealt out
  (`shards.py`) are 17.1 over the 8 GPUs of a host, 4.3 over all 32; embedding and output layer stay whole, each
  128,256 * 8192 * 2 = 2.1: 4.2.
* Adapter: 16 * (inputs + outputs) of each layer: 16 * (q 16384 + k 9216 + v 9216 + o 16384 + gate 36864 + up 36864 +
  down 36864) = 2.59e6 a layer, 207e6 weights. In float32 with gradient and AdamW's two moments: 207e6 * 16 = 3.3 GB,
  whole on every GPU.
* One decoder layer borrowed for its turn, and the next one ahead: 2 * 0.856e9 * 2 = 3.4.
* Activations with gradient checkpointing, a micro-batch of 8,192 tokens: the inputs of 80 layers 80 * 8192 * 8192 * 2 =
  10.7; the largest layer while it is computed again, about 34 * 8192 * 8192 * 2 = 4.6; logits in chunks 0.2.

Sum: 17.1 + 4.2 + 3.3 + 3.4 + 15.5 = 44 GB a GPU in shards within each host, where no weight crosses the network between
hosts; 31 GB in shards over all of them. That is the set-up for 4 hosts here:

    --launch.machines 4 --launch.processes 8 --launch.sharding machine --training.gradient_checkpointing on \\
        --training.micro_batch_tokens 8192 --training.batch_size 256

While it starts, one process of a host at a time holds the whole model in the host's memory: 141 GB. In NF4
(`adapter.kind: qlora`) even whole copies fit: 68.5e9 * 0.5625 = 38.5 for the layers, 4.2 at their ends, 0.5 for one
matrix unfolded, 3.3 and 15.5 as above: 62 GB.

The gradients that cross the network at each step are those of the adapter: 207e6 * 4 = 0.83 GB.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import chatgui
from chatgui.config import LaunchConfig, RunConfig
from chatgui.events import Event, Failed
from chatgui.runs.store import LIVE, Run

if TYPE_CHECKING:
    from chatgui.ranks import Ranks
    from chatgui.training.loop import Snapshot

POLL_SECONDS = 0.2
LEAVING_SECONDS = 45.0
"""For the ranks to end after a signal: torch's launcher kills what is left after 30 seconds."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)
LEAVING = ("pause", "terminate")
"""Wishes after whose checkpoint a run is left at once."""


def command(config: LaunchConfig, folder: Path | None) -> list[str]:
    """`accelerate launch` of the ranks of this machine."""
    several = config.machines > 1
    options = {
        "--num_processes": config.processes * config.machines, "--num_machines": config.machines,
        "--machine_rank": config.machine_rank, "--main_process_port": config.main_port if several else 0,
        "--mixed_precision": "no", "--dynamo_backend": "no", "--max_restarts": 0,
        **({"--main_process_ip": config.main_address} if several else {}),
    }  # fmt: skip
    flags = [str(part) for option in options.items() for part in option]
    rank = ["-m", "chatgui.runs.launch", str(folder or "-")]
    return [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--multi_gpu", *flags, *rank]


def launch(run: Run | None, config: LaunchConfig, on_event: Callable[[Event], None] = lambda event: None) -> bool:
    """Start the ranks of this machine and stay until all have ended; True when they ended as asked.

    `on_event` sees the run's events. `run` is None on all machines but the first, which keeps the run. Whatever
    happens, no rank is left behind, and the run's state is an ended one.
    """
    offset = run.events_since(0)[1] if run else 0
    process = _start(config, run.log if run else None)
    before = {number: signal.signal(number, lambda *_: process.terminate()) for number in SIGNALS}
    try:
        while process.poll() is None:
            time.sleep(POLL_SECONDS)
            offset = _pass_on(run, offset, on_event)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(LEAVING_SECONDS)
            process.kill()
    _pass_on(run, offset, on_event)
    return _ended_well(run, process.returncode, on_event) if run else process.returncode == 0


def _start(config: LaunchConfig, log: Path | None) -> "subprocess.Popen[bytes]":
    package = str(Path(chatgui.__file__).parents[1])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    threads = str(max(1, (os.cpu_count() or 1) // config.processes))
    output = sys.stderr if log is None else log.open("ab")
    with nullcontext() if log is None else output:
        return subprocess.Popen(
            command(config, log.parent if log else None), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env={"OMP_NUM_THREADS": threads, **os.environ, "PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C is for us, and we tell the launcher
        )  # fmt: skip


def _pass_on(run: Run | None, offset: int, on_event: Callable[[Event], None]) -> int:
    if run is None:
        return 0
    events, offset = run.events_since(offset)
    for event in events:
        on_event(event)
    return offset


def _ended_well(run: Run, status: int, on_event: Callable[[Event], None]) -> bool:
    state = run.state()
    if state.state in LIVE or (state.state == "interrupted" and not run.marked_interrupted()):  # no word of its own
        key, values = "run.ranks_failed", {"status": status, "log": str(run.log)}
        run.set_state(state="failed", message={"key": key, "values": values}, stage="")
        failure = Failed(key, values)
        with suppress(OSError):
            run.append(failure)
        on_event(failure)
        return False
    return state.state in ("finished", "stopped", "paused")


def follow(ranks: "Ranks") -> None:
    """Train along with the first rank, which tells, keeps and decides everything."""
    import torch

    from chatgui.prepare import prepare
    from chatgui.runs.checkpoints import fingerprint
    from chatgui.runs.execute import make_model
    from chatgui.training.loop import total_steps, train

    config: RunConfig = ranks.from_main(None)
    ranks = replace(ranks, sharded=config.launch.shards)
    prepared = prepare(config)
    ranks.same(fingerprint(prepared.train))
    model = make_model(config, prepared.template, total_steps(len(prepared.train), config.training), ranks)
    start: Snapshot | None = ranks.from_main(None)
    torch.manual_seed(config.training.seed + ranks.rank)  # noise and dropout must not be the same on every share
    wishes = Wishes(ranks)

    def keep(snapshot: "Snapshot") -> None:
        if wishes.told in LEAVING:
            raise _Left

    with suppress(_Left):
        train(
            model, config.task, prepared.train, prepared.validation, config.training,
            emit=lambda event: None, should_stop=wishes.should_stop, keep=keep, resume=start, ranks=ranks,
        )  # fmt: skip


class _Left(Exception):
    """The first rank has left the run before its end."""


class Wishes:
    """Whether to stop, and why: the first rank's answer, on all ranks at the same step."""

    def __init__(self, ranks: "Ranks", ask: Callable[[], tuple[bool, str | None]] = lambda: (False, None)) -> None:
        self._ranks, self._ask = ranks, ask
        self.told: str | None = None

    def should_stop(self) -> bool:
        """Asked by every rank after each step."""
        stop, self.told = self._ranks.from_main(self._ask())
        return stop


def main() -> int:
    """A rank: find the others, then train the run of a folder (the first), or along (the rest)."""
    from chatgui import ranks as group
    from chatgui.runs.execute import execute_as, redirect_to_log

    folder = sys.argv[1]
    if int(os.environ["RANK"]) == 0:
        run = Run(Path(folder))
        redirect_to_log(run)
        group.watch_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
        ended_well = execute_as(run, group.join())
    else:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # the first rank hears it, and tells when to leave
        group.watch_parent(_leave_late)
        follow(group.join())
        ended_well = True
    group.leave()
    return 0 if ended_well else 2


def _leave_late() -> None:
    """The launcher is gone: the first rank stops the run; if nobody is left who could, this rank ends by itself."""
    time.sleep(LEAVING_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    raise SystemExit(main())
