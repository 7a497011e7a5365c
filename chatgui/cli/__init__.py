"""`chatgui …`: the same configs, runs and functions as the page, for a terminal; one file a group of commands.

Exit status 0, or 2 with one line of error on standard error. Flags of `train` are the fields of RunConfig.
"""

import argparse
import os
import sys
import warnings
from pathlib import Path

from chatgui import __version__
from chatgui.cli import data, product, replies, runs, search, space, training
from chatgui.cli.flags import LANGUAGE, Commands
from chatgui.devices import THREADS
from chatgui.errors import ChatGuiError
from chatgui.runs import store
from chatgui.text import say

GROUPS = (data, training, runs, replies, product, search, space)
"""Files of this folder, in the order of `chatgui --help`."""


def home_of(arguments: list[str]) -> Path:
    """The home that a command line names, before anything else of it is read."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--home")
    return store.home_folder(parser.parse_known_args(arguments)[0].home)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; `chatgui` alone opens the page."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help", "--version")):
        arguments.insert(0, "ui")
    options = _parser().parse_args(arguments)
    for name, value in THREADS.items():
        os.environ.setdefault(name, value)
    if getattr(options, "home", None):
        os.environ["CHATGUI_HOME"] = str(store.home_folder(options.home))  # caches of whatever is started go there too
    warnings.simplefilter("ignore", FutureWarning)  # what libraries tell each other is not for a terminal's reader
    try:
        return options.run(options)
    except ChatGuiError as error:
        print(error.text(LANGUAGE), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130  # as a shell reports it
    except BrokenPipeError:  # the reader (`head`, say) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chatgui", description=say("cli.description", LANGUAGE))
    parser.add_argument("--version", action="version", version=__version__)
    commands = Commands(parser)
    ui = commands.add("ui", _ui, prints=False)
    ui.add_argument("--host", default="127.0.0.1")
    ui.add_argument("--port", type=int, default=int(os.environ.get("GRADIO_SERVER_PORT") or 7860))
    ui.add_argument("--auth", metavar="USER:PASSWORD")
    ui.add_argument("--review-only", action="store_true", help=say("cli.review_only", LANGUAGE))
    ui.add_argument(
        "--data-folder", metavar="DIR", type=Path, action="append", default=[], help=say("cli.data_folder", LANGUAGE)
    )
    for group in GROUPS:
        group.add(commands)
    return parser


def _ui(options: argparse.Namespace) -> int:
    from chatgui.ui.app import serve

    serve(
        home=store.home_folder(options.home), host=options.host, port=options.port, auth=options.auth,
        data_folders=options.data_folder, review_only=options.review_only,
    )  # fmt: skip
    return 0
