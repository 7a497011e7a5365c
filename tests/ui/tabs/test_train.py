"""The Train tab's handlers over plain values. No page, no browser."""

import re
import shutil
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from chatgui.config import RunConfig
from chatgui.data.load import DataConfig
from chatgui.errors import ConfigError, DataError, RunError
from chatgui.fields import knobs
from chatgui.runs.foresee import keep_forecast
from chatgui.runs.store import create_run
from chatgui.runs.workspace import Workspace
from chatgui.tasks.chat import Chat
from chatgui.training.forecast import Forecast
from chatgui.ui.form import Form
from chatgui.ui.session import Selection
from chatgui.ui.tabs import train

FORM = Form()
DEFAULTS = {knob.name: knob.default for knob in knobs(RunConfig) if not knob.elsewhere}


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return Workspace(home)


@pytest.fixture
def selection(conversations: Path) -> Selection:
    return Selection(DataConfig(source=str(conversations), test_fraction=0.25), run="before")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What pops up, instead of on a page that is not there."""
    sentences: list[str] = []
    monkeypatch.setattr(gr, "Info", lambda sentence, **looks: sentences.append(sentence))
    return sentences


def values(**changes: Any) -> dict[str, Any]:
    return {**DEFAULTS, **{name.replace("__", "."): value for name, value in changes.items()}}


def card(html: str) -> dict[str, str]:
    return dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", html))


def test_a_forecast_says_that_it_measures_and_then_what_it_found(
    workspace: Workspace, selection: Selection, tiny_model: Path
) -> None:
    form = values(model__name=str(tiny_model), training__max_steps=3, training__batch_size=4)
    measuring, found = train.tell_needs(workspace, FORM, "en", selection, **form)
    assert "real steps" in measuring and "3 steps in" in found and "GB free" in found


def test_why_there_is_no_forecast_stands_where_it_would(workspace: Workspace, selection: Selection) -> None:
    *_, found = train.tell_needs(workspace, FORM, "en", selection, **values(model__name="./no-model"))
    assert "no-model" in found and "missing" in found


# ---- the ready card --------------------------------------------------------------------------------------------------


def test_the_ready_card_says_what_start_will_do(workspace: Workspace, selection: Selection) -> None:
    html, start, *_ = train.ready(
        workspace, FORM, "en", selection, **values(training__epochs=2, training__batch_size=4)
    )
    rows = card(html)
    assert rows.pop("Device").startswith(("CPU", "NVIDIA"))
    assert rows == {
        "Model": "starter",
        "Data": "conversations.jsonl: 17 to train on, 1 to watch, 6 put aside",
        "Method": "LoRA of rank 16: the base model stays as it is",
        "Steps": "10 steps of 4 examples",
        "Changed": "Epochs, Batch size",
    }
    assert (start["value"], start["interactive"]) == ("Start training", True)


def test_untouched_settings_are_called_defaults(workspace: Workspace, selection: Selection) -> None:
    assert card(train.ready(workspace, FORM, "en", selection, **values())[0])["Changed"].startswith("nothing")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_missing_data_blocks_start_and_says_why(workspace: Workspace, selection: Selection, language: str) -> None:
    gone = Selection(DataConfig(source="./gone.jsonl"))
    html, start, *_ = train.ready(workspace, FORM, language, gone, **values())
    assert 'class="ready missing"' in html
    assert "gone.jsonl" in html
    assert start["interactive"] is False
    assert ("there is no such file" in html) == (language == "en")


def test_a_value_that_is_not_allowed_is_named_and_start_says_it_under_its_field(
    workspace: Workspace, selection: Selection
) -> None:
    html, start, *_ = train.ready(workspace, FORM, "en", selection, **values(training__epochs=0))
    assert "training.epochs" in html
    assert (start["value"], start["interactive"]) == ("Not ready: see the reason above", True)


def test_a_model_that_is_not_there_blocks_start(workspace: Workspace, selection: Selection) -> None:
    html, start, *_ = train.ready(workspace, FORM, "en", selection, **values(model__name="./no-model"))
    assert "no-model" in html
    assert start["interactive"] is False


def test_plain_text_blocks_chat_and_not_pretraining(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "tales.txt"
    file.write_text("One day.\n\nOnce upon a time.\n\nThe end.", encoding="utf-8")
    tales = Selection(DataConfig(source=str(file)))
    assert train.ready(workspace, FORM, "en", tales, **values())[1]["interactive"] is False
    assert train.ready(workspace, FORM, "en", tales, **values(task__kind="pretrain"))[1]["interactive"] is True


def test_while_a_run_is_live_start_offers_to_wait(workspace: Workspace, selection: Selection) -> None:
    create_run(workspace.home, RunConfig(), state="running")
    _, start, *_ = train.ready(workspace, FORM, "en", selection, **values())
    assert (start["value"], start["interactive"]) == ("Start after the current run", True)


def test_the_card_shows_names_as_text(workspace: Workspace, conversations: Path, tmp_path: Path) -> None:
    source = shutil.copy(conversations, tmp_path / "<b>x.jsonl")
    html, _, *_ = train.ready(workspace, FORM, "en", Selection(DataConfig(source=str(source))), **values())
    assert "&lt;b&gt;x.jsonl" in html
    assert "<b>" not in html


# ---- starting --------------------------------------------------------------------------------------------------------


def test_start_queues_a_run_of_the_form_and_the_selection(
    workspace: Workspace, selection: Selection, told: list[str]
) -> None:
    form = values(training__epochs=7, training__max_steps=None, adapter__rank=4, model__revision="")
    chosen = train.start_run(workspace, FORM, "en", selection, **form)
    assert chosen.run
    assert chosen == Selection(selection.data, chosen.run)
    run = workspace.run(chosen.run)
    assert run.state().state == "queued"
    assert run.config.data == selection.data
    assert (run.config.training.epochs, run.config.model.revision) == (7, None)
    assert dict(run.config.adapter)["rank"] == 4
    assert told == []


def test_the_fields_of_another_kind_are_left_out(workspace: Workspace, selection: Selection, told: list[str]) -> None:
    chosen = train.start_run(workspace, FORM, "en", selection, **values(adapter__kind="full", adapter__rank=4))
    assert chosen.run
    assert workspace.run(chosen.run).config.adapter.kind == "full"


def test_a_second_start_is_queued_and_told(workspace: Workspace, selection: Selection, told: list[str]) -> None:
    live = create_run(workspace.home, RunConfig(), state="running")
    chosen = train.start_run(workspace, FORM, "en", selection, **values())
    assert chosen.run
    assert workspace.run(chosen.run).state().state == "queued"
    assert told == [f"{live.id} is still training. This run waits and starts by itself."]


def test_nothing_is_queued_when_something_is_wrong(workspace: Workspace, selection: Selection) -> None:
    with pytest.raises(ConfigError, match=r"training\.epochs"):
        train.start_run(workspace, FORM, "en", selection, **values(training__epochs=None))
    with pytest.raises(DataError):
        train.start_run(workspace, FORM, "en", Selection(DataConfig(source="./gone.jsonl")), **values())
    assert workspace.runs() == []


# ---- for scripts -----------------------------------------------------------------------------------------------------


def test_a_script_sees_state_and_numbers(workspace: Workspace) -> None:
    run = create_run(workspace.home, RunConfig(), state="finished")
    run.set_state(step=3, result={"validation_loss": 1.5})
    row = train.status_row(workspace, run.id)
    assert (row["run"], row["state"], row["steps"], row["validation_loss"]) == (run.id, "finished", 3, 1.5)


def test_a_script_can_stop_a_run_once(workspace: Workspace) -> None:
    run = create_run(workspace.home, RunConfig())
    assert train.stop_row(workspace, run.id) == {"run": run.id, "state": "stopped"}
    with pytest.raises(RunError, match="nothing to stop"):
        train.stop_row(workspace, run.id)


def test_when_a_run_has_ended_its_models_are_loaded_ahead_if_it_has_any(workspace: Workspace) -> None:
    train.load_ahead(workspace, "en", Selection())
    run = create_run(workspace.home, RunConfig(), state="failed")
    train.load_ahead(workspace, "en", Selection(run=run.id))
    assert not workspace.has_pair(run)


def test_the_form_says_what_teaches(selection: Selection) -> None:
    chosen = values(model__name="gpt2", task__teach="last_reply", training__max_length_tokens=64)
    teaching = train.say_what_teaches(FORM, "en", selection, **chosen).teaching
    assert (teaching.model.name, teaching.max_length_tokens) == ("gpt2", 64)
    assert teaching.task == Chat(teach="last_reply")
    assert train.say_what_teaches(FORM, "en", selection, **values(training__epochs=0)) is selection


def test_advanced_counts_what_is_changed_and_offers_the_way_back(workspace: Workspace, selection: Selection) -> None:
    *_, title, back = train.ready(workspace, FORM, "en", selection, **values())
    assert (title["label"], back["visible"]) == ("Advanced", False)
    *_, title, back = train.ready(workspace, FORM, "en", selection, **values(training__batch_size=4))
    assert (title["label"], back["visible"]) == ("Advanced (1 changed)", True)


def test_forecast_and_fact_stand_side_by_side_once_a_run_has_ended(workspace: Workspace) -> None:
    run = create_run(workspace.home, RunConfig(), state="finished")
    chosen = Selection(run=run.id)
    assert train.tell_fact(workspace, "en", chosen) == ""
    keep_forecast(run.folder, Forecast(9, 60.0, 50.0, 90.0, 2 * 10**9, 8 * 10**9, 10**9, 0.0, 0.0))
    assert train.tell_fact(workspace, "en", chosen) == "", "nothing has been measured yet"
    run.set_state(result={"seconds": 71.0, "peak_memory_bytes": 19 * 10**8})
    assert "it took 1 min 11 s and 1.90 GB" in train.tell_fact(workspace, "en", chosen)
