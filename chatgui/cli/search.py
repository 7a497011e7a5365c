"""`chatgui search`: hyperparameter search, from a config or gone on with."""

import argparse
import json
from pathlib import Path
from typing import Any

from chatgui.cli.flags import LANGUAGE, Commands, add_flags, add_own_flags, below, given_fields
from chatgui.errors import RunError
from chatgui.runs import store
from chatgui.runs.search import SearchConfig
from chatgui.text import say


def add(commands: Commands) -> None:
    """Know the commands of this file."""
    search = commands.add("search", _search)
    search.add_argument("config", metavar="CONFIG.yaml|SEARCH")
    search.add_argument("--range", action="append", default=[], metavar="FIELD=RANGE", help=say("cli.range", LANGUAGE))
    add_own_flags(search, SearchConfig, "search.")
    add_flags(search, ("",), lambda knob: f"--{knob.name}")


def _search(options: argparse.Namespace) -> int:
    from chatgui.runs.driving import drive
    from chatgui.runs.search import create_search, find_search, read_search

    home = store.home_folder(options.home)
    if Path(options.config).suffix in (".yaml", ".yml"):
        config, settings, ranges = read_search(
            Path(options.config), given_fields(options), below(vars(options), "search."), options.range
        )
        search = create_search(home, config, settings, ranges)
    else:
        search = find_search(home, options.config)
    if not options.json:
        print(search.folder, flush=True)

    def tell(row: dict[str, Any]) -> None:
        print(json.dumps(row, ensure_ascii=False) if options.json else _tried(row), flush=True)

    drive(search, tell)
    best = search.best()
    if best is None:
        raise RunError("search.nothing_finished", search=search.id)
    if options.json:
        print(json.dumps({"search": search.id, "trials": len(search.trials()), "best": best[0]}, ensure_ascii=False))
    else:
        print(say("search.best", LANGUAGE, **_named(best[0])))
    return 0


def _tried(row: dict[str, Any]) -> str:
    return say("search.tried", LANGUAGE, **_named(row), state=row["state"])


def _named(row: dict[str, Any]) -> dict[str, Any]:
    values = ", ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                       for name, value in row.items() if "." in name)  # fmt: skip
    loss = "-" if row["validation_loss"] is None else f"{row['validation_loss']:.4f}"
    return {"trial": row["trial"], "run": row["run"], "loss": loss, "values": values}
