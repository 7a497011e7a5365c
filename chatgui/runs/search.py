"""Hyperparameter search through Optuna: trials are ordinary runs of the queue.

A search is a folder `<home>/searches/<id>/`: `search.yaml` (what is varied), `config.yaml` (what every trial shares)
and `journal.log` (Optuna's own record). Whoever drives it may be killed at any moment: the next driver takes up the
trial that was under way and its run.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from filelock import FileLock, Timeout
from pydantic import Field

from chatgui.config import RunConfig, merged, read_config, read_yaml, write_config
from chatgui.errors import ConfigError, RunError
from chatgui.events import Evaluation
from chatgui.fields import Config, Knob, build, build_flat, flatten, knobs, unflatten
from chatgui.runs.files import drop_torn_line, told, write_atomically
from chatgui.runs.notes import tag
from chatgui.runs.store import ENDED, Run, create_run, new_run_id
from chatgui.runs.worker import TrainingThread

if TYPE_CHECKING:
    import optuna

POLL_SECONDS = 0.3
LOCK_SECONDS = 1.0
"""For a driver to get the lock that `is_driven` takes for a moment."""
RETRIES = 3
"""A trial whose worker was killed is resumed so many times before it counts as failed."""
RANGE = re.compile(r"^\s*(\S+?)\s*\.\.\s*(\S+?)(\s+log)?\s*$")


class SearchConfig(Config):
    """How a search goes about it."""

    trials: int = Field(12, ge=1, le=10000)
    """Runs to try; each is a whole training."""
    sampler: Literal["tpe", "random"] = "tpe"
    """TPE looks where earlier trials did well (Bergstra et al. 2011); random looks everywhere alike."""
    prune: bool = True
    """End a trial early when its validation loss is worse than the median of the others at the same step."""
    seed: int = Field(0, ge=0)
    """Fixes what is tried first."""


@dataclass(frozen=True)
class Range:
    """What one field may be: a number between two ends (evenly by its logarithm if so wished), or one of a list."""

    field: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()
    whole: bool = False

    def __str__(self) -> str:
        if self.choices:
            return ", ".join(map(str, self.choices))
        return f"{self.low:g}..{self.high:g}{' log' if self.log else ''}"

    def suggest(self, trial: "optuna.Trial") -> Any:
        """The value of this trial; asked again, the same."""
        if self.choices:
            return trial.suggest_categorical(self.field, list(self.choices))
        assert self.low is not None and self.high is not None
        if self.whole:
            return trial.suggest_int(self.field, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(self.field, self.low, self.high, log=self.log)


def parse_range(field: str, text: str) -> Range:
    """`1e-4..1e-2 log` or `4, 8, 16`. Raises ConfigError that names the field, what was found and what is allowed."""
    knob = next((knob for knob in knobs(RunConfig) if knob.name == field), None)
    if knob is None:
        raise ConfigError("config.unknown_field", field=field, found=repr(text))
    if found := RANGE.match(text):
        low, high = (_number(knob, part, text) for part in found.groups()[:2])
        if low >= high or (found[3] and low <= 0):
            raise ConfigError("search.bad_range", name=field, found=text)
        return Range(field, low, high, bool(found[3]), whole=knob.type is int)
    choices = tuple(_choice(knob, part.strip(), text) for part in text.split(",") if part.strip())
    if len(choices) < 2:
        raise ConfigError("search.bad_range", name=field, found=text)
    return Range(field, choices=choices)


def _number(knob: Knob, part: str, text: str) -> float:
    if knob.type not in (int, float):
        raise ConfigError("search.not_a_number", name=knob.name, found=text)
    try:
        return float(part)
    except ValueError as error:
        raise ConfigError("search.bad_range", name=knob.name, found=text) from error


def _choice(knob: Knob, part: str, text: str) -> Any:
    if knob.type is bool:
        return part.lower() in ("true", "1", "yes", "on")
    try:
        return knob.type(part)
    except ValueError as error:
        raise ConfigError("search.bad_range", name=knob.name, found=text) from error


def check(config: RunConfig, ranges: tuple[Range, ...]) -> None:
    """Both ends of every range must be allowed. Raises ConfigError as a form would, and for a search over nothing."""
    if not ranges:
        raise ConfigError("search.no_ranges")
    for range_ in ranges:
        for value in range_.choices or (range_.low, range_.high):
            with_value(config, {range_.field: int(value) if range_.whole else value})


def with_value(config: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """The config with some dotted fields changed."""
    flat = {**flatten(config), **values}
    missing = [name for name in values if name not in flatten(build_flat(RunConfig, flat))]
    if missing:  # a field of an adapter that is not the chosen one would change nothing
        raise ConfigError("search.field_unused", name=missing[0])
    return build_flat(RunConfig, flat)


class _Lock:
    """The system's lock in the form Optuna asks for: its own are files that a killed process leaves behind."""

    def __init__(self, file: Path) -> None:
        self._lock = FileLock(file)

    def acquire(self) -> bool:
        """Wait for it."""
        self._lock.acquire()
        return True

    def release(self) -> None:
        """Give it back."""
        self._lock.release()


