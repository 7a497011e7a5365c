"""Forecast and fact side by side: `python -m tests.bench.forecast [--json] [--quick] [--model NAME ...]`.

For each case of models x methods x lengths: the figures of `chatgui train CONFIG --forecast`, then the run itself with
the forecast it begins with when Start is pressed (`start`), each in a process of its own; memory is right within 15 %,
time when it lies in the forecast range. The last row counts both. Real conversations are laid together to the wanted
lengths; the shapes have random weights and the starter's tokenizer.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from chatgui.config import RunConfig
from chatgui.fields import build
from chatgui.runs.foresee import read_forecast, want_forecast
from chatgui.runs.store import create_run

ROOT = Path(__file__).parents[2]
STARTER = ROOT / "assets" / "starter"
MODELS = ("starter", "llama-15m", "gpt2-14m")
MODES = ("full", "lora")
MEAN_TURNS = {"short": 1, "long": 6}
MEMORY_TOLERANCE = 0.15
FORECASTS = ("asked", "start")


def make_model(folder: Path, name: str) -> str:
    """A folder with the shape's random weights and the starter's tokenizer; the starter itself by its name."""
    if name == "starter":
        return name
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, LlamaConfig

    tokenizer = AutoTokenizer.from_pretrained(STARTER)
    words = len(tokenizer)
    shapes = {
        "llama-15m": LlamaConfig(
            vocab_size=words, hidden_size=288, intermediate_size=768, num_hidden_layers=6, num_attention_heads=6,
            max_position_embeddings=1024,
        ),
        "gpt2-14m": GPT2Config(vocab_size=words, n_positions=1024, n_embd=384, n_layer=6, n_head=6),
    }  # fmt: skip
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(shapes[name]).save_pretrained(folder / name)
    tokenizer.save_pretrained(folder / name)
    return str(folder / name)


def make_data(folder: Path, lengths: str) -> str:
    """200 conversations of the support sample's turns: one or two each, or six on average."""
    lines = (ROOT / "assets" / "samples" / "support" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    rng = random.Random(0)
    pairs = [json.loads(line)["messages"] for line in lines]
    rows = []
    for _ in range(200):
        turns = max(1, round(rng.expovariate(1 / MEAN_TURNS[lengths])))
        picked = [pair for pair in rng.sample(pairs, turns)]
        rows.append({"messages": [message for pair in picked for message in pair if message["role"] != "system"]})
    path = folder / f"{lengths}.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def chatgui(home: Path, *arguments: str) -> dict[str, Any]:
    """The last line a command prints. Raises CalledProcessError when it fails."""
    command = [sys.executable, "-m", "chatgui", *arguments, "--json"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "CHATGUI_HOME": str(home)}, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure(home: Path, case: dict[str, Any], steps: int) -> dict[str, Any]:
    """One row of the table."""
    config = {
        "model": {"name": case["path"]}, "data": {"source": case["data"]}, "adapter": {"kind": case["mode"]},
        "training": {"max_steps": steps, "batch_size": 8, "learning_rate": 1e-4, "evaluation_steps": 10},
    }  # fmt: skip
    file = home / "config.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    asked = chatgui(home, "train", str(file), "--forecast")
    run = create_run(home, build(RunConfig, config))
    want_forecast(run.folder)
    fact = chatgui(home, "train", run.id)
    row = {**{name: case[name] for name in ("model", "mode", "lengths")}, "steps": steps,
           "peak_mb": round(fact["peak_memory_bytes"] / 1e6), "seconds": fact["seconds"]}  # fmt: skip
    for name, made in (("asked", asked), ("start", asdict(read_forecast(run.folder)))):
        row |= {f"{name}_{key}": value for key, value in judged(made, fact).items()}
    return row


def judged(made: dict[str, Any], fact: dict[str, Any]) -> dict[str, Any]:
    """A forecast held against the fact."""
    off = made["peak_memory_bytes"] / fact["peak_memory_bytes"] - 1
    return {
        "mb": round(made["peak_memory_bytes"] / 1e6), "off_percent": round(100 * off, 1),
        "memory_right": abs(off) <= MEMORY_TOLERANCE,
        "low_seconds": round(made["seconds_low"], 1), "high_seconds": round(made["seconds_high"], 1),
        "time_right": made["seconds_low"] <= fact["seconds"] <= made["seconds_high"],
    }  # fmt: skip


def main() -> None:
    """Measure and print, a row as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="15 steps a case, not 40")
    parser.add_argument("--model", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--mode", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--lengths", nargs="+", choices=tuple(MEAN_TURNS), default=tuple(MEAN_TURNS))
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        data = {lengths: make_data(home, lengths) for lengths in MEAN_TURNS}
        for model in options.model:
            path = make_model(home, model)
            for mode in options.mode:
                for lengths in options.lengths:
                    case = {"model": model, "path": path, "mode": mode, "lengths": lengths, "data": data[lengths]}
                    rows.append(measure(home, case, 15 if options.quick else 40))
                    print(json.dumps(rows[-1]) if options.json else _line(rows[-1]), flush=True)
    right = [f"{name}_{what}_right" for name in FORECASTS for what in ("memory", "time")]
    total = {"cases": len(rows), **{name: _count(rows, name) for name in right}}
    print(json.dumps(total) if options.json else total)


def _count(rows: list[dict[str, Any]], name: str) -> int:
    return sum(row[name] for row in rows)


def _line(row: dict[str, Any]) -> str:
    told = "".join(
        f"  {name} {row[name + '_mb']:5} MB ({row[name + '_off_percent']:+5.1f} %)"
        f" {row[name + '_low_seconds']:5} to {row[name + '_high_seconds']:5} s"
        f" {'ok' if row[name + '_memory_right'] and row[name + '_time_right'] else 'MISSED'}"
        for name in FORECASTS
    )
    return f"{row['model']:10} {row['mode']:5} {row['lengths']:6} {row['peak_mb']:5} MB {row['seconds']:6} s{told}"


if __name__ == "__main__":
    main()
