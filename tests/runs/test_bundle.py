"""The waste basket, and a run as one file."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from chatgui.config import RunConfig
from chatgui.errors import RunError
from chatgui.runs.bundle import empty_basket, pack, restore, throw_away, thrown_away, unpack
from chatgui.runs.store import Run, create_run, list_runs


@pytest.fixture
def ended(home: Path) -> Callable[[], Run]:
    def make() -> Run:
        run = create_run(home, RunConfig())
        run.set_state(state="finished")
        (run.folder / "checkpoints" / "step-1").mkdir(parents=True)
        (run.folder / "checkpoints" / "step-1" / "weights").write_bytes(b"w" * 100)
        (run.folder / "events.jsonl").write_text("{}\n", encoding="utf-8")
        return run

    return make


def test_a_run_thrown_away_is_no_run_any_more_and_comes_back_whole(home: Path, ended: Callable[[], Run]) -> None:
    run = ended()
    throw_away(run)
    assert list_runs(home) == []
    assert thrown_away(home) == [run.id]
    back = restore(home, run.id)
    assert [each.id for each in list_runs(home)] == [run.id]
    assert (back.folder / "checkpoints" / "step-1" / "weights").read_bytes() == b"w" * 100
    assert thrown_away(home) == []


def test_what_is_in_the_basket_for_long_is_removed(home: Path, ended: Callable[[], Run]) -> None:
    throw_away(ended())
    assert empty_basket(home) == 0
    assert empty_basket(home, older_than_seconds=0) == 1
    assert thrown_away(home) == []


def test_a_live_run_is_not_thrown_away(home: Path) -> None:
    run = create_run(home, RunConfig(), state="starting")
    with pytest.raises(RunError):
        throw_away(run)
    assert [each.id for each in list_runs(home)] == [run.id]


def test_a_packed_run_opens_in_another_home_without_its_checkpoints(
    home: Path, tmp_path: Path, ended: Callable[[], Run]
) -> None:
    run = ended()
    file = pack(run, tmp_path / "run.zip")
    other = tmp_path / "other"
    taken = unpack(other, file)
    assert (taken.id, taken.config, taken.state().state) == (run.id, run.config, "finished")
    assert not (taken.folder / "checkpoints").exists()
    with pytest.raises(RunError, match="already here"):
        unpack(other, file)


def test_a_file_that_is_no_run_is_told_and_leaves_nothing(home: Path, tmp_path: Path) -> None:
    outside = tmp_path / "evil.zip"
    with zipfile.ZipFile(outside, "w") as bundle:
        for name in ("x/state.json", "x/config.yaml", "x/../../outside.txt"):
            bundle.writestr(name, "{}")
    words = tmp_path / "words.zip"
    words.write_text("not a zip", encoding="utf-8")
    for file in (outside, words):
        with pytest.raises(RunError, match="is no packed run"):
            unpack(home, file)
    assert list_runs(home) == []
    assert not (tmp_path / "outside.txt").exists()
