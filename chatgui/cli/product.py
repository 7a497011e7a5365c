"""`chatgui export` and `serve`: a run's ways out."""

import argparse
import json
import os
from pathlib import Path

from chatgui.cli.flags import LANGUAGE, Commands, add_own_flags, below
from chatgui.export.options import ExportConfig
from chatgui.fields import build
from chatgui.runs import store
from chatgui.text import say


def add(commands: Commands) -> None:
    """Know the commands of this file."""
    export = commands.add("export", _export)
    export.add_argument("name", metavar="RUN")
    export.add_argument("--out", metavar="DIR", required=True, help=say("cli.out", LANGUAGE))
    add_own_flags(export, ExportConfig, "export.")
    serve = commands.add("serve", _serve, prints=False)
    serve.add_argument("name", metavar="RUN")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8000)
    serve.add_argument("--api-key", action="append", default=[], metavar="KEY", help=say("cli.api_key", LANGUAGE))


def _export(options: argparse.Namespace) -> int:
    from chatgui.runs.export import export_run

    run = store.find_run(store.home_folder(options.home), options.name)
    given = below(vars(options), "export.")
    row = export_run(
        run, build(ExportConfig, given), Path(options.out).expanduser(),
        lambda key: None if options.json else print(say(key, LANGUAGE), flush=True),
    )  # fmt: skip
    if options.json:
        print(json.dumps(row, ensure_ascii=False))
        return 0
    print(say("export.done", LANGUAGE, path=row["path"], megabytes=f"{row['bytes'] / 1e6:.1f}"))
    if "largest_logit_difference" in row:
        print(say("export.difference", LANGUAGE, difference=f"{row['largest_logit_difference']:.2g}"))
    return 0


def _serve(options: argparse.Namespace) -> int:
    from chatgui.runs.workspace import Workspace
    from chatgui.server import serve

    workspace = Workspace(store.home_folder(options.home))
    run = store.find_run(workspace.home, options.name)
    keys = [*options.api_key, *filter(None, [os.environ.get("CHATGUI_API_KEY")])]
    serve(workspace, run.id, options.host, options.port, keys)
    return 0
