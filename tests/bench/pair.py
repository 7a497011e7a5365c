"""A pair of replies against one alone: `python -m tests.bench.pair [--json] [--quick] [--adapter lora|dora|full]`.

A model of the size and shape of GPT-2 small (random weights), a LoRA of rank 16 on all linear layers, a prompt of 200
tokens and 128 new ones, greedy. Interleaved runs, medians; the ratios are what counts. Prints for the whole reply and
for the first token how many times one reply's the pair's seconds are, seconds from a wish to stop to silence, and, as a
yardstick, one reply through transformers' `generate`.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from chatgui.config import GenerationConfig, ModelConfig, RunConfig
from chatgui.generation.pair import Pair, Voice, load_pair
from tests.conftest import TEMPLATE, make_tokenizer

PROMPT_TOKENS, NEW_TOKENS, RUNS = 200, 128, 7


def make_models(folder: Path, adapter: str) -> Pair:
    """GPT-2 small's shape with random weights, and a result beside it."""
    from peft import LoraConfig, get_peft_model
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config())
    tokenizer = make_tokenizer(TEMPLATE)
    model.save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    if adapter != "full":
        config = LoraConfig(
            task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules="all-linear", fan_in_fan_out=True,
            init_lora_weights=False, use_dora=adapter == "dora",
        )  # fmt: skip
        model = get_peft_model(model, config)
    model.save_pretrained(folder / "result")
    tokenizer.save_pretrained(folder / "result")
    return load_pair(RunConfig(model=ModelConfig(name=str(folder / "base"))), folder / "result")


def answer(pair: Pair, voices: list[Voice], prompt: list[int], new_tokens: int) -> tuple[float, float]:
    """Seconds until every voice has said its first token, and until all are through."""
    settings = GenerationConfig(temperature=0, max_new_tokens=new_tokens)
    began = time.perf_counter()
    streams = pair.engine.ask(*(voice.request(prompt, settings) for voice in voices))
    for stream in streams:
        next(stream)
    first = time.perf_counter() - began
    for stream in streams:
        for _ in stream:
            pass
    return first, time.perf_counter() - began


def silence(pair: Pair, prompt: list[int]) -> float:
    """Seconds from a wish to stop both replies to the end of both."""
    settings = GenerationConfig(temperature=0, max_new_tokens=NEW_TOKENS)
    streams = pair.engine.ask(*(voice.request(prompt, settings) for voice in (pair.base, pair.tuned)))
    for _ in range(3):
        next(streams[1])
    began = time.perf_counter()
    for stream in streams:
        stream.cancel()
    for stream in streams:
        for _ in stream:
            pass
    return time.perf_counter() - began


def plain(pair: Pair, prompt: list[int], new_tokens: int) -> float:
    """Seconds of one reply of the base through transformers' `generate`."""
    ids = torch.tensor([prompt], device=pair.device)
    began = time.perf_counter()
    with pair.base.active():
        pair.base.model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=new_tokens,
            min_new_tokens=new_tokens, pad_token_id=0,
        )  # fmt: skip
    return time.perf_counter() - began


def measure(pair: Pair, runs: int, new_tokens: int) -> dict[str, Any]:
    """One row of medians."""
    prompt = torch.randint(10, 50000, (PROMPT_TOKENS,), generator=torch.Generator().manual_seed(1)).tolist()
    ways: dict[str, Callable[[], tuple[float, float]]] = {
        "base": lambda: answer(pair, [pair.base], prompt, new_tokens),
        "tuned": lambda: answer(pair, [pair.tuned], prompt, new_tokens),
        "pair": lambda: answer(pair, [pair.base, pair.tuned], prompt, new_tokens),
        "generate": lambda: (0.0, plain(pair, prompt, new_tokens)),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for run in range(runs + 1):
        for name, way in ways.items():
            taken = way()
            if run:  # the first round warms up
                times[name].append(taken)
    first = {name: statistics.median(time[0] for time in taken) for name, taken in times.items()}
    whole = {name: statistics.median(time[1] for time in taken) for name, taken in times.items()}
    return {
        "device": pair.device, "threads": torch.get_num_threads(), "computed": pair.tuned.computed,
        "packed": pair.base.loaded.packed, "prompt_tokens": PROMPT_TOKENS, "new_tokens": new_tokens, "runs": runs,
        **{f"{name}_seconds": round(seconds, 3) for name, seconds in whole.items()},
        **{f"{name}_first_seconds": round(first[name], 3) for name in ("base", "tuned", "pair")},
        "pair_over_one": round(whole["pair"] / whole["base"], 3),
        "pair_over_tuned": round(whole["pair"] / whole["tuned"], 3),
        "first_over_one": round(first["pair"] / first["base"], 3),
        "stop_seconds": round(max(silence(pair, prompt) for _ in range(3)), 3),
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="two runs of 16 tokens: does it work at all?")
    parser.add_argument("--adapter", choices=("lora", "dora", "full"), default="lora")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pair = make_models(Path(folder), options.adapter)
        row = measure(pair, 2 if options.quick else RUNS, 16 if options.quick else NEW_TOKENS)
    print(json.dumps(row) if options.json else "\n".join(f"{name:20} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
