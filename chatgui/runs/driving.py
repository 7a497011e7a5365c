"""Who drives a search: asks Optuna for a trial, trains its run in the queue, and tells what came of it.

May be killed at any moment: the next driver takes up the trial that was under way and its run.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from chatgui.config import RunConfig
from chatgui.errors import ConfigError, RunError
from chatgui.events import Evaluation
from chatgui.runs.files import drop_torn_line, told
from chatgui.runs.notes import tag
from chatgui.runs.ranges import with_value
from chatgui.runs.search import Search
from chatgui.runs.store import ENDED, Run, create_run, new_run_id
from chatgui.runs.worker import TrainingThread

if TYPE_CHECKING:
    import optuna

POLL_SECONDS = 0.3
LOCK_SECONDS = 1.0
"""For a driver to get the lock that `is_driven` takes for a moment."""
RETRIES = 3
"""A trial whose worker was killed is resumed so many times before it counts as failed."""


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
