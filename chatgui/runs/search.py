"""Hyperparameter search through Optuna: trials are ordinary runs of the queue.

A search is a folder `<home>/searches/<id>/`: `search.yaml` (what is varied), `config.yaml` (what every trial shares)
and `journal.log` (Optuna's own record). Knows nothing of who drives it.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from filelock import FileLock
from pydantic import Field

from chatgui.config import RunConfig, merged, read_config, read_yaml, write_config
from chatgui.errors import RunError
from chatgui.fields import Config, build, unflatten
from chatgui.runs.files import write_atomically
from chatgui.runs.ranges import Range, check, parse_range, with_value

if TYPE_CHECKING:
    import optuna


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
