"""`chatgui compare`, `evaluate` and `predict`: what a run says, and how well."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from chatgui.cli.flags import LANGUAGE, Commands, add_flags, below, given_fields, print_rows
from chatgui.config import RunConfig
from chatgui.fields import build_flat
from chatgui.runs import store
from chatgui.text import say


def add(commands: Commands) -> None:
    """Know the commands of this file."""
    compare = commands.add("compare", _compare)
    compare.add_argument("name", metavar="RUN")
    compare.add_argument("--prompts", metavar="FILE.jsonl", help=say("cli.prompts", LANGUAGE))
    compare.add_argument("--limit", type=int, help=say("cli.limit", LANGUAGE))
    add_flags(compare, ("generation.",), lambda knob: "--" + knob.name.removeprefix("generation.").replace("_", "-"))
    evaluate = commands.add("evaluate", _evaluate)
    evaluate.add_argument("name", metavar="RUN")
    evaluate.add_argument("--split", default="test", choices=("train", "validation", "test"))
    evaluate.add_argument("--replies", type=int, metavar="N", help=say("cli.replies", LANGUAGE))
    predict = commands.add("predict", _predict)
    predict.add_argument("name", metavar="RUN")
    predict.add_argument("file", metavar="FILE")
    predict.add_argument("--side", choices=("tuned", "base"), default="tuned", help=say("cli.side", LANGUAGE))
    predict.add_argument("--out", metavar="FILE.jsonl", help=say("cli.predict_out", LANGUAGE))


def _compare(options: argparse.Namespace) -> int:
    from chatgui.generation.compare import compare_prompts, read_prompts, test_prompts
    from chatgui.generation.pair import load_pair

    run = store.find_run(store.home_folder(options.home), options.name)
    generation = {**run.config.generation.model_dump(), **below(given_fields(options), "generation.")}
    settings = build_flat(RunConfig, {f"generation.{name}": value for name, value in generation.items()}).generation
    prompts = read_prompts(Path(options.prompts)) if options.prompts else test_prompts(run.config)
    pair = load_pair(run.config, run.result_folder())
    rows = compare_prompts(pair, prompts[: options.limit], settings)
    print_rows(rows, options.json, _compared)
    return 0


def _compared(row: dict[str, Any]) -> str:
    prompt, base, tuned = row["prompt"][-1]["content"], row["base"]["text"], row["tuned"]["text"]
    return f"> {prompt}\n  base:  {base}\n  tuned: {tuned}\n"


def _evaluate(options: argparse.Namespace) -> int:
    from chatgui.runs.scoring import score

    run = store.find_run(store.home_folder(options.home), options.name)
    row = score(run, options.split, options.replies)
    if options.json:
        print(json.dumps(row, ensure_ascii=False))
        return 0
    print(f"{row['split']}: {row['rows']} rows")
    for side in ("base", "tuned"):
        numbers = {name: value for name, value in row[side].items() if isinstance(value, float)}
        print(f"  {side:6} " + "  ".join(f"{name} {value:.4f}" for name, value in numbers.items()))
        for name in ("classes", "entities"):
            _print_table(row[side].get(name, {}))
    return 0


def _print_table(table: dict[str, dict[str, float]]) -> None:
    """Precision, recall, F1 and support by row, as scikit-learn and seqeval print them."""
    width = max([12, *map(len, table)])
    if table:
        print(f"\n{'':>{width}} {'precision':>10} {'recall':>10} {'f1-score':>10} {'support':>10}")
    for name, row in table.items():
        cells = "".join(f" {row[column]:>10.4f}" for column in ("precision", "recall", "f1"))
        print(f"{name:>{width}}{cells} {row['support']:>10}")


def _predict(options: argparse.Namespace) -> int:
    from chatgui.predict import Predictor, predict_rows, stream_rows

    run = store.find_run(store.home_folder(options.home), options.name)
    predictor = Predictor(run.config, run.result_folder())

    def tell(done: int) -> None:
        if sys.stderr.isatty() or options.out:
            print("\r" + say("predict.progress", LANGUAGE, done=done), end="", file=sys.stderr, flush=True)

    rows = predict_rows(predictor, stream_rows(Path(options.file)), options.side, tell)
    if options.out:
        with Path(options.out).open("w", encoding="utf-8") as stream:
            stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        print(file=sys.stderr)
        return 0
    print_rows(rows, options.json, _predicted)
    return 0


def _predicted(row: dict[str, Any]) -> str:
    """A prediction in one line: the label with its probability, the names found, or the best candidates."""
    if "error" in row:
        said = row["error"]
    elif "ranking" in row:
        pairs = zip(row["ranking"], row["scores"], strict=True)
        said = "  ".join(f"{name} ({score:.3f})" for name, score in pairs)
    elif "entities" in row:
        said = "  ".join(f"{each['text']} [{each['type']}]" for each in row["entities"]) or "-"
    else:
        chance = row["scores"].get(row["label"]) if isinstance(row["label"], str) else None
        said = f"{row['label']}" + (f"  {chance:.3f}" if chance is not None else "")
    return f"{row['row']:>6}  {said}"
