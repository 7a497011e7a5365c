"""`chatgui space`: the folder of a Hugging Face Space."""

import argparse
import json
from pathlib import Path

from chatgui.cli.flags import LANGUAGE, Commands
from chatgui.runs import store
from chatgui.text import say


def add(commands: Commands) -> None:
    """Know the command of this file."""
    space = commands.add("space", _space)
    space.add_argument("--out", metavar="DIR", type=Path, required=True, help=say("cli.space_out", LANGUAGE))
    space.add_argument("--run", metavar="RUN", action="append", default=[], help=say("cli.space_run", LANGUAGE))


def _space(options: argparse.Namespace) -> int:
    from chatgui.export.space import lay_out

    home = store.home_folder(options.home)
    folder = options.out.expanduser().absolute()
    lay_out(folder, [store.find_run(home, name) for name in options.run])
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    row = {"path": str(folder), "bytes": size, "runs": options.run}
    if options.json:
        print(json.dumps(row, ensure_ascii=False))
    else:
        print(say("space.written", LANGUAGE, path=folder, megabytes=f"{size / 1e6:.0f}"))
    return 0
