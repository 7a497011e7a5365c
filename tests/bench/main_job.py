"""The main job by the command line, measured: `python -m tests.bench.main_job [--json] [--quick] [--data NAME ...]`.

Trains the bundled starter with the default settings on bundled samples, scores both models on the test split and lets
both answer its prompts. Prints a row for each sample: seconds and peak memory of the training, loss of base and
fine-tuned model, and how many of the fine-tuned replies end by themselves. The README's table comes from it.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import yaml

ROOT = Path(__file__).parents[2]
SAMPLES = ("support", "clinic", "tutor", "writing")


def measure(home: Path, data: str, adapter: str, quick: bool) -> dict[str, Any]:
    """One row: a run, its scores and its replies."""
    config = home / f"{data}-{adapter}.yaml"
    config.write_text(yaml.safe_dump({"data": {"source": data}, "adapter": {"kind": adapter}}), encoding="utf-8")
    flags = ["--training.max_steps", "5"] if quick else []
    run = chatgui(home, "train", str(config), *flags)[-1]
    scores = chatgui(home, "evaluate", run["run"])[0]
    replies = chatgui(home, "compare", run["run"], *(["--limit", "5"] if quick else []))
    return {
        "data": data, "adapter": adapter, "device": device(), "steps": run["steps"], "seconds": run["seconds"],
        "tokens_per_second": run["tokens_per_second"], "peak_memory_mb": round(run["peak_memory_bytes"] / 1e6),
        "test_rows": scores["rows"], "base_loss": round(scores["base"]["loss"], 3),
        "tuned_loss": round(scores["tuned"]["loss"], 3),
        "base_ended": sum(row["base"]["ended"] for row in replies),
        "tuned_ended": sum(row["tuned"]["ended"] for row in replies), "replies": len(replies),
    }  # fmt: skip


def chatgui(home: Path, *arguments: str) -> list[dict[str, Any]]:
    """What a command prints, a row a line. Raises CalledProcessError when it fails."""
    command = [sys.executable, "-m", "chatgui", *arguments, "--json"]
    environment = {**os.environ, "CHATGUI_HOME": str(home)}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def device() -> str:
    """What trained: the GPU's name, or the processor and its threads."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="five steps and five replies: does it work at all?")
    parser.add_argument("--data", nargs="*", default=SAMPLES)
    parser.add_argument("--adapter", nargs="*", default=("lora",))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for data in options.data:
            for adapter in options.adapter:
                row = measure(Path(folder), data, adapter, options.quick)
                print(json.dumps(row) if options.json else "  ".join(f"{k} {v}" for k, v in row.items()), flush=True)


if __name__ == "__main__":
    main()
