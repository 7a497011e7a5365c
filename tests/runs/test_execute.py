"""Whole runs: in a process of their own by the command line, and in this one."""

import json
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from chatgui.cli.training import _print_event
from chatgui.config import RunConfig
from chatgui.events import Checkpoint, Evaluation, Event, Failed, Finished, Notice, Resumed, Stage, Step
from chatgui.fields import build
from chatgui.runs.execute import execute
from chatgui.runs.store import Run, create_run, find_run
from tests.runs.conftest import curve

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def config(tiny_model: Path, conversations: Path) -> dict[str, Any]:
    return {
        "model": {"name": str(tiny_model)},
        "data": {"source": str(conversations), "validation_fraction": 0.1},
        "training": {"max_steps": 4, "batch_size": 4, "checkpoint_steps": 1},
    }


def queue(home: Path, values: dict[str, Any]) -> Run:
    return create_run(home, build(RunConfig, values))


def of(run: Run, kind: type[Event]) -> list[Any]:
    return [event for event in run.events() if isinstance(event, kind)]


def test_a_run_goes_from_a_config_file_to_a_model_by_one_command(
    config: dict[str, Any], chatgui: Command, home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    done = chatgui("train", file, "--json", "--training.max_steps", "3")
    assert (done.returncode, done.stderr) == (0, "")
    row = json.loads(done.stdout.splitlines()[-1])
    run = find_run(home, row["run"])
    assert Path(row["path"]) == run.folder
    assert (row["state"], row["steps"]) == ("finished", 3)
    assert {"seconds", "train_loss", "validation_loss", "tokens_per_second", "peak_memory_bytes"} <= row.keys()
    assert [event.step for event in of(run, Step)] == [1, 2, 3]
    assert [event.name for event in of(run, Stage)] == ["imports", "data", "model", "training", "saving"]
    assert of(run, Finished)[0].reason == "done"
    assert {file.name for file in run.result_folder().iterdir()} >= {
        "adapter_model.safetensors", "tokenizer.json", "README.md",
    }  # fmt: skip
    assert {name: len(rows) for name, rows in json.loads((run.folder / "splits.json").read_text()).items()} == {
        "train": 20, "validation": 2, "test": 2,
    }  # fmt: skip


def test_a_run_that_fails_says_one_sentence_and_exits_with_two(
    config: dict[str, Any], chatgui: Command, home: Path, tmp_path: Path
) -> None:
    config["data"]["source"] = str(tmp_path / "nowhere.jsonl")
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(config), encoding="utf-8")
    done = chatgui("train", file, "--json")
    assert done.returncode == 2
    assert "nowhere.jsonl: there is no such file, folder or sample" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert json.loads(done.stdout.splitlines()[-1])["state"] == "failed"
    run = find_run(home, "last")
    assert (run.state().message["key"], of(run, Failed)[0].key) == ("data.not_found", "data.not_found")


def test_the_result_answers_as_it_did_when_training_ended(config: dict[str, Any], home: Path) -> None:
    from chatgui.evaluation.losses import mean_loss
    from chatgui.models import attach_saved, load_model
    from chatgui.prepare import prepare

    run = queue(home, config)
    assert execute(run)
    made = run.config
    base = load_model(made.model, made.task.HEAD, torch.device("cpu"), torch.float32)
    model = attach_saved(base, run.result_folder())
    loss = mean_loss(model, made.task, prepare(made).validation, made.training.micro_batch_tokens)
    assert loss == pytest.approx(of(run, Evaluation)[-1].loss, rel=1e-6)


def test_a_run_interrupted_in_the_middle_resumes_to_the_same_curve(config: dict[str, Any], home: Path) -> None:
    straight, broken = queue(home, config), queue(home, config)
    assert execute(straight)

    def die(event: Event) -> None:
        if isinstance(event, Step) and event.step == 4:
            raise KeyboardInterrupt  # nothing may catch it: as sudden as a kill

    with pytest.raises(KeyboardInterrupt):
        execute(broken, die)
    broken.set_state(pid=None)  # the process is gone
    assert broken.state().state == "interrupted"
    broken.reopen(resume=True)
    assert execute(broken)
    assert [event.step for event in of(broken, Resumed)] == [3]
    assert [event.loss for event in of(broken, Step)] == [event.loss for event in of(straight, Step)]
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (broken.result_folder() / name).read_bytes() == (straight.result_folder() / name).read_bytes()