class Search:
    """One search, by its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def id(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def home(self) -> Path:
        """Where its runs are."""
        return self.folder.parents[1]

    @property
    def config(self) -> RunConfig:
        """What all trials share."""
        return read_config(self.folder / "config.yaml")

    @property
    def settings(self) -> SearchConfig:
        """How it goes about it."""
        return build(SearchConfig, {k: v for k, v in self._yaml().items() if k != "ranges"})

    @property
    def ranges(self) -> tuple[Range, ...]:
        """What is varied."""
        return tuple(parse_range(name, text) for name, text in self._yaml()["ranges"].items())

    def _yaml(self) -> dict[str, Any]:
        try:
            values: dict[str, Any] = yaml.safe_load((self.folder / "search.yaml").read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise RunError("search.not_found", search=self.id, home=str(self.home)) from error
        return values

    @property
    def journal(self) -> Path:
        """Optuna's record."""
        return self.folder / "journal.log"

    def study(self) -> "optuna.Study":
        """Optuna's view of it: every trial with its values, losses along the way and end."""
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        lock: Any = _Lock(self.folder / "journal.lock")
        storage = JournalStorage(JournalFileBackend(str(self.journal), lock))
        pruner: Any = (
            optuna.pruners.MedianPruner(n_startup_trials=3) if self.settings.prune else optuna.pruners.NopPruner()
        )
        if storage.get_all_studies():  # `create_study` writes to the record even when there is one
            return optuna.load_study(study_name=self.id, storage=storage, sampler=self.sampler(0), pruner=pruner)
        return optuna.create_study(
            study_name=self.id, storage=storage, sampler=self.sampler(0), pruner=pruner, direction="minimize",
            load_if_exists=True,
        )  # fmt: skip

    def sampler(self, trial: int) -> "optuna.samplers.BaseSampler":
        """What draws the values of a trial: with a seed of its own, so that a new driver draws as the old one had."""
        from optuna.samplers import RandomSampler, TPESampler

        settings = self.settings
        seed = settings.seed + trial
        if settings.sampler == "random":
            return RandomSampler(seed=seed)
        return TPESampler(seed=seed, n_startup_trials=min(5, settings.trials))

    def trials(self) -> list[dict[str, Any]]:
        """One line for each trial: number, run, state, validation loss and the values tried."""
        if not self.journal.is_file():
            return []
        return [
            {
                "trial": trial.number, "run": trial.user_attrs.get("run"), "state": trial.state.name.lower(),
                "validation_loss": trial.value if trial.state.name == "COMPLETE" else None, **trial.params,
            }
            for trial in self.study().get_trials(deepcopy=False)
        ]  # fmt: skip

    def best(self) -> tuple[dict[str, Any], RunConfig] | None:
        """The trial with the lowest validation loss and its config; None before one has finished."""
        finished = [row for row in self.trials() if row["validation_loss"] is not None]
        if not finished:
            return None
        row = min(finished, key=lambda row: row["validation_loss"])
        return row, with_value(self.config, {range_.field: row[range_.field] for range_ in self.ranges})


