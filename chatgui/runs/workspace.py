"""All runs of a home and the models loaded for replies: what the page and the endpoint share. One a process."""

import errno
import hashlib
import logging
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatgui.config import RunConfig
from chatgui.data.load import SAMPLES, DataConfig, Dataset, find, load, peek
from chatgui.data.split import Splits, split
from chatgui.errors import ChatGuiError, DataError, RunError
from chatgui.generation.engine import Engine
from chatgui.generation.pair import Pair, Voice, Voices, checkpoint_result
from chatgui.generation.speakers import Speaker
from chatgui.measure import edited
from chatgui.models import load_template, saved_template
from chatgui.report import Report, prepared_config, report
from chatgui.runs.foresee import ask, keep_forecast, want_forecast
from chatgui.runs.ranges import Range
from chatgui.runs.reports import Job, Reports, unmeasured
from chatgui.runs.search import Search, SearchConfig, create_search
from chatgui.runs.searching import Searches
from chatgui.runs.store import LIVE, Run, create_run, find_run, list_runs
from chatgui.runs.worker import Trainer, TrainingThread
from chatgui.training.forecast import Forecast

if TYPE_CHECKING:
    from chatgui.generation.assistant import Library
    from chatgui.predict import Predictor
    from chatgui.tokens.template import Template

log = logging.getLogger(__name__)
PAIRS_KEPT = 4
"""Pairs of models held in memory, as many as stand side by side; the one used longest ago makes room."""