@pytest.mark.parametrize("discard", [False, True])
def test_a_stopped_run_keeps_what_it_learnt_unless_told_otherwise(
    config: dict[str, Any], home: Path, discard: bool
) -> None:
    run = queue(home, config)

    def stop(event: Event) -> None:
        if isinstance(event, Step) and event.step == 2:
            run.request_stop(discard=discard)

    assert execute(run, stop)
    state = run.state()
    assert (state.state, state.step, run.has_model) == ("stopped", 2, not discard)
    assert state.message["key"] == ("run.stopped_discard" if discard else "run.stopped_keep")


def test_a_paused_run_keeps_its_step_and_goes_on_to_the_same_curve(config: dict[str, Any], home: Path) -> None:
    config["training"]["checkpoint_steps"] = 3
    straight, paused = queue(home, config), queue(home, config)
    assert execute(straight)
    assert execute(
        paused, lambda event: paused.request_pause() if isinstance(event, Step) and event.step == 2 else None
    )
    state = paused.state()
    assert (state.state, state.message) == ("paused", {"key": "run.paused", "values": {"step": 2}})
    assert [folder.name for folder in paused.checkpoints()] == ["step-000002"]
    paused.reopen(resume=True)
    assert execute(paused)
    assert curve(paused) == curve(straight)


def test_a_run_that_is_to_stop_after_its_epoch_ends_with_the_epoch(config: dict[str, Any], home: Path) -> None:
    config["training"] |= {"max_steps": 30}
    run = queue(home, config)
    assert execute(run, lambda event: run.request_stop(after_epoch=True) if isinstance(event, Step) else None)
    assert (run.state().state, run.state().message["key"], run.has_model) == ("stopped", "run.stopped_epoch", True)
    assert (run.state().step, of(run, Step)[-1].epoch) == (5, 1.0)


def test_a_stopped_run_can_be_resumed_to_its_end(config: dict[str, Any], home: Path) -> None:
    run = queue(home, config)
    execute(run, lambda event: run.request_stop() if isinstance(event, Step) and event.step == 2 else None)
    run.reopen(resume=True)
    assert execute(run)
    assert (run.state().state, run.state().step) == ("finished", 4)


def test_a_stopped_run_has_a_checkpoint_of_its_last_step(config: dict[str, Any], home: Path) -> None:
    config["training"]["checkpoint_steps"] = 2
    run = queue(home, config)
    execute(run, lambda event: run.request_stop() if isinstance(event, Step) and event.step == 3 else None)
    assert [folder.name for folder in run.checkpoints()] == ["step-000002", "step-000003"]
    assert [event.path for event in of(run, Checkpoint)] == ["step-000002", "step-000003"]


def test_rows_that_were_left_out_or_cut_are_told(config: dict[str, Any], home: Path, tmp_path: Path) -> None:
    lines = Path(config["data"]["source"]).read_text(encoding="utf-8").splitlines()
    data = tmp_path / "some.jsonl"
    data.write_text("\n".join(["{broken", *lines]), encoding="utf-8")
    config["data"]["source"] = str(data)
    config["training"] |= {"max_length_tokens": 60, "max_steps": 1}
    run = queue(home, config)
    assert execute(run)
    notices = {event.key: event.values for event in of(run, Notice)}
    assert set(notices) == {"run.rows_dropped", "run.rows_unfit", "run.rows_cut"}
    assert (notices["run.rows_dropped"]["count"], notices["run.rows_dropped"]["line"]) == (1, 1)


