import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chatgui.config import RunConfig
from chatgui.data.load import DataConfig
from chatgui.errors import DataError, RunError
from chatgui.runs.store import Run, create_run
from chatgui.runs.workspace import Workspace


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return Workspace(home)


@pytest.fixture
def finished(workspace: Workspace, make_config: Callable[..., RunConfig], tiny_model: Path) -> Run:
    """A run whose result is the tiny model itself."""
    run = create_run(workspace.home, make_config(), state="finished")
    shutil.copytree(tiny_model, run.model_folder)
    return run


@pytest.fixture
def read_only_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    (folder / "home").mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("mounting a disk needs rights this user does not have")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_an_upload_is_kept_by_its_content(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("one", encoding="utf-8")
    first = workspace.keep_upload(file)
    assert workspace.keep_upload(file) == first
    file.write_text("another", encoding="utf-8")
    second = workspace.keep_upload(file)
    assert first != second
    assert (first.read_text(), second.read_text(), first.name) == ("one", "another", "rows.jsonl")


def test_an_upload_outlives_the_file_it_came_from(workspace: Workspace, conversations: Path, tmp_path: Path) -> None:
    file = shutil.copy(conversations, tmp_path / "talks.jsonl")
    kept = workspace.keep_upload(Path(file))
    Path(file).unlink()
    assert len(workspace.dataset(DataConfig(source=str(kept))).rows) == 24


def test_data_is_read_once_until_its_file_changes(workspace: Workspace, conversations: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(conversations, tmp_path / "talks.jsonl"))
    config = DataConfig(source=str(file))
    before = workspace.dataset(config)
    assert workspace.dataset(config) is before
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join(lines[:5]), encoding="utf-8")
    assert len(workspace.dataset(config).rows) == 5


def test_a_changed_file_of_a_folder_is_read_again(workspace: Workspace, conversations: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(conversations, tmp_path / "talks.jsonl"))
    config = DataConfig(source=str(tmp_path))
    assert len(workspace.dataset(config).rows) == 24
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join(lines[:5]), encoding="utf-8")
    assert len(workspace.dataset(config).rows) == 5


def test_a_pair_is_loaded_once_and_forgotten_when_its_run_goes_on(workspace: Workspace, finished: Run) -> None:
    told: list[str] = []
    pair = workspace.pair(finished, told.append)
    assert workspace.pair(finished, told.append) is pair
    assert told == ["loading"]
    (finished.folder / "checkpoints" / "step-000001").mkdir(parents=True)
    workspace.resume_run(finished)
    assert not workspace.has_pair(finished)
    assert workspace.pair(finished) is not pair


def test_a_new_result_of_a_run_is_loaded_anew(workspace: Workspace, finished: Run, tiny_model: Path) -> None:
    before = workspace.pair(finished)
    time.sleep(0.02)  # a file system may count time in steps
    shutil.rmtree(finished.model_folder)  # as a run that was resumed in a terminal does it
    shutil.copytree(tiny_model, finished.folder / ".model")
    (finished.folder / ".model" / "README.md").touch()
    (finished.folder / ".model").rename(finished.model_folder)
    assert not workspace.has_pair(finished)
    assert workspace.pair(finished) is not before


def test_a_run_without_a_result_has_no_pair(workspace: Workspace) -> None:
    run = workspace.start_run(RunConfig())
    assert not workspace.has_pair(run)
    with pytest.raises(RunError, match="has kept no result"):
        workspace.pair(run)


def test_a_started_run_waits_and_can_be_found(workspace: Workspace) -> None:
    run = workspace.start_run(RunConfig())
    assert run.state().state == "queued"
    assert [found.id for found in workspace.runs()] == [run.id] == [workspace.run(run.id).id]


def test_the_live_run_is_the_one_that_trains(workspace: Workspace) -> None:
    assert workspace.live_run() is None
    create_run(workspace.home, RunConfig())
    live = create_run(workspace.home, RunConfig(), state="running")
    found = workspace.live_run()
    assert found
    assert found.id == live.id


def test_a_run_nobody_can_read_does_not_hide_the_live_one(workspace: Workspace) -> None:
    live = create_run(workspace.home, RunConfig(), state="running")
    broken = create_run(workspace.home, RunConfig())
    (broken.folder / "state.json").write_text("{", encoding="utf-8")
    found = workspace.live_run()
    assert found
    assert found.id == live.id


def test_a_home_below_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file/home: nothing can be written here: Not a directory"):
        Workspace(tmp_path / "file" / "home")


def test_a_home_on_a_read_only_disk_is_told(read_only_disk: Path) -> None:
    home = read_only_disk / "home"
    Workspace(home)
    subprocess.run(["mount", "-o", "remount,ro", read_only_disk], check=True)
    with pytest.raises(RunError, match="nothing can be written here"):
        Workspace(home)


# Which data the page may read


@pytest.mark.parametrize("outside", ["secret.jsonl", "missing.jsonl", "../secret.jsonl", "link.jsonl"])
def test_a_folder_that_is_not_open_is_refused_whatever_lies_in_it(
    tmp_path: Path, conversations: Path, outside: str
) -> None:
    open_folder = tmp_path / "open" / "inner"
    open_folder.mkdir(parents=True)
    for place in (tmp_path / "secret.jsonl", tmp_path / "open" / "secret.jsonl"):
        place.write_bytes(conversations.read_bytes())
    (open_folder / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    workspace = Workspace(tmp_path / "home", data_folders=(open_folder,))
    source = str((open_folder if outside[0] in ".l" else tmp_path) / outside)
    for door in (workspace.dataset, workspace.peek, lambda data: workspace.start_run(RunConfig(data=data))):
        with pytest.raises(DataError, match="this folder is not open to the page"):
            door(DataConfig(source=source))


def test_samples_uploads_and_open_folders_are_read(tmp_path: Path, conversations: Path) -> None:
    workspace = Workspace(tmp_path / "home", data_folders=(conversations.parent,))
    kept = workspace.keep_upload(conversations)
    for source in ("support", str(kept), str(conversations)):
        assert len(workspace.dataset(DataConfig(source=source)).rows) > 0


def test_several_uploads_are_one_dataset(tmp_path: Path, conversations: Path) -> None:
    other = tmp_path / "test.jsonl"
    other.write_bytes(conversations.read_bytes())
    workspace = Workspace(tmp_path / "home")
    dataset = workspace.dataset(DataConfig(source=str(workspace.keep_uploads([conversations, other]))))
    rows = dataset.rows
    assert dataset.name == "conversations+1"
    assert {row.origin for row in rows} == {"conversations.jsonl", "test.jsonl"}
    assert len(rows) == 48