def read_search(
    path: Path, overrides: Mapping[str, Any], settings: Mapping[str, Any], ranges: Sequence[str]
) -> tuple[RunConfig, SearchConfig, tuple[Range, ...]]:
    """A config file that may have a group `search`, with flags on top; ranges are `FIELD=RANGE`."""
    values = dict(read_yaml(path))
    group = dict(values.pop("search", None) or {})
    written = dict(group.pop("ranges", None) or {})
    for text in ranges:
        field, _, range_ = text.partition("=")
        written[field.strip()] = range_
    config = build(RunConfig, merged(values, unflatten(overrides)))
    found = tuple(parse_range(field, str(text)) for field, text in written.items())
    return config, build(SearchConfig, {**group, **settings}), found


def create_search(home: Path, config: RunConfig, settings: SearchConfig, ranges: tuple[Range, ...]) -> Search:
    """A new search folder. Raises ConfigError for a range that is not allowed, RunError for a read-only home."""
    check(config, ranges)
    search = Search(home / "searches" / f"{time.strftime('%Y%m%d-%H%M%S')}-search-{secrets.token_hex(2)}")
    values = {**settings.model_dump(), "ranges": {range_.field: str(range_) for range_ in ranges}}
    try:
        search.folder.mkdir(parents=True)
        write_config(config, search.folder / "config.yaml")
        write_atomically(search.folder / "search.yaml", yaml.safe_dump(values, sort_keys=False))
    except OSError as error:
        raise RunError("run.cannot_write", path=str(home), reason=error.strerror or str(error)) from error
    return search


def find_search(home: Path, name: str) -> Search:
    """A search by its id, or `last`. Raises RunError when there is none."""
    searches = list_searches(home)
    fitting = searches[:1] if name == "last" else [search for search in searches if search.id == name]
    if not fitting:
        raise RunError("search.not_found", search=name, home=str(home))
    return fitting[0]


def list_searches(home: Path) -> list[Search]:
    """All searches of a home, newest first."""
    return [Search(file.parent) for file in sorted((home / "searches").glob("*/search.yaml"), reverse=True)]


class Left(Exception):
    """The driver was asked to leave; the trial under way waits for the next one."""


