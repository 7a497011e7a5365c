"""What waiting OpenMP threads cost when a training and a decoding engine share the cores.

    python -m tests.bench.spinning [--json] [--quick]

Torch's OpenMP threads spin for a while when they have nothing to do, which takes the core from the other process. Each
row is a training of the starter (LoRA) beside an engine that replies without end, both with all cores, under one
setting of the environment; and each of the two alone. Interleaved rounds, medians.
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

SETTINGS: dict[str, dict[str, str]] = {
    "default": {}, "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
    "GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"}, "OMP_NUM_THREADS=1": {"OMP_NUM_THREADS": "1"},
}  # fmt: skip
TRAIN = """
import time
from chatgui.config import RunConfig
from chatgui.fields import build
from chatgui.events import Step
from chatgui.runs.execute import make_model
from chatgui.prepare import prepare
from chatgui.training.loop import train
config = build(RunConfig, {"data": {"source": "clinic"}, "training": {"max_steps": STEPS + 3}})
prepared = prepare(config)
model = make_model(config, prepared.template, STEPS + 3)
times = []
def emit(event):
    if isinstance(event, Step):
        times.append(time.monotonic())
print("ready", flush=True)
input()
train(model, config.task, prepared.train, (), config.training, emit=emit)
print(times[-1] - times[2], flush=True)
"""
REPLY = """
import sys, threading, time
import torch
from chatgui import models
from chatgui.config import ModelConfig
model = models.load_model(ModelConfig(), "AutoModelForCausalLM", torch.device("cpu"), torch.float32)
ids = torch.tensor([[5, 6, 7, 8]])
ended = threading.Event()
def listen():
    input()
    ended.set()
print("ready", flush=True)
input()
threading.Thread(target=listen, daemon=True).start()
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
    """A process that is loaded and waits for a line."""
    clean = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**clean, **settings}, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


def tell(process: "subprocess.Popen[str]") -> None:
    """Give it its line."""
    assert process.stdin
    process.stdin.write("go\n")
    process.stdin.flush()


def number(process: "subprocess.Popen[str]") -> float:
    """What it prints at its end."""
    assert process.stdout and process.stdin
    value = float(process.stdout.readline())
    process.stdin.close()
    process.wait(timeout=60)
    process.stdout.close()
    return value


def measure(settings: dict[str, str], steps: int, seconds: float) -> dict[str, float]:
    """Milliseconds a step and tokens a second, alone and beside each other."""
    row: dict[str, float] = {}
    trainer = start(TRAIN.replace("STEPS", str(steps)), settings)
    tell(trainer)
    row["step_ms_alone"] = number(trainer) / steps * 1000
    replier = start(REPLY, settings)
    tell(replier)
    time.sleep(seconds)
    tell(replier)
    row["tokens_per_second_alone"] = number(replier)
    trainer, replier = start(TRAIN.replace("STEPS", str(steps)), settings), start(REPLY, settings)
    tell(replier)
    tell(trainer)
    row["step_ms_beside"] = number(trainer) / steps * 1000
    tell(replier)
    row["tokens_per_second_beside"] = number(replier)
    return row


def main() -> None:
    """Print a row for each setting."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    rounds, steps = (1, 20) if options.quick else (3, 50)
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
