"""What the page's script is answered. No page, no browser."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chatgui.config import RunConfig
from chatgui.events import Evaluation, Event, Notice, Resumed, Step, to_line
from chatgui.runs.follow import Followers
from chatgui.runs.store import Run, create_run
from chatgui.runs.workspace import Workspace
from chatgui.text import languages
from chatgui.ui import live


def step(number: int, loss: float = 2.0) -> Step:
    return Step(number, number / 10, 100 * number, 0.5 * number, loss, 1e-3, 1.0, 200.0)


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return Workspace(home)


@pytest.fixture
def run(workspace: Workspace) -> Run:
    """A run that this process trains: 2 of 10 steps are done."""
    run = create_run(workspace.home, RunConfig(), state="running")
    run.set_state(step=2, seconds=1.0, total_steps=10, seconds_left=[3.0, 5.0])
    for event in (Evaluation(0, "validation", 3.0), step(1), step(2, 1.5)):
        run.append(event)
    return run


def watch(workspace: Workspace, run: Run | None, language: str = "en", **query: Any) -> dict[str, Any]:
    return live.watch(workspace, language, {"run": run.id if run else None, **query}, Followers())


def marks(now: dict[str, Any]) -> dict[str, str]:
    return {name: curve["mark"] for name, curve in now["curves"].items()}


def append(run: Run, *events: Event) -> None:
    for event in events:
        run.append(event)


# ---- watching --------------------------------------------------------------------------------------------------------


def test_the_first_answer_brings_the_frame_and_the_whole_curve(workspace: Workspace, run: Run) -> None:
    now = watch(workspace, run)
    lines = now["curves"][run.id]["lines"]
    assert (lines["raw"], lines["validation"]) == ({"x": [1, 2], "y": [2, 1.5]}, {"x": [0], "y": [3]})
    assert (now["run"], now["title"], set(now["frame"]["axes"])) == (
        run.id, "support · starter · lora", {"step", "tokens", "epoch", "seconds"},
    )  # fmt: skip


def test_a_later_answer_brings_a_curve_only_when_it_has_changed(workspace: Workspace, run: Run) -> None:
    have = marks(watch(workspace, run))
    again = watch(workspace, run, have=have)
    assert (again["curves"], "frame" in again) == ({}, False)
    append(run, step(3, 1.25), Evaluation(3, "validation", 1.75))
    lines = watch(workspace, run, have=have)["curves"][run.id]["lines"]
    assert (lines["raw"]["y"], lines["validation"]["x"]) == ([2, 1.5, 1.25], [0, 3])


def test_another_view_of_the_same_curve_is_sent(workspace: Workspace, run: Run) -> None:
    have = marks(watch(workspace, run))
    assert watch(workspace, run, have=have, axis="tokens")["curves"][run.id]["lines"]["raw"]["x"] == [100, 200]
    assert watch(workspace, run, have=have, lower="grad_norm")["curves"][run.id]["lines"]["lower"]["y"] == [1, 1]
    assert watch(workspace, run, have=have, ends=[1.5, 2])["curves"][run.id]["mark"] != have[run.id]
    assert watch(workspace, run, have=have, axis="no such axis")["curves"] == {}


def test_reward_margin_and_accuracy_can_be_chosen_for_the_strip(workspace: Workspace, run: Run) -> None:
    assert watch(workspace, run)["metrics"] == {}
    append(run, replace(step(3), metrics={"reward_margin": 0.25, "reward_accuracy": 0.75, "own": 1.0}))
    now = watch(workspace, run, "zh", lower="reward_margin")
    assert now["metrics"] == {"own": "own", "reward_accuracy": "奖励准确率", "reward_margin": "奖励差"}
    assert now["curves"][run.id]["lines"]["lower"]["y"] == [None, None, 0.25]


def test_other_runs_are_listed_and_laid_over_when_asked_for(workspace: Workspace, run: Run) -> None:
    other = create_run(workspace.home, RunConfig())
    append(other, step(1, 4.0))
    create_run(workspace.home, RunConfig())  # has no curve
    now = watch(workspace, run, beside=[other.id, "nowhere"])
    assert [row["run"] for row in now["others"]] == [other.id]
    assert set(now["curves"]) == {run.id, other.id}
    assert now["curves"][other.id]["lines"]["smooth"]["y"] == [4]
    assert "raw" not in now["curves"][other.id]["lines"]


def test_after_a_resume_the_curve_comes_without_what_was_taken_back(workspace: Workspace, run: Run) -> None:
    append(run, step(3, 9.0), Resumed(2), step(3, 1.0))
    assert watch(workspace, run)["curves"][run.id]["lines"]["raw"] == {"x": [1, 2, 3], "y": [2, 1.5, 1]}


def test_a_torn_line_waits_for_its_rest(workspace: Workspace, run: Run) -> None:
    have = marks(watch(workspace, run))
    line = to_line(step(3)) + "\n"
    with (run.folder / "events.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(line[:30])
        stream.flush()
        torn = watch(workspace, run, have=have)
        stream.write(line[30:])
    assert torn["curves"] == {}
    assert watch(workspace, run, have=have)["curves"][run.id]["lines"]["raw"]["x"] == [1, 2, 3]


def test_a_curve_that_says_something_brings_a_hint(workspace: Workspace, run: Run) -> None:
    append(run, *(step(number, 3.0) for number in range(3, 60)))
    run.set_state(total_steps=60)
    assert watch(workspace, run)["hints"][0].startswith("The loss has climbed away from its lowest point at step 2")


@pytest.mark.parametrize("name", [None, "", "nowhere"])
def test_an_unknown_run_is_no_run(workspace: Workspace, run: Run, name: str | None) -> None:
    now = live.watch(workspace, "en", {"run": name}, Followers())
    assert set(now) == {"run", "texts", "gone", "queue"}
    assert now["gone"] == bool(name)
    assert now["run"] is None


def test_a_run_that_has_just_been_queued_has_an_empty_curve(workspace: Workspace) -> None:
    now = watch(workspace, create_run(workspace.home, RunConfig()))
    assert now["curves"][now["run"]]["lines"]["raw"] == {"x": [], "y": []}
    assert (now["state"], now["live"], now["stoppable"], now["progress"]) == ("queued", True, True, 0.0)
    assert now["message"] == "Another run is training; this one starts by itself after it."


def test_progress_and_numbers_are_told(workspace: Workspace, run: Run) -> None:
    now = watch(workspace, run)
    assert now["progress"] == 0.2
    assert now["progress_text"] == "Step 2 of 10 · about 3 s to 5 s left"
    assert {fact["label"]: fact["value"] for fact in now["facts"]} == {
        "Loss (nats per token)": "1.500", "Speed": "200 tokens/s", "Epoch": "0.20", "Time": "1 s",
    }  # fmt: skip


def test_notices_are_told_as_sentences(workspace: Workspace, run: Run) -> None:
    append(run, Notice("run.rows_cut", {"count": 3, "limit": 64}))
    assert watch(workspace, run)["notices"] == [
        "Examples cut at 64 tokens: 3; raise max_length_tokens to keep their ends."
    ]


def test_an_ended_run_says_why_and_can_be_resumed_from_a_checkpoint(workspace: Workspace, run: Run) -> None:
    message = {"key": "run.crashed", "values": {"reason": "oh", "log": "log.txt"}}
    run.set_state(state="failed", message=message)
    now = watch(workspace, run)
    assert (now["message"], now["live"], now["resumable"]) == (
        "The run broke off: oh (the whole story is in log.txt)", False, False,
    )  # fmt: skip
    (run.folder / "checkpoints" / "step-000002").mkdir(parents=True)
    assert watch(workspace, run)["resumable"]


@pytest.mark.parametrize("language", languages())
def test_every_text_comes_in_the_readers_language(workspace: Workspace, run: Run, language: str) -> None:
    now, other = watch(workspace, run, language=language), watch(workspace, run, language="en")
    assert now["texts"].keys() == {key.removeprefix("live.") for key in live.PANEL_TEXTS}
    assert not any(text.startswith("live.") for text in now["texts"].values())
    assert (now["state_text"] == other["state_text"]) == (language == "en")
    assert (now["texts"]["stop"] == other["texts"]["stop"]) == (language == "en")


# ---- stop and resume -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("discard", "wish"), [(False, "keep"), (True, "discard")])
def test_stop_asks_the_worker(workspace: Workspace, run: Run, discard: bool, wish: str) -> None:
    assert live.stop(workspace, "en", {"run": run.id, "discard": discard}) == {"error": None}
    assert run.stop_request() == wish
    assert watch(workspace, run)["stoppable"] is False


def test_a_stop_that_cannot_be_is_a_sentence(workspace: Workspace, run: Run) -> None:
    run.set_state(state="finished")
    assert "so there is nothing to stop" in live.stop(workspace, "en", {"run": run.id})["error"]
    assert "there is no run nowhere" in live.stop(workspace, "en", {"run": "nowhere"})["error"]


def test_a_run_can_be_paused_stopped_after_its_epoch_and_trained_on_after_all(workspace: Workspace, run: Run) -> None:
    query = {"run": run.id}
    assert live.stop(workspace, "en", {**query, "after_epoch": True}) == {"error": None}
    now = watch(workspace, run)
    assert (now["stoppable"], now["withdrawable"]) == (False, True)
    assert (now["state"], now["message"]) == ("running", "Stops at the end of this epoch.")
    assert live.withdraw(workspace, "en", query) == {"error": None}
    assert watch(workspace, run)["stoppable"]
    assert live.pause(workspace, "en", query) == {"error": None}
    assert watch(workspace, run)["message"] == "Writing a checkpoint; then it pauses."
    run.set_state(state="paused", message={"key": "run.paused", "values": {"step": 2}})
    now = watch(workspace, run)
    assert (now["state_text"], now["resumable"], now["message"]) == (
        "Paused", True, "Paused after step 2; Resume goes on from there.",
    )  # fmt: skip


def test_waiting_runs_are_moved_and_removed(workspace: Workspace, run: Run) -> None:
    first, second = (create_run(workspace.home, RunConfig()) for _ in range(2))
    assert [row["run"] for row in watch(workspace, run)["queue"]] == [first.id, second.id]
    assert live.move(workspace, "en", {"run": second.id, "by": -1}) == {"error": None}
    assert [row["run"] for row in watch(workspace, run)["queue"]] == [second.id, first.id]
    assert live.remove(workspace, "en", {"run": second.id}) == {"error": None}
    assert [row["run"] for row in watch(workspace, run)["queue"]] == [first.id]
    assert "does not wait in the queue" in live.move(workspace, "en", {"run": run.id, "by": 1})["error"]
    assert "does not wait in the queue" in live.remove(workspace, "en", {"run": run.id})["error"]


def test_a_worker_without_a_sign_of_life_is_told(workspace: Workspace, run: Run) -> None:
    run.set_state(heartbeat=time.monotonic() - 90)
    assert watch(workspace, run)["message"].startswith("No sign of life for 1 min 30 s")


def test_resume_queues_the_run_again(workspace: Workspace, run: Run) -> None:
    run.set_state(state="failed")
    assert live.resume(workspace, "en", {"run": run.id}) == {"error": None}
    assert run.state().state == "queued"


def test_a_resume_that_cannot_be_is_a_sentence(workspace: Workspace, run: Run) -> None:
    assert "is still running" in live.resume(workspace, "en", {"run": run.id})["error"]
    assert (
        live.resume(workspace, "zh", {"run": run.id})["error"] != live.resume(workspace, "en", {"run": run.id})["error"]
    )


# ---- the status line -------------------------------------------------------------------------------------------------


def test_the_status_line_names_the_device_and_the_live_run(workspace: Workspace, run: Run) -> None:
    now = live.status(workspace, "en")
    assert "GiB free" in now["device"]
    assert (now["run"], now["text"]) == (run.id, "Step 2 of 10 · about 3 s to 5 s left")


def test_without_a_run_the_status_line_says_so(workspace: Workspace) -> None:
    now = live.status(workspace, "en")
    assert (now["run"], now["text"]) == (None, "Nothing is training")


def test_a_broken_run_does_not_take_the_status_line_away(workspace: Workspace, run: Run) -> None:
    (run.folder / "state.json").write_text("{", encoding="utf-8")
    assert live.status(workspace, "en")["run"] is None


def test_long_data_is_told_row_by_row_in_the_run_and_in_the_status_line(workspace: Workspace, run: Run) -> None:
    run.set_state(state="starting", total_steps=0, stage="encoding", stage_done=12_000, stage_total=900_000)
    now = watch(workspace, run)
    assert now["message"] == now["progress_text"] == "encoding the rows: 12,000 of 900,000 rows"
    assert live.status(workspace, "zh")["text"] == "正在编码数据：12,000 / 900,000 行"
