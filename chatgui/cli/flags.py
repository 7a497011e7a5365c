"""What all commands share: the language, how a command is added, and flags from the fields of configs."""

import argparse
import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from chatgui.config import RunConfig
from chatgui.fields import Config, knobs
from chatgui.text import preferred_language, say

LANGUAGE = preferred_language(
    (os.environ.get("LC_ALL") or os.environ.get("LANG") or "").split(".")[0].replace("_", "-")
)
Command = Callable[[argparse.Namespace], int]
"""Does what was asked and gives the exit status."""


class Commands:
    """The commands of a parser. Each has `--home`; those that print data have `--json` too."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parsers = parser.add_subparsers(metavar="COMMAND", required=True)
        self._common = argparse.ArgumentParser(add_help=False)
        self._common.add_argument("--home", metavar="DIR", help=say("cli.home", LANGUAGE))
        self._printing = argparse.ArgumentParser(add_help=False, parents=[self._common])
        self._printing.add_argument("--json", action="store_true", help=say("cli.json", LANGUAGE))

    def add(self, name: str, run: Command, *, prints: bool = True) -> argparse.ArgumentParser:
        """A command; its help is the sentence `cli.NAME`."""
        sentence = say(f"cli.{name}", LANGUAGE)
        parent = self._printing if prints else self._common
        command = self._parsers.add_parser(name, parents=[parent], help=sentence, description=sentence)
        command.set_defaults(run=run)
        return command


def add_own_flags(command: argparse.ArgumentParser, config: type[Config], prefix: str) -> None:
    """One flag for each field of a command's own config; its values are found under `prefix`."""
    for knob in knobs(config, prefix):
        command.add_argument(
            "--" + knob.name.removeprefix(prefix).replace("_", "-"), dest=knob.name, default=argparse.SUPPRESS,
            metavar="|".join(map(str, knob.choices)) or knob.type.__name__.upper(),
            help=f"{knob.info(LANGUAGE)} [{knob.default}]",
        )  # fmt: skip


def add_flags(command: argparse.ArgumentParser, prefixes: tuple[str, ...], flag: Callable[[Any], str]) -> None:
    """One flag for each field of RunConfig below `prefixes`; values are checked by the config, not by argparse."""
    group = command.add_argument_group(say("cli.fields", LANGUAGE))
    for knob in knobs(RunConfig):
        if knob.name.startswith(prefixes) and knob.name not in (
            "version",
            "data.source" if "data." in prefixes else "",
        ):
            help_text = f"{knob.info(LANGUAGE)} [{knob.default}]".replace("%", "%%")
            metavar = "|".join(map(str, knob.choices)) or knob.type.__name__.upper()
            group.add_argument(flag(knob), dest=knob.name, metavar=metavar, help=help_text, default=argparse.SUPPRESS)


def given_fields(options: argparse.Namespace) -> dict[str, Any]:
    """The config fields that were given as flags, by dotted name; `null` stands for none."""
    names = {knob.name for knob in knobs(RunConfig)}
    given = {name: value for name, value in vars(options).items() if name in names}
    return {name: None if value in ("null", "none", "") else value for name, value in given.items()}


def below(flat: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The values whose dotted name begins with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in flat.items() if name.startswith(prefix)}


def print_rows(rows: Iterable[dict[str, Any]], as_json: bool, line: Callable[[dict[str, Any]], str]) -> None:
    """One line a row, as an object or as `line` puts it."""
    for row in rows:
        print(json.dumps(row, ensure_ascii=False) if as_json else line(row), flush=True)
