"""`chatgui train` and `resume`: a run in this process, told as it goes."""

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from chatgui.cli.flags import LANGUAGE, Commands, add_flags, given_fields
from chatgui.config import RunConfig, read_config
from chatgui.errors import ConfigError
from chatgui.events import Evaluation, Event, Failed, Notice, Stage, Step
from chatgui.runs import store
from chatgui.text import say, stage_text


def add(commands: Commands) -> None:
    """Know the commands of this file."""
    train = commands.add("train", _train)
    train.add_argument("config", metavar="CONFIG.yaml|RUN")
    train.add_argument("--forecast", action="store_true", help=say("cli.forecast", LANGUAGE))
    train.add_argument("--resume", action="store_true", help=say("cli.resume", LANGUAGE))
    add_flags(train, ("",), lambda knob: f"--{knob.name}")
    commands.add("resume", _resume).add_argument("config", metavar="RUN")


def _train(options: argparse.Namespace) -> int:
    from chatgui.runs.execute import execute

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:  # each process would begin a run of its own
        raise ConfigError("cli.launched_by_hand")
    home = store.home_folder(options.home)
    file = Path(options.config)
    is_config = file.suffix in (".yaml", ".yml") or (file.is_file() and file.name != "state.json")
    if options.forecast:
        config = read_config(file, given_fields(options)) if is_config else store.find_run(home, options.config).config
        return _foresee(config, options.json)
    if is_config and (config := read_config(file, given_fields(options))).launch.machine_rank:
        from chatgui.runs.launch import launch

        return 0 if launch(None, config.launch) else 2  # machine 0 keeps the run
    if is_config:
        run = store.create_run(home, read_config(file, given_fields(options)), state="starting")
    else:
        run = store.find_run(home, options.config)
        if given := given_fields(options):
            raise ConfigError("cli.flags_need_config", flag=f"--{next(iter(given))}", run=run.id)
        run.reopen(resume=options.resume, state="starting")
    failures: list[Failed] = []
    steps = [0]

    def tell(event: Event) -> None:
        if isinstance(event, Failed):
            failures.append(event)
        elif not options.json:
            _print_event(event)
        if isinstance(event, Step):
            steps[0] = event.step

    if not options.json:
        print(run.folder, flush=True)
    ended_well = execute(run, tell)
    if failures:  # a full disk or a deleted folder may have kept it out of the state
        state = store.State("failed", 0.0, step=steps[0])
        message = say(failures[-1].key, LANGUAGE, **failures[-1].values)
    else:
        state = run.state()
        message = say(state.message["key"], LANGUAGE, **state.message["values"])
    if options.json:
        row = {"run": run.id, "path": str(run.folder), "state": state.state, "steps": state.step, **state.result}
        print(json.dumps(row, ensure_ascii=False))
    if not ended_well:
        print(message, file=sys.stderr)
        return 2
    if not options.json:
        print(message)
    return 0


def _foresee(config: RunConfig, as_json: bool) -> int:
    """Print what a run of `config` would need, from real steps in this process."""
    from chatgui.runs.foresee import foresee
    from chatgui.training.forecast import sentence

    with TemporaryDirectory() as scratch:
        made = foresee(config, Path(scratch))
    if as_json:
        print(json.dumps({**asdict(made), "fits": made.fits}, ensure_ascii=False))
    else:
        print(sentence(made, LANGUAGE))
        for advice in made.advice:
            print(say(advice["key"], LANGUAGE, **advice["values"]))
    return 0


def _print_event(event: Event) -> None:
    match event:
        case Step():
            print(
                f"step {event.step:>6}  epoch {event.epoch:6.2f}  loss {event.loss:7.4f}  "
                f"rate {event.learning_rate:.2e}  {event.tokens_per_second:8.0f} tok/s",
                flush=True,
            )
        case Evaluation():
            print(f"step {event.step:>6}  {event.split} loss {event.loss:.4f}", flush=True)
        case Stage():
            print(stage_text(event.name, event.done, event.total, LANGUAGE), flush=True)
        case Notice():
            print(say(event.key, LANGUAGE, **event.values), flush=True)


def _resume(options: argparse.Namespace) -> int:
    """As `train RUN --resume`."""
    options.resume = True
    options.forecast = False
    return _train(options)
