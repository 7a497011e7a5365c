"""The scorecard of a run, made in a process of its own that the page may outlive or be outlived by."""

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

import chatgui
from chatgui.errors import ChatGuiError
from chatgui.runs.process import started
from chatgui.runs.store import Run, State, is_alive, write_atomically

KEPT_SPLIT = "test"
"""The split whose card is kept with the run; those of others are only printed."""


@dataclass(frozen=True)
class Scoring:
    """How far the work is: replies made of those wanted, or the sentence (`key`, `values`) that ended it."""

    working: bool
    done: int = 0
    total: int = 0
    failure: dict[str, Any] | None = None


def score(run: Run, split_name: str, replies: int | None = None) -> dict[str, Any]:
    """The card of a run, in this process; kept as `scorecard.json` when it is that of the test split.

    Raises ChatGuiError, which whoever watches is told as well.
    """
    from chatgui.evaluation.scorecard import MOST_REPLIES, evaluate_pair

    _tell(run, os.getpid())
    most = MOST_REPLIES if replies is None else replies
    try:
        card = evaluate_pair(
            run.config, run.result_folder(), split_name, replies=most,
            tell=lambda done, total: _tell(run, os.getpid(), done, total),
        )  # fmt: skip
    except ChatGuiError as error:
        _tell(run, None, failure=error.plain())
        raise
    if split_name == KEPT_SPLIT:
        write_atomically(run.scorecard, json.dumps(card, ensure_ascii=False))
    _progress(run).unlink(missing_ok=True)
    return card


def start_scoring(run: Run) -> None:
    """Begin to make the card, with less claim to the processor than the page; nothing to do while it is being made."""
    if scoring(run).working:
        return
    package = str(Path(chatgui.__file__).parents[1])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "chatgui", "evaluate", str(run.folder), "--json"]
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    psutil.Process(child.pid).nice(10)
    _tell(run, child.pid)
    threading.Thread(target=child.wait, daemon=True).start()  # so that no dead process lingers


def scoring(run: Run) -> Scoring:
    """Whether the card is being made, by whichever process."""
    try:
        values = json.loads(_progress(run).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return Scoring(False)
    if values["failure"]:
        return Scoring(False, failure=values["failure"])
    if is_alive(State("scoring", 0.0, pid=values["pid"], pid_started=values["pid_started"])):
        return Scoring(True, values["done"], values["total"])
    return Scoring(False, failure={"key": "scorecard.died", "values": {}})


def read_card(run: Run) -> dict[str, Any] | None:
    """The card that is kept, if there is one."""
    try:
        card: dict[str, Any] = json.loads(run.scorecard.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return card


def _progress(run: Run) -> Path:
    return run.folder / "scorecard-progress.json"


def _tell(run: Run, pid: int | None, done: int = 0, total: int = 0, failure: dict[str, Any] | None = None) -> None:
    values = {
        "pid": pid,
        "pid_started": started(pid) if pid else None,
        "done": done,
        "total": total,
        "failure": failure,
    }
    write_atomically(_progress(run), json.dumps(values))
