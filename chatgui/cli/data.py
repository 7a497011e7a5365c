"""`chatgui data`: what is in a file, and the file in another format."""

import argparse
import json
from pathlib import Path
from typing import Any

from chatgui.cli.flags import LANGUAGE, Commands, add_flags, given_fields
from chatgui.config import RunConfig
from chatgui.fields import build_flat
from chatgui.text import say

LINES_SHOWN = 12


def add(commands: Commands) -> None:
    """Know the commands of this file."""
    data = commands.add("data", _data)
    data.add_argument("source", metavar="FILE_OR_HUB_ID")
    data.add_argument("--tokenizer", metavar="MODEL", default="starter")
    data.add_argument("--export", choices=("messages", "sharegpt", "alpaca", "parquet"), default="messages")
    data.add_argument("--out", metavar="FILE", help=say("cli.data_out", LANGUAGE))
    add_flags(data, ("data.", "task.", "training.max_length_tokens"), lambda knob: f"--{knob.name}")


def _data(options: argparse.Namespace) -> int:
    from chatgui.data.load import load
    from chatgui.report import as_row, full_report

    config = build_flat(
        RunConfig, {**given_fields(options), "data.source": options.source, "model.name": options.tokenizer}
    )
    dataset = load(config.data)
    if options.out:
        return _export_data(config, dataset, options)
    row = as_row(full_report(config, dataset), LANGUAGE)
    if options.json:
        print(json.dumps(row, ensure_ascii=False))
        return 0
    for key in ("format", "encoding", "rows", "kept", "splits", "lengths", "supervised_share", "languages"):
        print(f"{key:17} {row[key]}")
    for dropped in row["dropped"]:
        print(f"dropped           {dropped['origin']}:{dropped['line']} {dropped['reason']}")
    for finding in row["findings"]:
        _print_finding(finding)
    return 0


def _export_data(config: RunConfig, dataset: Any, options: argparse.Namespace) -> int:
    from chatgui.data.export import export
    from chatgui.data.split import NAMES, split

    splits = split(dataset.rows, config.data)
    rows = (row for name in NAMES for row in splits.named(name))
    count = export(rows, options.export, Path(options.out))
    row = {"path": options.out, "format": options.export, "rows": count}
    print(json.dumps(row, ensure_ascii=False) if options.json else say("export.written", LANGUAGE, **row))
    return 0


def _print_finding(finding: dict[str, Any]) -> None:
    lines = ", ".join(map(str, finding["rows"][:LINES_SHOWN]))
    more = ", …" if finding["count"] > LINES_SHOWN else ""
    kind = finding["kind"]
    print(say(f"finding.{kind}", LANGUAGE, **finding))
    print(f"  {say('cli.lines', LANGUAGE)} {lines}{more}")
    if "remedies" in finding:
        from chatgui.report import REMEDY_OF

        others = "|".join(choice for choice in finding["remedies"] if choice != finding["remedy"])
        print(f"  --data.remedies.{REMEDY_OF[kind]} {others}")
