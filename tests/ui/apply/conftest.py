"""A home with a run that classifies and one that ranks."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatgui.runs.workspace import Workspace
from tests.test_predict import CHOICES, LABELS, trained


@pytest.fixture(scope="package")
def workspace(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Workspace]:
    before = signal.getsignal(signal.SIGTERM)
    home = tmp_path_factory.mktemp("apply") / "home"
    for task, rows in (("classification", LABELS), ("ranking", CHOICES)):
        trained(home, tiny_model, rows, task)
    yield Workspace(home)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def classifier(workspace: Workspace) -> str:
    return workspace.runs_of_task("classification")[0]


@pytest.fixture
def ranker(workspace: Workspace) -> str:
    return workspace.runs_of_task("ranking")[0]
