"""What waiting OpenMP threads cost when a training and a decoding engine share the cores.

    python -m tests.bench.spinning [--json] [--quick]

Torch's OpenMP threads spin for a while when they have nothing to do, which takes the core from the other process. Each
row is a training of the starter (LoRA) and an engine that replies without end, each alone and then beside the other,
under one setting of both environments. Interleaved rounds, medians.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from chatgui.devices import THREADS

PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE"}
ONE = {"OMP_NUM_THREADS": "1"}
SETTINGS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "torch's own": ({}, {}), "both passive": (PASSIVE, PASSIVE), "both spin briefly": (THREADS, THREADS),
    "replies by one thread": ({}, ONE), "passive, replies by one thread": (PASSIVE, ONE),
}  # fmt: skip
"""Environments of the training and of the engine."""
TRAIN = """
import time
from chatgui.config import RunConfig
from chatgui.fields import build
from chatgui.events import Step
from chatgui.runs.execute import make_model
from chatgui.prepare import prepare
from chatgui.training.loop import train
config = build(RunConfig, {"data": {"source": "clinic"}, "training": {"max_steps": STEPS + 2}})
prepared = prepare(config)
model = make_model(config, prepared.template, STEPS + 2)
print("ready", flush=True)
for _ in range(2):
    times = []
    def emit(event):
        if isinstance(event, Step):
            times.append(time.monotonic())
    input()
    train(model, config.task, prepared.train, (), config.training, emit=emit)
    print(times[-1] - times[1], flush=True)
"""
REPLY = """
import threading, time
import torch
from chatgui import models
from chatgui.config import ModelConfig
model = models.load_model(ModelConfig(), "AutoModelForCausalLM", torch.device("cpu"), torch.float32)
ids = torch.tensor([[5, 6, 7, 8]])
def listen(ended):
    input()
    ended.set()
print("ready", flush=True)
for _ in range(2):
    ended = threading.Event()
    input()
    threading.Thread(target=listen, args=(ended,), daemon=True).start()
    began, count = time.monotonic(), 0
    with torch.inference_mode():
        while not ended.is_set():
            cache, token = None, ids
            for _ in range(64):
                out = model(token, past_key_values=cache, use_cache=True)
                cache, token = out.past_key_values, out.logits[:, -1:].argmax(-1)
                count += 1
                if ended.is_set():
                    break
    print(count / (time.monotonic() - began), flush=True)
"""


def start(code: str, settings: dict[str, str]) -> "subprocess.Popen[str]":
    """A process that loads what it needs and says `ready`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**clean, **settings}, cwd=Path(__file__).parents[2],
    )  # fmt: skip


def heard(process: "subprocess.Popen[str]") -> str:
    """The next line it prints."""
    assert process.stdout
    return process.stdout.readline().strip()


def tell(process: "subprocess.Popen[str]") -> None:
    """Give it its line."""
    assert process.stdin
    process.stdin.write("go\n")
    process.stdin.flush()


def measure(settings: tuple[dict[str, str], dict[str, str]], steps: int, seconds: float) -> dict[str, float]:
    """Milliseconds a step and tokens a second, alone and beside each other."""
    trainer, replier = start(TRAIN.replace("STEPS", str(steps)), settings[0]), start(REPLY, settings[1])
    row: dict[str, float] = {}
    try:
        assert heard(trainer) == heard(replier) == "ready"
        tell(trainer)
        row["step_ms_alone"] = float(heard(trainer)) / steps * 1000
        tell(replier)
        time.sleep(seconds)
        tell(replier)
        row["tokens_per_second_alone"] = float(heard(replier))
        tell(replier)
        tell(trainer)
        row["step_ms_beside"] = float(heard(trainer)) / steps * 1000
        tell(replier)
        row["tokens_per_second_beside"] = float(heard(replier))
    finally:
        for process in (trainer, replier):
            process.kill()
            process.communicate()
    return row


def main() -> None:
    """Print a row for each setting."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    rounds, steps = (1, 10) if options.quick else (3, 20)
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in SETTINGS}
    for _ in range(rounds):
        for name, settings in SETTINGS.items():
            rows[name].append(measure(settings, steps, seconds=3))
    for name, found in rows.items():
        medians: dict[str, Any] = {key: round(statistics.median(row[key] for row in found), 1) for key in found[0]}
        row = {"setting": name, **medians}
        print(
            json.dumps(row) if options.json else "  ".join(f"{key} {value}" for key, value in row.items()), flush=True
        )


if __name__ == "__main__":
    main()
