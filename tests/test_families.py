"""A file in a family's folder that its table of contents does not name would be there in vain."""

import importlib
from pathlib import Path
from typing import Any, get_args

import pytest

import chatgui
from chatgui.adapters import Adapter
from chatgui.data.formats import FORMATS
from chatgui.data.load import DataConfig
from chatgui.fields import Config
from chatgui.tasks import Task

PACKAGE = Path(chatgui.__file__).parent
NO_TASK = {"base", "causal", "likelihood", "loss", "predicting"}
"""What tasks share."""
NO_ADAPTER = {"method", "layers", "modules"}
"""What adapters share."""


def stems(folder: str) -> set[str]:
    return {file.stem for file in (PACKAGE / folder).glob("*.py")} - {"__init__"}


def members(union: Any) -> tuple[type[Config], ...]:
    return get_args(get_args(union)[0])


@pytest.mark.parametrize(("folder", "union", "others"), [("adapters", Adapter, NO_ADAPTER), ("tasks", Task, NO_TASK)])
def test_each_file_is_a_kind_of_its_union(folder: str, union: Any, others: set[str]) -> None:
    homes = {member.__module__.rpartition(".")[2]: member for member in members(union)}
    assert set(homes) == stems(folder) - others
    assert {stem: member().kind for stem, member in homes.items()} == {stem: stem for stem in homes}  # type: ignore[attr-defined]


def test_each_file_is_a_dataset_format() -> None:
    assert {format_.__name__.rpartition(".")[2] for format_ in FORMATS} == stems("data/formats") - {"columns", "turns"}


@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.NAME)
def test_a_format_has_what_a_format_needs(format_: Any) -> None:
    assert format_.__name__.rpartition(".")[2] == format_.NAME
    assert {"matches", "convert", "EXAMPLE"} <= set(dir(format_))


def test_a_format_can_be_chosen_by_its_name() -> None:
    choices = get_args(DataConfig.model_fields["format"].annotation)
    assert set(choices) == {"auto", *(format_.NAME for format_ in FORMATS)}


@pytest.mark.parametrize("task", members(Task), ids=lambda task: task.__name__)
def test_a_task_has_what_a_task_needs(task: type[Config]) -> None:
    assert {"HEAD", "make_example", "arrange", "loss", "metrics", "fitted", "head_options"} <= set(dir(task))


@pytest.mark.parametrize("adapter", members(Adapter), ids=lambda adapter: adapter.__name__)
def test_an_adapter_can_be_attached(adapter: type[Config]) -> None:
    assert "attach" in dir(adapter)


def test_every_tab_is_in_the_page() -> None:
    app = importlib.import_module("chatgui.ui.app")
    assert {tab.__name__.rpartition(".")[2] for tab in app.TABS} == stems("ui/tabs")


def test_every_group_of_commands_is_in_the_command_line() -> None:
    cli = importlib.import_module("chatgui.cli")
    assert {group.__name__.rpartition(".")[2] for group in cli.GROUPS} == stems("cli") - {"flags"}
