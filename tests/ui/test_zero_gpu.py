"""On ZeroGPU replies and training go through loans of a GPU; a run that outlives its loan is paused and can go on.

The lender is a stand-in under the rules of the real one (`lender/spaces`): nobody lends GPUs on a test's machine.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from chatgui.events import Resumed, Step
from chatgui.runs.store import Run
from tests.ui.conftest import wait_until
from tests.ui.test_space import Space, folder  # noqa: F401  a fixture

LENDER = Path(__file__).with_name("lender")
SECONDS = 120
"""Of a loan; half of them are kept for writing the checkpoint."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def space(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:  # noqa: F811
    disk = tmp_path_factory.mktemp("zero")
    running = Space(
        folder, disk, SPACES_ZERO_GPU="true", PYTHONPATH=str(LENDER), LOANS=str(disk / "loans.jsonl"),
        CHATGUI_AUTH="anna:secret", CHATGUI_GPU_SECONDS=str(SECONDS),
    )  # fmt: skip
    yield running
    running.close()


@pytest.fixture
def client(space: Space) -> Iterator[Client]:
    made = Client(space.url, verbose=False, auth=("anna", "secret"))
    yield made
    made.close()


def loans(space: Space, function: str) -> list[dict[str, Any]]:
    """Of one function, in their order."""
    file = space.output.with_name("loans.jsonl")
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [row for row in rows if row["function"] == function]


def ended(space: Space, function: str, count: int) -> list[dict[str, Any]]:
    """So many loans, once the last of them has ended."""
    wait_until(lambda: len(loans(space, function)) >= count, 120)
    return loans(space, function)


def newest(space: Space) -> Run:
    return Run(max((space.output.parent / ".chatgui" / "runs").iterdir()))


def test_replies_are_computed_by_a_lent_gpu(space: Space, client: Client) -> None:
    run = newest(space).id
    row = client.predict(run=run, message="Hello", max_new_tokens=4, temperature=0, api_name="/compare")
    assert row["base"]["ids"] and row["tuned"]["ids"]
    (loan,) = ended(space, "compare_once", 1)
    assert (loan["duration"], loan["aborted"]) == (60, False)
    with pytest.raises(AppError, match="must be 1 or more"):
        client.predict(run=run, message="Hello", max_new_tokens=0, api_name="/compare")


def test_a_run_that_outlives_its_loan_is_paused_and_goes_on_with_the_next(space: Space, client: Client) -> None:
    long = {"training.max_steps": 5000, "training.checkpoint_steps": 5000, "training.batch_size": 4}
    client.predict(**long, api_name="/start_run")
    run = newest(space)
    wait_until(lambda: run.state().state in ("paused", "failed", "interrupted"), SECONDS + 30)
    state = run.state()
    assert (state.state, state.message["key"]) == ("paused", "space.time_over"), (state, run.log.exists())
    assert [kept.name for kept in run.checkpoints()] == [f"step-{state.step:06d}"]
    (loan,) = ended(space, "train_for", 1)
    assert (loan["duration"], loan["aborted"]) == (SECONDS, False)
    assert loan["seconds"] < SECONDS

    run.reopen(resume=True)
    time.sleep(1.5)
    assert run.state().state == "queued"  # nobody has asked, so there is nobody whose time could be lent
    client.predict(**{**long, "training.max_steps": 1}, api_name="/start_run")
    wait_until(lambda: any(isinstance(event, Resumed) for event in run.events()), SECONDS)
    steps = run.state().step
    wait_until(lambda: run.state().step > steps or run.state().state not in ("starting", "running"), SECONDS)
    client.predict(run.id, False, api_name="/stop_run")
    wait_until(lambda: run.state().state == "stopped", SECONDS)
    assert run.has_model
    numbers = [event.step for event in run.events() if isinstance(event, Step)]
    assert numbers == list(range(1, len(numbers) + 1)) and numbers[-1] > state.step
    assert [loan["aborted"] for loan in ended(space, "train_for", 2)[:2]] == [False, False]
