"""The page as a whole: what it shows when it opens, who may open it, and what a script may call."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from chatgui.config import RunConfig
from chatgui.data.load import DataConfig
from chatgui.errors import ConfigError, RunError
from chatgui.runs.store import ENDED, create_run
from chatgui.runs.workspace import Workspace
from chatgui.ui import app
from chatgui.ui.session import Selection
from tests.ui.conftest import wait_until

PUBLIC = {"load_dataset", "start_run", "run_status", "stop_run", "compare", "vote"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, gr.Blocks]:
    workspace = Workspace(tmp_path_factory.mktemp("app") / "home")
    return workspace, app.build(workspace)


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return Workspace(home)


def restore(workspace: Workspace, remembered: Any = None) -> Selection:
    return app._restore(workspace, "en", Selection(), remembered)


# ---- the page --------------------------------------------------------------------------------------------------------


def test_the_page_has_its_tabs_in_order(page: tuple[Workspace, gr.Blocks]) -> None:
    ids = [block.elem_id for block in page[1].blocks.values() if isinstance(block, gr.Tab) and block.elem_id]
    assert [id_ for id_ in ids if id_.startswith("tab-")] == [
        "tab-dataset",
        "tab-train",
        "tab-chat",
        "tab-trial",
        "tab-review",
        "tab-apply",
        "tab-runs",
    ]


def test_scripts_may_call_what_the_contract_names_and_nothing_else(page: tuple[Workspace, gr.Blocks]) -> None:
    assert {name.strip("/") for name in page[1].get_api_info()["named_endpoints"]} >= PUBLIC
    assert {name.strip("/") for name in page[1].get_api_info()["named_endpoints"]} <= {*PUBLIC, "compare", "vote"}


def test_a_run_is_started_by_named_parameters(page: tuple[Workspace, gr.Blocks]) -> None:
    endpoint = page[1].get_api_info()["named_endpoints"]["/start_run"]
    names = {parameter["parameter_name"] for parameter in endpoint["parameters"]}
    assert {"training.epochs", "training.learning_rate", "adapter.rank", "model.name"} <= names


def test_a_script_may_leave_out_every_setting(page: tuple[Workspace, gr.Blocks]) -> None:
    endpoint = page[1].get_api_info()["named_endpoints"]["/start_run"]
    assert [it["parameter_name"] for it in endpoint["parameters"] if not it["parameter_has_default"]] == []


# ---- who may open it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5"])
def test_another_host_without_a_login_is_refused(home: Path, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACE_ID", raising=False)
    with pytest.raises(ConfigError, match="others could reach this page; give --auth"):
        app.serve(home, host=host)
    assert not home.exists()


def test_a_login_without_a_colon_is_refused(home: Path) -> None:
    with pytest.raises(ConfigError, match="--auth: a name and a password"):
        app.serve(home, auth="anna")


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="nothing can be written here"):
        app.serve(tmp_path / "file" / "home")


# ---- opening it again ------------------------------------------------------------------------------------------------


def test_a_page_of_an_empty_home_shows_the_sample_and_no_run(workspace: Workspace) -> None:
    assert restore(workspace) == restore(workspace, {}) == Selection(DataConfig(), None, opened=True)


def test_a_page_that_opens_shows_the_live_run(workspace: Workspace) -> None:
    live = create_run(workspace.home, RunConfig(), state="running")
    time.sleep(1.1)  # the id counts seconds
    create_run(workspace.home, RunConfig(), state="finished")
    assert restore(workspace).run == live.id


def test_without_a_live_run_it_shows_the_newest(workspace: Workspace) -> None:
    create_run(workspace.home, RunConfig(), state="finished")
    time.sleep(1.1)
    newest = create_run(workspace.home, RunConfig(), state="failed")
    assert restore(workspace).run == newest.id


def test_the_data_is_remembered(workspace: Workspace, conversations: Path) -> None:
    chosen = Selection(DataConfig(source=str(conversations), test_fraction=0.3))
    assert restore(workspace, app._remember(chosen)).data == chosen.data


def test_remembered_data_that_has_vanished_falls_back_to_the_sample(
    workspace: Workspace, conversations: Path, tmp_path: Path
) -> None:
    file = Path(shutil.copy(conversations, tmp_path / "talks.jsonl"))
    remembered = app._remember(Selection(DataConfig(source=str(file))))
    file.unlink()
    assert restore(workspace, remembered).data == DataConfig()


@pytest.mark.parametrize("remembered", [{"data": {"speed": 9}}, {"data": {"source": 7}}, {"data": None}, {"other": 1}])
def test_what_another_version_remembered_does_no_harm(workspace: Workspace, remembered: Any) -> None:
    assert restore(workspace, remembered).data == DataConfig()


def test_the_status_line_leads_to_the_live_run(workspace: Workspace) -> None:
    selection, tabs = app._open_live_run(workspace, "en", Selection(run="other"))
    assert (selection.run, tabs.selected) == ("other", "train")
    live = create_run(workspace.home, RunConfig(), state="running")
    assert app._open_live_run(workspace, "en", Selection(run="other"))[0].run == live.id


# ---- a script --------------------------------------------------------------------------------------------------------


@pytest.fixture
def client(page: tuple[Workspace, gr.Blocks]) -> Iterator[Any]:
    from gradio_client import Client

    workspace, blocks = page
    blocks.queue().launch(prevent_thread_lock=True, **app.launch_options(blocks))
    workspace.training.start()
    yield Client(blocks.local_url, verbose=False)
    workspace.training.close()
    blocks.close()


@pytest.mark.slow
def test_a_script_loads_data_starts_a_run_follows_it_and_stops_it(
    client: Any, page: tuple[Workspace, gr.Blocks], tiny_model: Path, conversations: Path
) -> None:
    workspace = page[0]
    loaded = client.predict(source=str(conversations), format="auto", api_name="/load_dataset")
    assert loaded["rows"] == 24
    names = {"model.name": str(tiny_model), "training.max_steps": 100_000, "training.batch_size": 4}
    client.predict(**names, api_name="/start_run")
    (run,) = workspace.runs()
    assert (run.config.training.max_steps, run.config.data.source) == (100_000, str(conversations))
    wait_until(lambda: client.predict(run=run.id, api_name="/run_status")["state"] == "running", 120)
    assert client.predict(run=run.id, discard=False, api_name="/stop_run")["state"] == "stopping"
    wait_until(lambda: run.state().state in ENDED, 60)
    status = client.predict(run=run.id, api_name="/run_status")
    assert (status["run"], status["state"], status["steps"] > 0) == (run.id, "stopped", True)
