"""Speed and memory of training, held against the peers: `python -m tests.bench.training [--quick] [--model M]`.

Prints a row for each engine and setting: `chatgui` (this program), `trl` (SFTTrainer padded by length, and packed),
`trainer` (transformers.Trainer grouped by length) and `tutorial` (batches of 8 padded to 512). All see the same rows of
random ids with lengths as in chats, the same labels, the same weights and adapter. Each run is a process of its own,
because peak memory belongs to a process; runs are interleaved and medians printed, because machines are shared.
`tokens_per_cpu_second` counts this process's own processor time and so bears a neighbour better than the clock does.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from chatgui.devices import THREADS
from chatgui.runs.worker import MEMORY

ROOT = Path(__file__).parents[2]
ENGINES = {"chatgui": ("",), "trl": ("grouped", "packed"), "trainer": ("grouped",), "tutorial": ("padded to 512",)}
SETTINGS = tuple(sorted({setting for settings in ENGINES.values() for setting in settings}))
MODELS = ("llama-15m", "gpt2-small", "starter")
MODES = ("full", "lora")
LENGTHS = ("chat", "short", "long")
NUMBERS = ("tokens_per_second", "tokens_per_cpu_second", "peak_rss_mb")


def main() -> None:
    """Measure and print; a row is printed as soon as its last repetition is done."""
    options = _options()
    cases = [
        {"engine": engine, "setting": setting, "model": model, "mode": mode, "lengths": lengths}
        for model in options.model for mode in options.mode for lengths in options.lengths
        for engine in options.engine for setting in ENGINES[engine] if setting in options.setting
    ]  # fmt: skip
    measured: list[list[dict[str, Any]]] = [[] for _ in cases]
    for repetition in range(1 if options.quick else options.repeat):
        last = options.quick or repetition == options.repeat - 1
        for case, runs in zip(cases, measured, strict=True):
            runs.append(measure({**case, "quick": options.quick, "rows": options.rows}, options.threads))
            if last:
                row = {**case, **{name: round(median(run[name] for run in runs), 1) for name in NUMBERS}}
                print(json.dumps(row) if options.json else _line(row), flush=True)


def measure(case: dict[str, Any], threads: int) -> dict[str, Any]:
    """One run of one case in a new process. Raises CalledProcessError when it fails; its output is on stderr."""
    own = {**MEMORY, **THREADS} if case["engine"] == "chatgui" else {}  # what this program gives its workers
    environment = {
        **own,
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
    }
    command = [sys.executable, "-W", "ignore", "-m", "tests.bench.training_engines", json.dumps(case)]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _line(row: dict[str, Any]) -> str:
    name = f"{row['engine']} {row['setting']}"
    return f"{name:22} {row['model']:11} {row['mode']:5} {row['lengths']:6}" + "".join(
        f" {name} {row[name]:7}" for name in NUMBERS
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="a few short rows, once: does it work at all?")
    parser.add_argument("--model", nargs="*", choices=MODELS, default=MODELS)
    parser.add_argument("--mode", nargs="*", choices=MODES, default=MODES)
    parser.add_argument("--lengths", nargs="*", choices=LENGTHS, default=LENGTHS[:1])
    parser.add_argument("--engine", nargs="*", choices=tuple(ENGINES), default=tuple(ENGINES))
    parser.add_argument("--setting", nargs="*", choices=SETTINGS, default=SETTINGS)
    parser.add_argument("--repeat", type=int, default=3, help="repetitions whose median is printed")
    parser.add_argument("--rows", type=int, default=0, help="training rows; 0 means as many as take about a minute")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