class Workspace:
    """The runs of one home. Safe to use from several threads."""

    def __init__(
        self, home: Path, data_folders: Sequence[Path] | None = None, *, review_only: bool = False,
        trainer: Trainer | None = None,
    ) -> None:  # fmt: skip
        """`data_folders` are open to whoever uses the page, beside samples and uploads; None opens all the disk.
        With `review_only` nothing is trained, measured or taken in: a page that is open to everybody.

        Raises RunError when the home cannot be written.
        """
        self.home = home
        self.data_folders = data_folders
        self.review_only = review_only
        try:
            (home / "runs").mkdir(parents=True, exist_ok=True)
            (home / "uploads").mkdir(exist_ok=True)
            if not os.access(home / "runs", os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            raise RunError("run.cannot_write", path=str(home), reason=error.strerror or str(error)) from error
        self.training = TrainingThread(home, trainer)
        self.searches = Searches()
        self.engine = Engine()
        """Makes every reply of this process."""
        self._voices = Voices()
        self._pairs: dict[tuple[str, str, int], Pair] = {}
        self._predictors: dict[tuple[str, str, int], Predictor] = {}
        self.library = lru_cache(maxsize=2)(self._load_library)
        self._loading = threading.Lock()
        self._forecasts: dict[str, Forecast] = {}
        self.reports = Reports(home)
        self.reading: dict[str, tuple[int, int]] = {}
        """Of each source that is being read: rows done and rows in all of the current file."""
        self._datasets = lru_cache(maxsize=4)(
            lambda config, changed: edited(load(config, home / "cache" / "data", self._tell(config)), config)
        )
        self._splits = lru_cache(maxsize=8)(
            lambda config, changed: split(self.dataset(config).rows, config, self.reports.known(config, changed))
        )
        self._found = lru_cache(maxsize=4)(self._find)
        self._templates = lru_cache(maxsize=8)(_load_template)

    def must_be_whole(self) -> None:
        """Raises RunError where everybody may come in and only look, chat and vote."""
        if self.review_only:
            raise RunError("space.review_only")

    def foresee(self, config: RunConfig) -> Forecast:
        """What a run of `config` would need, from real steps in a worker process. A run of it keeps it beside the fact.

        Raises what the run would raise.
        """
        self.must_be_whole()
        made = self._forecasts[config.model_dump_json()] = ask(self.training.lend_worker(), config)
        return made

    def start_run(self, config: RunConfig) -> Run:
        """Queue a run; the training thread takes it as soon as no other is live. Raises DataError for closed data.

        Without a forecast of its settings it begins with one.
        """
        self.must_be_whole()
        self.check_source(config.data)
        run = create_run(self.home, config)
        if made := self._forecasts.get(config.model_dump_json()):
            keep_forecast(run.folder, made)
        else:
            want_forecast(run.folder)
        self.training.wake()
        return run

    def start_search(self, config: RunConfig, settings: SearchConfig, ranges: tuple[Range, ...]) -> Search:
        """Begin a search around `config`. Raises DataError for closed data, ConfigError for a range not allowed."""
        self.must_be_whole()
        self.check_source(config.data)
        search = create_search(self.home, config, settings, ranges)
        self.searches.start(search)
        return search

    def resume_run(self, run: Run) -> None:
        """Queue an ended run again; it goes on from its last checkpoint. Raises RunError while it is live."""
        self.must_be_whole()
        run.reopen(resume=True)
        for key in [key for key in self._pairs if key[0] == run.id]:
            self._pairs.pop(key, None)
        self.training.wake()

    def runs(self) -> list[Run]:
        """Newest first."""
        return list_runs(self.home)

    def run(self, name: str) -> Run:
        """By its id, never by a path: names come from the page. Raises RunError when there is none."""
        if name != Path(name).name:
            raise RunError("run.not_found", run=name, home=str(self.home), known="-")
        return find_run(self.home, name)

    def live_run(self) -> Run | None:
        """The run that is training now, if one is."""
        return next((run for run in self.runs() if _is_live(run)), None)

    def check_source(self, config: DataConfig) -> Path | None:
        """Where the data lies, None for the hub. Raises DataError for a folder that is not open to the page.

        What does not exist there is refused alike, so that nobody can feel for the names of files.
        """
        outside = DataError("data.not_allowed", source=config.source)
        if self.data_folders is None:
            return find(config.source)
        try:
            path = find(config.source)
        except DataError:
            if Path(config.source).is_absolute() or config.source.startswith(("~", ".")):
                raise outside from None
            raise
        allowed = (self.home / "uploads", SAMPLES, *self.data_folders)
        if path is not None and not any(path.resolve().is_relative_to(folder.resolve()) for folder in allowed):
            raise outside
        return path

    def peek(self, config: DataConfig) -> Dataset:
        """The first rows, soon. Raises DataError as `dataset` does."""
        self.check_source(config)
        return peek(config)

    def dataset(self, config: DataConfig) -> Dataset:
        """As `load`, remembered: the page asks for the same data at each turn of a page."""
        self.check_source(config)
        return self._datasets(unmeasured(config), _state_of(config))

    def _tell(self, config: DataConfig) -> Callable[[int, int], None]:
        def tell(done: int, total: int) -> None:
            self.reading[config.source] = (done, total)
            if done == total:
                self.reading.pop(config.source, None)

        return tell

    def splits(self, config: DataConfig) -> Splits:
        """As `split`, remembered."""
        return self._splits(config, _state_of(config))

    def report_job(self, config: RunConfig, again: bool = False) -> Job:
        """The measuring of a config's data under its model and task, begun if it was not yet."""
        dataset = self.dataset(config.data)
        fitted = prepared_config(config, dataset)
        fitted = fitted.model_copy(update={"data": unmeasured(config.data)})
        return self.reports.job(fitted, dataset, _state_of(config.data), again)

    def report(self, config: RunConfig) -> Report | None:
        """The report on a config's data; None until it is measured."""
        job = self.report_job(config)
        return self._found(config, _state_of(config.data), job) if job.state == "done" else None

    def _find(self, config: RunConfig, changed: tuple[object, ...], job: Job) -> Report:
        if job.measures is None:
            raise RuntimeError("a job that is done has measures")
        fitted = job.config.model_copy(update={"data": config.data})
        return report(self.dataset(config.data), fitted, self.splits(config.data), job.measures)

    def template(self, config: RunConfig) -> "Template":
        """Tokenizer and template of a config's model, remembered."""
        return self._templates(config.model)

    def keep_upload(self, file: Path) -> Path:
        """A copy of an uploaded file that outlives the browser session, so that its run can be repeated."""
        return self.keep_uploads([file]) / file.name

    def keep_uploads(self, files: Sequence[Path]) -> Path:
        """The folder of copies of some uploaded files, which is one dataset."""
        self.must_be_whole()
        digest = hashlib.sha256()
        for file in files:
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        folder = self.home / "uploads" / digest.hexdigest()[:12]
        if len(files) > 1:
            folder /= f"{files[0].stem}+{len(files) - 1}"  # the name that the page shows
        for file in files:
            kept = folder / file.name
            if not kept.exists():
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                    part = kept.with_name(f".{file.name}.part")
                    shutil.copyfile(file, part)
                    part.replace(kept)
                except OSError as error:
                    raise RunError("run.cannot_write", path=str(kept), reason=error.strerror or str(error)) from error
        return folder

    def pair(self, run: Run, tell: Callable[[str], Any] = lambda stage: None, *, step: int | None = None) -> Pair:
        """Base and fine-tuned model of a run, or what it was at a checkpoint's `step`; loaded once.

        `tell` hears `loading` when it has to wait. Raises RunError when the run kept no result or checkpoint,
        ModelError when its base is gone.
        """
        folder = run.result_folder() if step is None else run.checkpoint(step)
        key = _result(run, folder)
        with self._loading:
            pair = self._pairs.pop(key, None)
            if pair is None:
                tell("loading")
                while len(self._pairs) >= PAIRS_KEPT:
                    self._pairs.pop(next(iter(self._pairs)))
                pair = self._load(run, folder, step)
            self._pairs[key] = pair  # last in the dict: used last
            return pair

    def _load(self, run: Run, folder: Path, step: int | None) -> Pair:
        if step is None:
            return self._voices.pair(run.config, folder, self.engine)
        config = run.config
        template = saved_template(run.model_folder) if run.has_model else load_template(config.model)
        with checkpoint_result(config, folder, template, run.state().total_steps) as result:
            return self._voices.pair(config, result, self.engine)

    def voice(self, speaker: Speaker) -> Voice:
        """The weights that a speaker answers with. Raises as `pair`."""
        run = self.run(speaker.run)
        if isinstance(speaker.at, int):
            return self.pair(run, step=speaker.at).tuned
        pair = self.pair(run)
        return pair.tuned if speaker.tuned else pair.base

    def has_voice(self, speaker: Speaker) -> bool:
        """Whether `voice` would answer at once. Raises RunError when its run or checkpoint is gone."""
        run = self.run(speaker.run)
        folder = run.checkpoint(speaker.at) if isinstance(speaker.at, int) else run.result_folder()
        return _result(run, folder) in self._pairs

    def predictor(self, run: Run) -> "Predictor":
        """What a run that classifies, tags or ranks says of rows; its models are loaded when they are first asked.

        Raises RunError when the run kept no result, or replies instead.
        """
        folder = run.result_folder()
        with self._loading:
            key = _result(run, folder)
            found = self._predictors.pop(key, None)
            if found is None:
                from chatgui.predict import Predictor

                while len(self._predictors) >= PAIRS_KEPT:
                    self._predictors.pop(next(iter(self._predictors)))
                found = Predictor(run.config, folder)
            self._predictors[key] = found
            return found

    def _load_library(self, files: tuple[str, ...]) -> "Library":
        from chatgui.generation.assistant import Library, read_passages

        return Library(read_passages([Path(file) for file in files]), self.home / "cache" / "embeddings")

    def predicting_runs(self) -> list[str]:
        """Ids of the runs with a result that classifies, tags or ranks, newest first."""
        return [run.id for run in self.runs() if run.has_model and _predicts(run)]

    def runs_of_task(self, kind: str) -> list[str]:
        """Ids of the runs with a result of one kind of task, newest first."""
        return [run.id for run in self.runs() if run.has_model and _kind(run) == kind]

    def prefetch(self, run: Run) -> None:
        """Begin to load the pair of a run, so that the first message need not wait. Its errors wait for `pair`."""
        if run.has_model and not self.has_pair(run):
            threading.Thread(target=self._prefetch, args=(run,), name="prefetch", daemon=True).start()

    def _prefetch(self, run: Run) -> None:
        try:
            self.pair(run)
        except ChatGuiError as error:
            log.info("%s is not loaded ahead: %s", run.id, error)

    def has_pair(self, run: Run) -> bool:
        """Whether `pair` would answer at once."""
        return run.has_model and _result(run, run.model_folder) in self._pairs


def _state_of(config: DataConfig) -> tuple[object, ...]:
    """Tells one version of the source's files from another: a file edited on disk must be read again."""
    path = find(config.source)
    files = [path, *sorted(path.glob("*"))] if path else []
    return tuple((str(file), file.stat().st_mtime_ns) for file in files if file.exists())


def _result(run: Run, folder: Path) -> tuple[str, str, int]:
    """Names a result or checkpoint: a resumed run makes another one, though its folder is called the same."""
    return run.id, folder.name, folder.stat().st_mtime_ns


def _is_live(run: Run) -> bool:
    try:
        return run.state().state in LIVE
    except RunError:  # one broken folder must not take the page away from all others
        return False


def _predicts(run: Run) -> bool:
    try:
        return run.config.task.PREDICTS
    except ChatGuiError:  # a folder somebody else left half
        return False


def _kind(run: Run) -> str:
    try:
        return run.config.task.kind
    except ChatGuiError:
        return ""


def _load_template(model: Any) -> "Template":
    return load_template(model)
