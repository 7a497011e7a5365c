"""The search form's handlers, and what its script is told, over a real home and real (tiny) trainings."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatgui.config import RunConfig
from chatgui.errors import ConfigError, RunError
from chatgui.runs.ranges import Range
from chatgui.runs.search import SearchConfig, create_search, find_search, list_searches
from chatgui.runs.store import create_run, list_runs
from chatgui.runs.workspace import Workspace
from chatgui.ui import search_panel as panel
from chatgui.ui.session import Selection
from tests.runs.conftest import wait_until

RANGES = "training.learning_rate: 1e-4..1e-1 log\n"


@pytest.fixture
def workspace(home: Path) -> Iterator[Workspace]:
    opened = Workspace(home)
    yield opened
    opened.training.close()
    for worker in opened.training._workers:
        worker.process.wait(timeout=60)


def test_every_field_that_is_offered_gets_a_range_that_is_allowed() -> None:
    fields = [field for _, field in panel.searchable_fields()]
    assert {"training.learning_rate", "adapter.rank", "training.optimizer", "training.batch_size"} <= set(fields)
    assert "model.name" not in fields
    for field in fields:
        text, _ = panel.add_range("en", "", field, panel.propose("en", field))
        assert [range_.field for range_ in panel.read_ranges(text)] == [field]


def test_ranges_add_up_and_may_be_written_by_hand() -> None:
    text, emptied = panel.add_range("en", RANGES, "adapter.rank", "4, 8")
    assert emptied == ""
    assert panel.read_ranges(text + "training.batch_size: [8, 16]\n") == (
        Range("training.learning_rate", 1e-4, 1e-1, log=True), Range("adapter.rank", choices=(4, 8)),
        Range("training.batch_size", choices=(8, 16)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("- a\n- b", "must be lines such as"), ("a: [", "must be lines"), ("training.speed: 1..2", "speed")],
)
def test_yaml_that_says_no_ranges_is_told(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        panel.read_ranges(text)


def test_nothing_is_begun_without_ranges_or_around_two_runs(workspace: Workspace, home: Path) -> None:
    with pytest.raises(ConfigError, match="range"):
        panel.start(workspace, "en", (), "")
    with pytest.raises(RunError, match="exactly one"):
        panel.start(workspace, "en", ("a", "b"), RANGES)
    with pytest.raises(RunError, match="Choose a search"):
        panel.resume(workspace, "en", None)
    assert list_searches(home) == []


@pytest.mark.slow
def test_a_search_of_the_page_stops_goes_on_and_gives_its_best_settings(
    workspace: Workspace, home: Path, tiny_model: Path, conversations: Path
) -> None:
    values = {
        "model": {"name": str(tiny_model)}, "data": {"source": str(conversations), "validation_fraction": 0.2},
        "training": {"batch_size": 4, "max_steps": 4, "checkpoint_steps": 2, "evaluation_steps": 2},
        "probes": {"count": 0},
    }  # fmt: skip
    base = create_run(home, RunConfig.model_validate(values), "finished")
    workspace.training.start()
    panel.start(workspace, "en", (base.id,), RANGES, **{"search.trials": 3, "search.prune": False})
    (search,) = list_searches(home)
    wait_until(lambda: len(list_runs(home)) > 1)
    assert panel.search_row(workspace, "en", search.id)["live"]
    panel.stop(workspace, "en", search.id)
    wait_until(lambda: workspace.searches.state(search) == "stopped")
    assert "it can go on" in panel.search_row(workspace, "en", search.id)["said"]
    panel.resume(workspace, "en", search.id)
    wait_until(lambda: workspace.searches.state(search) == "finished", 300)
    row = panel.search_row(workspace, "en", search.id)
    assert row["said"].startswith("Finished: 3 of 3 trials")
    assert [cells["cells"][0] for cells in row["rows"]] == ["3", "2", "1"]
    assert len(row["figures"]) == 2
    assert json.dumps(row["figures"])
    assert "figures" not in panel.search_row(workspace, "en", search.id, row["version"])
    selection, _ = panel.take_best(workspace, "en", search.id, Selection())
    best = find_search(home, search.id).best()
    assert best is not None
    assert dict(selection.wish)["training.learning_rate"] == best[1].training.learning_rate
    assert len([run for run in list_runs(home) if run.id != base.id]) == 3


def test_a_search_that_nobody_drives_can_go_on(workspace: Workspace, home: Path) -> None:
    search = create_search(home, RunConfig(), SearchConfig(trials=2), panel.read_ranges(RANGES))
    row = panel.search_row(workspace, "zh", search.id)
    assert row["said"].startswith("已停止")
    assert row["figures"] == []
    assert panel.search_row(workspace, "en", "")["said"] == "No search yet."
    with pytest.raises(RunError, match="not under way in this program"):
        panel.stop(workspace, "en", search.id)
    with pytest.raises(RunError, match="No trial"):
        panel.take_best(workspace, "en", search.id, Selection())