def test_a_mistake_of_the_program_is_logged_and_told_in_one_line(
    config: dict[str, Any], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_off(event: Event) -> None:
        if isinstance(event, Step):
            raise ZeroDivisionError("no\nnumber")

    run = queue(home, config)
    assert not execute(run, break_off)
    assert run.state().state == "failed"
    assert run.state().message == {"key": "run.crashed", "values": {"reason": "no", "log": str(run.log)}}
    assert "ZeroDivisionError" in run.log.read_text(encoding="utf-8")
    assert capsys.readouterr().err == ""


def test_memory_that_runs_out_is_told_with_what_to_lower(config: dict[str, Any], home: Path) -> None:
    def run_out(event: Event) -> None:
        if isinstance(event, Step):
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")

    run = queue(home, config)
    assert not execute(run, run_out)
    assert run.state().message["key"] == "run.out_of_memory"


def test_a_pretraining_run_from_random_weights_ends_well(config: dict[str, Any], home: Path) -> None:
    config |= {"task": {"kind": "pretrain"}, "adapter": {"kind": "full"}}
    config["model"]["random_weights"] = True
    config["training"]["optimizer"] = "muon"
    run = queue(home, config)
    assert execute(run)
    assert (run.result_folder() / "model.safetensors").is_file()


def test_a_run_stopped_while_it_starts_makes_no_step(config: dict[str, Any], home: Path) -> None:
    run = queue(home, config)
    assert execute(run, lambda event: run.request_stop() if isinstance(event, Stage) and event.name == "data" else None)
    assert (run.state().state, run.state().message["key"], of(run, Step)) == ("stopped", "run.stopped_early", [])


def test_a_model_whose_loss_is_no_number_fails_with_a_sentence(
    config: dict[str, Any], home: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "broken"
    shutil.copytree(config["model"]["name"], folder)
    weights = load_file(folder / "model.safetensors")
    weights["transformer.ln_f.weight"].fill_(float("nan"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config["model"]["name"] = str(folder)
    run = queue(home, config)
    assert not execute(run)
    assert (run.state().state, run.state().message["key"]) == ("failed", "model.not_finite")
    assert "NaN" not in (run.folder / "state.json").read_text(encoding="utf-8")
    assert "NaN" not in (run.folder / "events.jsonl").read_text(encoding="utf-8")


def test_a_full_disk_ends_the_run_with_a_sentence(config: dict[str, Any], small_disk: Path) -> None:
    run = queue(small_disk, config)
    assert not execute(run)
    assert (run.state().state, run.state().message["key"]) == ("failed", "run.disk_full")
    assert [event.key for event in of(run, Failed)] == ["run.disk_full"]
    assert not list((run.folder / "checkpoints").glob(".*"))


def test_a_disk_without_room_for_the_sentence_still_lets_the_reader_hear_it(
    config: dict[str, Any], small_disk: Path
) -> None:
    run = queue(small_disk, config)
    with suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as stream:
        while stream.write(bytes(4096)):
            pass
    heard: list[Event] = []
    assert not execute(run, heard.append)
    assert [event.key for event in heard if isinstance(event, Failed)] == ["run.disk_full"]


def test_half_an_event_is_never_written(small_disk: Path) -> None:
    run = create_run(small_disk, RunConfig())
    notice = Notice("run.rows_cut", {"text": "x" * 3000})
    with pytest.raises(OSError, match="No space left"):
        while True:
            run.append(notice)
    content = (run.folder / "events.jsonl").read_text(encoding="utf-8")
    assert content.endswith("\n")
    assert len(run.events()) == content.count("\n") > 0


@pytest.fixture
def long_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything counts as long, and is told at once."""
    from chatgui import encode
    from chatgui.runs import execute

    monkeypatch.setattr(encode, "KEPT_ROWS", 1)
    monkeypatch.setattr(encode, "PART_ROWS", 5)
    monkeypatch.setattr(execute, "TOLD_SECONDS", -1.0)


def test_the_first_encoding_of_long_data_is_told_in_events_state_and_terminal(
    config: dict[str, Any], home: Path, long_data: None, capsys: pytest.CaptureFixture[str]
) -> None:
    run = queue(home, config)
    seen: list[tuple[str, int, int]] = []

    def see(event: Event) -> None:
        _print_event(event)
        if isinstance(event, Stage) and event.total:
            seen.append((run.state().stage, run.state().stage_done, run.state().stage_total))

    assert execute(run, see)
    counted = [(event.name, event.done, event.total) for event in of(run, Stage) if event.total]
    assert counted == [("encoding", done, 22) for done in (5, 10, 15, 20)]
    assert seen == [("data", 0, 0), *counted[:-1]], "the state follows each event"
    assert "encoding the rows: 15 of 22 rows" in capsys.readouterr().out
    assert run.state().stage_total == 0


def test_a_run_that_is_stopped_while_its_data_is_encoded_says_so_and_leaves_nothing_half_done(
    config: dict[str, Any], home: Path, long_data: None
) -> None:
    run = queue(home, config)

    def stop(event: Event) -> None:
        if isinstance(event, Stage) and event.done == 10:
            run.request_stop()

    assert execute(run, stop)
    assert (run.state().state, run.state().message["key"]) == ("stopped", "run.stopped_early")
    assert of(run, Step) == [] and list((home / "cache" / "tokens").iterdir()) == []
