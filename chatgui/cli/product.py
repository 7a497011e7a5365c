"""`chatgui export`, `fuse` and `serve`: a run's ways out."""

import argparse
import json
import os
from pathlib import Path

from chatgui.cli.flags import LANGUAGE, Commands, add_own_flags, below
from chatgui.errors import ConfigError
from chatgui.export.options import ExportConfig, FusionConfig
from chatgui.fields import build
from chatgui.runs import store
from chatgui.text import say


def add(commands: Commands) -> None:
    """Know the commands of this file."""
    export = commands.add("export", _export)
    export.add_argument("name", metavar="RUN")
    export.add_argument("--out", metavar="DIR", help=say("cli.out", LANGUAGE))
    export.add_argument("--push", metavar="[OWNER/]NAME", help=say("cli.push", LANGUAGE))
    export.add_argument("--public", action="store_true", help=say("cli.public", LANGUAGE))
    export.add_argument("--update", action="store_true", help=say("cli.update", LANGUAGE))
    add_own_flags(export, ExportConfig, "export.")
    fuse = commands.add("fuse", _fuse)
    fuse.add_argument("parts", metavar="RUN[=WEIGHT]", nargs="+", help=say("cli.parts", LANGUAGE))
    add_own_flags(fuse, FusionConfig, "fusion.")
    serve = commands.add("serve", _serve, prints=False)
    serve.add_argument("name", metavar="RUN")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8000)
    serve.add_argument("--api-key", action="append", default=[], metavar="KEY", help=say("cli.api_key", LANGUAGE))


def _export(options: argparse.Namespace) -> int:
    from chatgui.runs.export import export_run, push_run

    run = store.find_run(store.home_folder(options.home), options.name)
    chosen = build(ExportConfig, below(vars(options), "export."))
    if bool(options.out) == bool(options.push):
        raise ConfigError("cli.out_or_push")

    def tell(key: str) -> None:
        if not options.json:
            print(say(key, LANGUAGE), flush=True)

    if options.push:  # the token is the one of `hf auth login` or $HF_TOKEN: a flag could be read by others
        row = push_run(
            run, chosen, options.push, None, private=not options.public, update=options.update, tell=tell
        )  # fmt: skip
    else:
        row = export_run(run, chosen, Path(options.out).expanduser(), tell)
    if options.json:
        print(json.dumps(row, ensure_ascii=False))
        return 0
    print(say("export.done", LANGUAGE, path=row["path"], megabytes=f"{row['bytes'] / 1e6:.1f}"))
    if "largest_logit_difference" in row:
        print(say("export.difference", LANGUAGE, difference=f"{row['largest_logit_difference']:.2g}"))
    return 0


def _fuse(options: argparse.Namespace) -> int:
    from chatgui.runs.fusion import Part, fuse

    home = store.home_folder(options.home)
    named = [text.rpartition("=") if "=" in text else (text, "", "") for text in options.parts]
    parts = [
        Part(store.find_run(home, name), _weight(text) if text else 1 / len(named)) for name, _, text in named
    ]  # fmt: skip
    run = fuse(home, parts, build(FusionConfig, below(vars(options), "fusion.")))
    row = {"run": run.id, "path": str(run.folder), "parts": {part.run.id: part.weight for part in parts}}
    print(json.dumps(row) if options.json else say("fusion.made", LANGUAGE, run=run.id))
    return 0


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError("fusion.bad_weight", found=text) from error


def _serve(options: argparse.Namespace) -> int:
    from chatgui.runs.workspace import Workspace
    from chatgui.server import serve

    workspace = Workspace(store.home_folder(options.home))
    run = store.find_run(workspace.home, options.name)
    keys = [*options.api_key, *filter(None, [os.environ.get("CHATGUI_API_KEY")])]
    serve(workspace, run.id, options.host, options.port, keys)
    return 0
