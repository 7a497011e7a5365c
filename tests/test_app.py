"""`app.py`, as Spaces, `gradio app.py` and people start it."""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

IMPORTED = "import app; print(type(app.demo).__name__, app.home)"


def started(folder: Path, *flags: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """What Spaces and `gradio app.py` do, with the flags that a person gives."""
    script = f"import sys; sys.argv = ['app.py', *{list(flags)!r}]; sys.path.insert(0, {str(ROOT)!r}); {IMPORTED}"
    known = {name: value for name, value in os.environ.items() if name != "CHATGUI_HOME"}
    return subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env={**known, **environment}, capture_output=True, text=True
    )


def test_the_home_that_the_flag_names_is_the_only_one_touched(tmp_path: Path) -> None:
    other, home = tmp_path / "other", tmp_path / "home"
    done = started(tmp_path, "--port", "7999", "--home", str(home), CHATGUI_HOME=str(other), HOME=str(tmp_path / "me"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["Page", str(home)]
    assert (home / "runs").is_dir()
    assert not other.exists() and not (tmp_path / "me" / ".chatgui").exists()


def test_without_a_flag_the_home_is_that_of_the_environment(tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = started(tmp_path, CHATGUI_HOME=str(home))
    assert done.stdout.split() == ["Page", str(home)], done.stderr
    assert (home / "runs").is_dir()
