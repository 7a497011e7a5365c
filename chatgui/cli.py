"""`chatgui …`: the same configs, runs and functions as the page, for a terminal.

Exit status 0, or 2 with one line of error on standard error. Flags of `train` are the fields of RunConfig.
"""

import argparse
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from chatgui import __version__
from chatgui.config import RunConfig, read_config
from chatgui.errors import ChatGuiError, ConfigError, RunError
from chatgui.events import Evaluation, Event, Failed, Notice, Stage, Step
from chatgui.export.options import ExportConfig
from chatgui.fields import Config, build, build_flat, knobs
from chatgui.runs import store
from chatgui.runs.search import SearchConfig
from chatgui.text import preferred_language, say

LINES_SHOWN = 12
LANGUAGE = preferred_language(
    (os.environ.get("LC_ALL") or os.environ.get("LANG") or "").split(".")[0].replace("_", "-")
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; `chatgui` alone opens the page."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help", "--version")):
        arguments.insert(0, "ui")
    options = _parser().parse_args(arguments)
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
    verbs = parser.add_subparsers(metavar="COMMAND", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--home", metavar="DIR", help=say("cli.home", LANGUAGE))
    printing = argparse.ArgumentParser(add_help=False, parents=[common])
    printing.add_argument("--json", action="store_true", help=say("cli.json", LANGUAGE))

    def verb(name: str, run: Callable[[argparse.Namespace], int], parent: Any = printing) -> argparse.ArgumentParser:
        sentence = say(f"cli.{name}", LANGUAGE)
        command = verbs.add_parser(name, parents=[parent], help=sentence, description=sentence)
        command.set_defaults(run=run)
        return command

    ui = verb("ui", _ui, common)
    ui.add_argument("--host", default="127.0.0.1")
    ui.add_argument("--port", type=int, default=7860)
    ui.add_argument("--auth", metavar="USER:PASSWORD")
    ui.add_argument(
        "--data-folder", metavar="DIR", type=Path, action="append", default=[], help=say("cli.data_folder", LANGUAGE)
    )
    data = verb("data", _data)
    data.add_argument("source", metavar="FILE_OR_HUB_ID")
    data.add_argument("--tokenizer", metavar="MODEL", default="starter")
    data.add_argument("--export", choices=("messages", "sharegpt", "alpaca", "parquet"), default="messages")
    data.add_argument("--out", metavar="FILE", help=say("cli.data_out", LANGUAGE))
    train = verb("train", _train)
    train.add_argument("config", metavar="CONFIG.yaml|RUN")
    train.add_argument("--forecast", action="store_true", help=say("cli.forecast", LANGUAGE))
    train.add_argument("--resume", action="store_true", help=say("cli.resume", LANGUAGE))
    verb("runs", _runs)
    verb("show", _show).add_argument("name", metavar="RUN")
    stop = verb("stop", _stop)
    stop.add_argument("name", metavar="RUN")
    how = stop.add_mutually_exclusive_group()
    how.add_argument("--discard", action="store_true", help=say("cli.discard", LANGUAGE))
    how.add_argument("--after-epoch", action="store_true", help=say("cli.after_epoch", LANGUAGE))
    verb("pause", _pause).add_argument("name", metavar="RUN")
    verb("resume", _resume).add_argument("config", metavar="RUN")
    verb("delete", _delete).add_argument("name", metavar="RUN")
    compare = verb("compare", _compare)
    compare.add_argument("name", metavar="RUN")
    compare.add_argument("--prompts", metavar="FILE.jsonl", help=say("cli.prompts", LANGUAGE))
    compare.add_argument("--limit", type=int, help=say("cli.limit", LANGUAGE))
    evaluate = verb("evaluate", _evaluate)
    evaluate.add_argument("name", metavar="RUN")
    evaluate.add_argument("--split", default="test", choices=("train", "validation", "test"))
    evaluate.add_argument("--replies", type=int, metavar="N", help=say("cli.replies", LANGUAGE))
    export = verb("export", _export)
    export.add_argument("name", metavar="RUN")
    export.add_argument("--out", metavar="DIR", required=True, help=say("cli.out", LANGUAGE))
    _add_own_flags(export, ExportConfig, "export.")
    served = verb("serve", _serve, common)
    served.add_argument("name", metavar="RUN")
    served.add_argument("--host", default="127.0.0.1")
    served.add_argument("--port", type=int, default=8000)
    served.add_argument("--api-key", action="append", default=[], metavar="KEY", help=say("cli.api_key", LANGUAGE))
    search = verb("search", _search)
    search.add_argument("config", metavar="CONFIG.yaml|SEARCH")
    search.add_argument("--range", action="append", default=[], metavar="FIELD=RANGE", help=say("cli.range", LANGUAGE))
    _add_own_flags(search, SearchConfig, "search.")
    predict = verb("predict", _predict)
    predict.add_argument("name", metavar="RUN")
    predict.add_argument("file", metavar="FILE")
    predict.add_argument("--side", choices=("tuned", "base"), default="tuned", help=say("cli.side", LANGUAGE))
    predict.add_argument("--out", metavar="FILE.jsonl", help=say("cli.predict_out", LANGUAGE))
    data_prefixes = ("data.", "task.", "training.max_length_tokens")
    for command, prefixes in ((data, data_prefixes), (train, ("",)), (search, ("",))):
        _add_flags(command, prefixes, lambda knob: f"--{knob.name}")
    _add_flags(compare, ("generation.",), lambda knob: "--" + knob.name.removeprefix("generation.").replace("_", "-"))
    return parser


def _add_own_flags(command: argparse.ArgumentParser, config: type[Config], prefix: str) -> None:
    """One flag for each field of a command's own config; its values are found under `prefix`."""
    for knob in knobs(config, prefix):
        command.add_argument(
            "--" + knob.name.removeprefix(prefix).replace("_", "-"), dest=knob.name, default=argparse.SUPPRESS,
            metavar="|".join(map(str, knob.choices)) or knob.type.__name__.upper(),
            help=f"{knob.info(LANGUAGE)} [{knob.default}]",
        )  # fmt: skip


def _add_flags(command: argparse.ArgumentParser, prefixes: tuple[str, ...], flag: Callable[[Any], str]) -> None:
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


def _fields(options: argparse.Namespace) -> dict[str, Any]:
    """The config fields that were given as flags, by dotted name; `null` stands for none."""
    names = {knob.name for knob in knobs(RunConfig)}
    given = {name: value for name, value in vars(options).items() if name in names}
    return {name: None if value in ("null", "none", "") else value for name, value in given.items()}


def _print_rows(rows: Iterable[dict[str, Any]], as_json: bool, line: Callable[[dict[str, Any]], str]) -> None:
    for row in rows:
        print(json.dumps(row, ensure_ascii=False) if as_json else line(row), flush=True)


def _ui(options: argparse.Namespace) -> int:
    from chatgui.ui.app import serve

    serve(
        home=store.home_folder(options.home), host=options.host, port=options.port, auth=options.auth,
        data_folders=options.data_folder,
    )  # fmt: skip
    return 0


def _data(options: argparse.Namespace) -> int:
    from chatgui.data.load import load
    from chatgui.report import as_row, full_report

    config = build_flat(RunConfig, {**_fields(options), "data.source": options.source, "model.name": options.tokenizer})
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


def _train(options: argparse.Namespace) -> int:
    from chatgui.runs.execute import execute

    home = store.home_folder(options.home)
    file = Path(options.config)
    is_config = file.suffix in (".yaml", ".yml") or (file.is_file() and file.name != "state.json")
    if options.forecast:
        config = read_config(file, _fields(options)) if is_config else store.find_run(home, options.config).config
        return _foresee(config, options.json)
    if is_config:
        run = store.create_run(home, read_config(file, _fields(options)), state="starting")
    else:
        run = store.find_run(home, options.config)
        if given := _fields(options):
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
            print(say(f"stage.{event.name}", LANGUAGE), flush=True)
        case Notice():
            print(say(event.key, LANGUAGE, **event.values), flush=True)


def _runs(options: argparse.Namespace) -> int:
    rows = store.summaries(store.home_folder(options.home))
    _print_rows(
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
    run = store.find_run(store.home_folder(options.home), options.name)
    run.request_stop(discard=options.discard, after_epoch=options.after_epoch)
    row = {"run": run.id, "state": run.state().state}
    print(json.dumps(row) if options.json else say("run.stop_asked", LANGUAGE, run=run.id))
    return 0


def _pause(options: argparse.Namespace) -> int:
    run = store.find_run(store.home_folder(options.home), options.name)
    run.request_pause()
    row = {"run": run.id, "state": run.state().state}
    print(json.dumps(row) if options.json else say("run.pause_asked", LANGUAGE, run=run.id))
    return 0


def _resume(options: argparse.Namespace) -> int:
    """As `train RUN --resume`."""
    options.resume = True
    options.forecast = False
    return _train(options)


def _delete(options: argparse.Namespace) -> int:
    run = store.find_run(store.home_folder(options.home), options.name)
    run.delete()
    print(json.dumps({"run": run.id, "state": "deleted"}) if options.json else say("run.deleted", LANGUAGE, run=run.id))
    return 0


def _compare(options: argparse.Namespace) -> int:
    from chatgui.generation.compare import compare_prompts, read_prompts, test_prompts
    from chatgui.generation.pair import load_pair

    run = store.find_run(store.home_folder(options.home), options.name)
    generation = {**run.config.generation.model_dump(), **_below(_fields(options), "generation.")}
    settings = build_flat(RunConfig, {f"generation.{name}": value for name, value in generation.items()}).generation
    prompts = read_prompts(Path(options.prompts)) if options.prompts else test_prompts(run.config)
    pair = load_pair(run.config, run.result_folder())
    rows = compare_prompts(pair, prompts[: options.limit], settings)
    _print_rows(rows, options.json, _compared)
    return 0


def _compared(row: dict[str, Any]) -> str:
    prompt, base, tuned = row["prompt"][-1]["content"], row["base"]["text"], row["tuned"]["text"]
    return f"> {prompt}\n  base:  {base}\n  tuned: {tuned}\n"


def _below(flat: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in flat.items() if name.startswith(prefix)}


def _serve(options: argparse.Namespace) -> int:
    from chatgui.runs.workspace import Workspace
    from chatgui.server import serve

    workspace = Workspace(store.home_folder(options.home))
    run = store.find_run(workspace.home, options.name)
    keys = [*options.api_key, *filter(None, [os.environ.get("CHATGUI_API_KEY")])]
    serve(workspace, run.id, options.host, options.port, keys)
    return 0


def _export(options: argparse.Namespace) -> int:
    from chatgui.runs.export import export_run

    run = store.find_run(store.home_folder(options.home), options.name)
    given = _below(vars(options), "export.")
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


def _search(options: argparse.Namespace) -> int:
    from chatgui.runs.search import create_search, drive, find_search, read_search

    home = store.home_folder(options.home)
    if Path(options.config).suffix in (".yaml", ".yml"):
        config, settings, ranges = read_search(
            Path(options.config), _fields(options), _below(vars(options), "search."), options.range
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
    _print_rows(rows, options.json, _predicted)
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
