import json
import os
import signal
from pathlib import Path

import pytest

from chatgui.errors import RunError
from chatgui.runs.scoring import Scoring, read_card, score, scoring, start_scoring
from chatgui.runs.store import Run, create_run
from tests.finished import finished_run
from tests.ui.conftest import wait_until


@pytest.fixture
def run(home: Path, tiny_model: Path, conversations: Path) -> Run:
    return finished_run(home, tiny_model, conversations)


def test_the_card_of_the_test_split_is_kept_with_the_run(run: Run) -> None:
    card = score(run, "test", replies=0)
    assert read_card(run) == card
    assert scoring(run) == Scoring(False)
    assert score(run, "validation", replies=0)["split"] == "validation"
    assert read_card(run) == card


def test_a_run_without_a_result_says_so_to_whoever_watches(home: Path, run: Run) -> None:
    empty = create_run(home, run.config, "failed")
    with pytest.raises(RunError):
        score(empty, "test")
    failure = scoring(empty).failure
    assert failure is not None
    assert failure["key"] == "run.no_model"


@pytest.mark.slow
def test_a_process_of_its_own_makes_the_card_and_a_killed_one_is_told(run: Run) -> None:
    run.rewrite_config(run.config.model_copy(update={"generation": run.config.generation.model_copy(
        update={"max_new_tokens": 4}
    )}))  # fmt: skip
    start_scoring(run)
    assert scoring(run).working
    pid = json.loads((run.folder / "scorecard-progress.json").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not scoring(run).working, 20)
    assert scoring(run).failure == {"key": "scorecard.died", "values": {}}
    start_scoring(run)
    wait_until(lambda: not scoring(run).working, 120)
    card = read_card(run)
    assert card is not None
    assert card["replies"] == len(card["changes"]) > 0