def drive(
    search: Search, tell: Callable[[dict[str, Any]], None] = lambda row: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:  # fmt: skip
    """Try until all trials have ended; `tell` hears of each. Takes up what an earlier driver left.

    Asked to stop, it pauses the run under way and leaves. Raises RunError when another driver is at it, and for a disk
    that takes no more.
    """
    lock = FileLock(search.folder / "driver.lock")
    try:
        lock.acquire(timeout=LOCK_SECONDS)
    except Timeout as error:
        raise RunError("search.driven", search=search.id) from error
    queue = TrainingThread(search.home)  # takes the runs unless a server on the same home already does
    queue.start()
    try:
        with suppress(Left), told(search.folder):
            drop_torn_line(search.journal)
            for trial in _trials(search, should_stop):
                _follow(search, trial, should_stop)
                tell(search.trials()[trial.number])
    finally:
        queue.close()
        lock.release()


def is_driven(search: Search) -> bool:
    """Whether somebody, here or in another process, is at it."""
    lock = FileLock(search.folder / "driver.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _trials(search: Search, should_stop: Callable[[], bool]) -> Iterator["optuna.Trial"]:
    """The trial an earlier driver left, then new ones up to the number wished."""
    import optuna

    study = search.study()
    for frozen in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.sampler = search.sampler(frozen.number)
        yield optuna.Trial(study, frozen._trial_id)
    while not should_stop() and (number := len(study.get_trials(deepcopy=False))) < search.settings.trials:
        study.sampler = search.sampler(number)
        yield study.ask()


def _follow(search: Search, trial: "optuna.Trial", should_stop: Callable[[], bool]) -> None:
    """Train the trial's run to its end and tell Optuna what came of it."""
    from optuna.trial import TrialState

    config = with_value(search.config, {range_.field: range_.suggest(trial) for range_ in search.ranges})
    run = _run(search, trial, config)
    outcome = _watch(run, trial, search.settings.prune, should_stop)
    loss = run.state().result.get("validation_loss")
    if outcome == "finished" and loss is None and not _was_measured(run):
        raise ConfigError("search.no_validation", source=config.data.source)
    if outcome == "finished" and loss is not None:
        trial.study.tell(trial.number, loss)
    else:  # a loss that is no number is none: the values of this trial are bad, others may be good
        trial.study.tell(trial.number, state=TrialState.PRUNED if outcome == "pruned" else TrialState.FAIL)


def _was_measured(run: Run) -> bool:
    return any(isinstance(event, Evaluation) and event.split == "validation" for event in run.events())


def _run(search: Search, trial: "optuna.Trial", config: RunConfig) -> Run:
    """The run of a trial. Its name is noted before it is made, so that a killed driver never makes two."""
    run_id = trial.user_attrs.get("run")
    if run_id is None:
        run_id = new_run_id(config)
        trial.set_user_attr("run", run_id)
    run = Run(search.home / "runs" / run_id)
    if not (run.folder / "state.json").is_file():
        create_run(search.home, config, run_id=run_id)
    elif run.state().state == "paused":  # by the driver before this one, as it left
        run.reopen(resume=True)
    tag(run, f"search:{search.id}")
    return run


def _watch(run: Run, trial: "optuna.Trial", prune: bool, should_stop: Callable[[], bool]) -> str:
    """`finished`, `pruned`, or `failed`. Raises Left when asked to stop, once the run has paused.

    A run that somebody else has paused is waited for: it goes on when they say so.
    """
    reported = set(trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values)
    retries, offset, pruned = 0, 0, False
    while True:
        events, offset = run.events_since(offset)
        for event in events:
            if isinstance(event, Evaluation) and event.split == "validation" and event.step not in reported:
                reported.add(event.step)
                trial.report(event.loss, event.step)
        state = run.state().state
        if prune and not pruned and state == "running" and reported and trial.should_prune():
            pruned = True
            trial.set_user_attr("pruned", True)  # before it is asked: whoever finds it stopped must know why
            with suppress(RunError):  # it has ended at this moment
                run.request_stop(discard=True)
        if should_stop() and state not in ("finished", "failed", "stopped"):
            if state in ENDED:
                raise Left
            with suppress(RunError):  # it has ended at this moment
                run.request_pause()
        elif state == "interrupted" and not run.marked_interrupted():
            pass  # whoever has the queue is about to write that down, and must not do so over a run that was reopened
        elif state == "interrupted" and retries < RETRIES:
            retries += 1
            run.reopen(resume=True)
        elif state == "stopped" and trial.user_attrs.get("pruned"):
            return "pruned"
        elif state in ENDED and state != "paused":
            return state if state == "finished" else "failed"
        time.sleep(POLL_SECONDS)


PICTURES = ("optimization_history", "param_importances", "parallel_coordinate")


def pictures(search: Search, measured: str = "validation loss") -> dict[str, Any]:
    """Optuna's Plotly figures by name, those that the finished trials allow; `measured` names what is minimised."""
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator
    from optuna.trial import TrialState

    study = search.study()
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        return {}
    found = {
        "optimization_history": optuna.visualization.plot_optimization_history(study, target_name=measured),
        "parallel_coordinate": optuna.visualization.plot_parallel_coordinate(study, target_name=measured),
    }
    varied = any(len({trial.params[range_.field] for trial in complete}) > 1 for range_ in search.ranges)
    if len(complete) > 3 and varied:
        found["param_importances"] = optuna.visualization.plot_param_importances(
            study, evaluator=PedAnovaImportanceEvaluator(), target_name=measured
        )
    return {name: found[name] for name in PICTURES if name in found}
