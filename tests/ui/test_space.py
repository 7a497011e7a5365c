"""The folder of a Space starts from itself alone, shows its runs to everybody, and trains for nobody."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from gradio_client import Client
from gradio_client.exceptions import AppError

from chatgui.config import RunConfig
from chatgui.errors import RunError
from chatgui.export.space import lay_out, take_in
from chatgui.fields import build
from chatgui.runs.execute import execute
from chatgui.runs.store import Run, create_run
from tests.finished import finished_run
from tests.ui.conftest import ROOT, START_SECONDS, _free_port, wait_until

REFUSAL = "nothing can be trained or uploaded here"


class Space:
    """`python app.py` in a Space's folder, with the variables that Spaces sets and none of ours."""

    def __init__(self, folder: Path, disk: Path, python: str = sys.executable, **secrets: str) -> None:
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.output = disk / "output.txt"
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(disk), "SYSTEM": "spaces", "SPACE_ID": "someone/chatgui",
            "SPACE_HOST": f"127.0.0.1:{self.port}", "GRADIO_SERVER_PORT": str(self.port), "HF_HUB_OFFLINE": "1",
            "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1", **secrets,
        }  # fmt: skip
        with self.output.open("w") as stream:
            self.process = subprocess.Popen(
                [python, "app.py"], cwd=folder, env=environment, stdout=stream, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        wait_until(lambda: "ChatGUI: http" in self.output.read_text() or self.process.poll() is not None, START_SECONDS)
        assert self.process.poll() is None, self.output.read_text()

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Space with one finished run on the starter."""
    place = tmp_path_factory.mktemp("space")
    values = {"data": {"source": "clinic"}, "training": {"max_steps": 2}, "probes": {"count": 0}}
    run = create_run(place / "home", build(RunConfig, values), "starting")
    assert execute(run)
    lay_out(place / "space", [run])
    return place / "space"


@pytest.fixture(scope="module")
def space(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    running = Space(folder, tmp_path_factory.mktemp("disk"))
    yield running
    running.close()


def test_the_front_matter_names_the_tested_gradio() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(text.split("---\n")[1])
    pinned = re.search(r"^gradio==(.+)$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert pinned and front["sdk_version"] == pinned[1]
    assert (front["sdk"], front["app_file"], front["hf_oauth"]) == ("gradio", "app.py", True)
    assert len(front["short_description"]) <= 60


@pytest.mark.slow
def test_a_script_that_wants_to_train_is_refused_with_the_sentence(space: Space) -> None:
    client = Client(space.url, verbose=False)
    with pytest.raises(AppError, match=REFUSAL):
        client.predict(api_name="/start_run", **{"training.epochs": 1})
    with pytest.raises(AppError, match=REFUSAL):
        client.predict(source="clinic", api_name="/load_dataset")
    home = Path(space.output.parent) / ".chatgui"
    assert len(list((home / "runs").iterdir())) == 1
    client.close()


@pytest.mark.slow
def test_a_script_may_compare(space: Space) -> None:
    client = Client(space.url, verbose=False)
    assert {"/compare", "/vote"} <= set(client.view_api(return_format="dict", print_info=False)["named_endpoints"])
    client.close()


@pytest.mark.slow
def test_an_upload_is_refused_with_the_sentence(space: Space) -> None:
    import httpx

    for path in ("gradio_api/upload", "upload", "gradio_api/upload/"):
        answer = httpx.post(space.url + path, files={"files": ("a.jsonl", b"{}")}, trust_env=False)
        assert (answer.status_code, REFUSAL in answer.text) == (403, True), path


@pytest.mark.browser
@pytest.mark.parametrize(("locale", "sentence"), [("en-US", REFUSAL), ("zh-CN", "这里不能训练")])
def test_the_page_says_so_and_has_no_way_to_train(space: Space, browser: Any, locale: str, sentence: str) -> None:
    context = browser.new_context(locale=locale)  # its own: Gradio's header of a Space asks huggingface.co for likes
    context.route(lambda url: not url.startswith(space.url), lambda route: route.abort())
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(space.url)
    page.get_by_text(sentence).wait_for()
    assert page.get_by_role("tab").count() == 2
    page.locator("#chat-message textarea").wait_for()
    assert page.locator("input[type=file]").count() == 0
    page.get_by_role("tab").nth(1).click()
    page.locator("#review-panel .review").wait_for()
    assert page.locator("#review-panel .train-on:visible, #review-panel .score-make:visible").count() == 0
    if folder_of_pictures := os.environ.get("CHATGUI_PICTURES"):
        page.get_by_role("tab").nth(0).click()
        page.wait_for_timeout(1500)
        page.screenshot(path=f"{folder_of_pictures}/space-{locale}.png")
    context.close()


@pytest.mark.slow
def test_with_a_login_the_space_is_the_whole_page(folder: Path, tmp_path: Path) -> None:
    running = Space(folder, tmp_path, CHATGUI_AUTH="anna:secret")
    try:
        client = Client(running.url, verbose=False, auth=("anna", "secret"))
        names = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
        assert "/run_status" in names
        client.close()
    finally:
        running.close()


@pytest.mark.fresh
@pytest.mark.timeout(1800)
def test_the_space_starts_in_an_empty_environment(folder: Path, tmp_path: Path) -> None:
    """Everything it needs stands in its requirements.txt."""
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet"]
    torch = version("torch").partition("+")[0]  # the build that this machine has: Spaces brings its own
    subprocess.run([*install, f"torch=={torch}"], check=True)
    subprocess.run([*install, "-r", str(folder / "requirements.txt")], check=True)
    running = Space(folder, tmp_path, str(python))
    try:
        client = Client(running.url, verbose=False)
        with pytest.raises(AppError, match=REFUSAL):
            client.predict(api_name="/start_run")
        client.close()
    finally:
        running.close()


def test_the_home_keeps_what_it_has_when_the_space_brings_its_runs_again(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    take_in(folder / "runs", tmp_path)
    (run,) = (Run(it) for it in (tmp_path / "runs").iterdir())
    assert run.has_model and run.state().state == "finished"
    run.reviews.write_text("a vote")
    take_in(folder / "runs", tmp_path)
    assert run.reviews.read_text() == "a vote"


def test_a_run_on_a_model_of_this_machine_alone_is_refused(
    tmp_path: Path, tiny_model: Path, conversations: Path
) -> None:
    run = finished_run(tmp_path / "home", tiny_model, conversations)
    with pytest.raises(RunError, match="lies on this machine alone"):
        lay_out(tmp_path / "space", [run])


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(RunError, match="is not empty"):
        lay_out(tmp_path, [])
