"""The folder of a Hugging Face Space: the program, and runs for others to review. Uploads nothing."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import chatgui
from chatgui.errors import RunError
from chatgui.runs.store import Run

ROOT = Path(chatgui.__file__).parents[1]
PROGRAM = ("app.py", "requirements.txt", "README.md", "LICENSE", "chatgui", "assets")
OF_A_RUN = (
    "config.yaml", "state.json", "events.jsonl", "samples.jsonl", "splits.json", "scorecard.json", "reviews.jsonl",
    "model",
)  # fmt: skip
RUNS = "runs"
"""Folder of the Space that holds the runs it brings."""
"""What is shown of a run. Checkpoints and logs stay at home; the data too, but for what events and samples quote."""


def lay_out(folder: Path, runs: Sequence[Run]) -> None:
    """Everything that a Space needs, in a new folder; `README.md` brings the front matter that Spaces reads.

    Raises RunError for a folder that is not empty, a program without its source, and a run without a result or whose
    model is on this machine alone.
    """
    if not (ROOT / "app.py").is_file():
        raise RunError("space.no_source", path=str(ROOT))
    if folder.exists() and any(folder.iterdir()):
        raise RunError("space.not_empty", path=str(folder))
    for run in runs:
        run.result_folder()
        name = run.config.model.name
        if name != "starter" and Path(name).expanduser().exists():
            raise RunError("space.local_model", run=run.id, model=name)
    folder.mkdir(parents=True, exist_ok=True)
    for name in PROGRAM:
        _copy(ROOT / name, folder / name)
    for run in runs:
        for name in OF_A_RUN:
            _copy(run.folder / name, folder / RUNS / run.id / name)


def take_in(brought: Path, home: Path) -> None:
    """Copy the runs that a Space brings into its home, which may be a disk that outlives it: votes are kept there.

    A run that the home has already stays as it is.
    """
    for run in sorted(brought.glob("*/config.yaml")):
        target = home / "runs" / run.parent.name
        if not target.exists():
            part = target.with_name(f".{target.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(run.parent, part)
            part.rename(target)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyi"))
    elif source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
