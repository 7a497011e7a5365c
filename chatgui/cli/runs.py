"""`chatgui runs`, `show`, `stop`, `pause` and `delete`: what is there, and a word to what is under way."""

import argparse
import json
from collections.abc import Callable

from chatgui.cli.flags import LANGUAGE, Commands, print_rows
from chatgui.runs import store
from chatgui.text import say


def add(commands: Commands) -> None:
    """Know the commands of this file."""
    commands.add("runs", _runs)
    commands.add("show", _show).add_argument("name", metavar="RUN")
    stop = commands.add("stop", _stop)
    stop.add_argument("name", metavar="RUN")
    how = stop.add_mutually_exclusive_group()
    how.add_argument("--discard", action="store_true", help=say("cli.discard", LANGUAGE))
    how.add_argument("--after-epoch", action="store_true", help=say("cli.after_epoch", LANGUAGE))
    commands.add("pause", _pause).add_argument("name", metavar="RUN")
    commands.add("delete", _delete).add_argument("name", metavar="RUN")


def _runs(options: argparse.Namespace) -> int:
    rows = store.summaries(store.home_folder(options.home))
    print_rows(
        rows, options.json,
        lambda row: f"{row['run']:44} {row['state']:12} {row['task']:10} {row['model'][-24:]:24} "
        f"{row['steps']}/{row['total_steps']}",
    )  # fmt: skip
    return 0


def _show(options: argparse.Namespace) -> int:
    run = store.find_run(store.home_folder(options.home), options.name)
    state = run.state()
    message = say(state.message["key"], LANGUAGE, **state.message["values"]) if state.message else ""
    row = {**store.summary(run), "path": str(run.folder), "message": message, **state.result}
    if options.json:
        print(json.dumps(row, ensure_ascii=False))
        return 0
    for key, value in row.items():
        print(f"{key:18} {value}")
    print((run.folder / "config.yaml").read_text(encoding="utf-8"))
    return 0


def _stop(options: argparse.Namespace) -> int:
    return _ask(
        options, lambda run: run.request_stop(discard=options.discard, after_epoch=options.after_epoch), "stop_asked"
    )


def _pause(options: argparse.Namespace) -> int:
    return _ask(options, store.Run.request_pause, "pause_asked")


def _ask(options: argparse.Namespace, wish: Callable[[store.Run], None], sentence: str) -> int:
    run = store.find_run(store.home_folder(options.home), options.name)
    wish(run)
    row = {"run": run.id, "state": run.state().state}
    print(json.dumps(row) if options.json else say(f"run.{sentence}", LANGUAGE, run=run.id))
    return 0


def _delete(options: argparse.Namespace) -> int:
    run = store.find_run(store.home_folder(options.home), options.name)
    run.delete()
    print(json.dumps({"run": run.id, "state": "deleted"}) if options.json else say("run.deleted", LANGUAGE, run=run.id))
    return 0
