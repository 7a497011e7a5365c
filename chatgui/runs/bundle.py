"""Runs that are put aside or carried elsewhere: the waste basket of a home, and a run as one file."""

import shutil
import time
import zipfile
from pathlib import Path

from chatgui.errors import RunError
from chatgui.runs.store import LIVE, Run
from chatgui.runs.table import disk_bytes

BASKET_DAYS = 7
MOST_BYTES = 50 * 2**30
"""Of an unpacked run; more is taken for a file that was made to fill the disk."""


def throw_away(run: Run) -> Path:
    """Move a run into the waste basket. Raises RunError while it is live, or when the disk refuses."""
    if run.state().state in LIVE:
        raise RunError("run.still_running", run=run.id)
    place = _basket(run.folder.parents[1]) / run.id
    try:
        place.parent.mkdir(exist_ok=True)
        run.folder.rename(place)
        (place / "state.json").touch()  # its age in the basket counts from now
    except OSError as error:
        raise RunError("run.cannot_write", path=str(place), reason=error.strerror or str(error)) from error
    return place


def thrown_away(home: Path) -> list[str]:
    """Ids in the waste basket, the latest first."""
    files = sorted(_basket(home).glob("*/state.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    return [file.parent.name for file in files]


def restore(home: Path, run_id: str) -> Run:
    """Take a run out of the waste basket again. Raises RunError when it is not in it."""
    if run_id not in thrown_away(home):
        raise RunError("run.not_in_basket", run=run_id)
    run = Run(home / "runs" / run_id)
    try:
        (_basket(home) / run_id).rename(run.folder)
    except OSError as error:
        raise RunError("run.cannot_write", path=str(run.folder), reason=error.strerror or str(error)) from error
    return run


def empty_basket(home: Path, older_than_seconds: float = BASKET_DAYS * 86400.0) -> int:
    """Remove for good what has lain in the waste basket for so long; how many runs that were."""
    old = [
        name for name in thrown_away(home)
        if time.time() - (_basket(home) / name / "state.json").stat().st_mtime >= older_than_seconds
    ]  # fmt: skip
    for name in old:
        shutil.rmtree(_basket(home) / name, ignore_errors=True)
    return len(old)


def thin(run: Run) -> int:
    """Remove an ended run's checkpoints, and how many bytes that freed; nothing while it is live or waits.

    Its result stays; it can be trained again, but not from where it was.
    """
    if run.state().state in (*LIVE, "queued", "paused"):
        return 0
    freed = disk_bytes(run.folder / "checkpoints")
    shutil.rmtree(run.folder / "checkpoints", ignore_errors=True)
    return freed


def _basket(home: Path) -> Path:
    return home / "basket"


def pack(run: Run, file: Path, with_checkpoints: bool = False) -> Path:
    """The run as one zip file: config, events, result, votes. Checkpoints stay unless they are wished for."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as bundle:  # weights do not get smaller
        for path in sorted(run.folder.rglob("*")):
            name = path.relative_to(run.folder)
            if (
                path.is_file()
                and not name.name.startswith(".")
                and (with_checkpoints or name.parts[0] != "checkpoints")
            ):
                bundle.write(path, f"{run.id}/{name.as_posix()}")
    return file


def unpack(home: Path, file: Path) -> Run:
    """A packed run as a run of this home. Raises RunError for a file that is none, or a run that is already here."""
    try:
        with zipfile.ZipFile(file) as bundle:
            names = [info.filename for info in bundle.infolist() if not info.is_dir()]
            tops = {name.split("/")[0] for name in names}
            top = tops.pop() if len(tops) == 1 else ""
            inside = all(".." not in Path(name).parts and not name.startswith(("/", "\\")) for name in names)
            if not top or not inside or f"{top}/state.json" not in names or f"{top}/config.yaml" not in names:
                raise RunError("run.not_a_bundle", path=file.name)
            if sum(info.file_size for info in bundle.infolist()) > MOST_BYTES:
                raise RunError("run.not_a_bundle", path=file.name)
            run = Run(home / "runs" / top)
            if run.folder.exists():
                raise RunError("run.already_here", run=top)
            bundle.extractall(home / "runs")
    except (zipfile.BadZipFile, EOFError) as error:
        raise RunError("run.not_a_bundle", path=file.name) from error
    except OSError as error:
        if isinstance(error, RunError):
            raise
        raise RunError("run.cannot_write", path=str(home), reason=error.strerror or str(error)) from error
    if run.state().state in (*LIVE, "queued"):  # it was packed while it trained elsewhere
        run.set_state(state="interrupted", message={"key": "run.interrupted", "values": {}}, stage="")
    return run
