import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatgui import __version__
from chatgui.cli import main
from chatgui.config import RunConfig
from chatgui.fields import knobs
from chatgui.runs.store import Run, create_run

VERBS = ("ui", "data", "train", "runs", "show", "stop", "pause", "resume", "delete", "compare", "evaluate")
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def run(home: Path) -> Run:
    return create_run(home, RunConfig())


def help_of(capsys: Capture, *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def rows_of(capsys: Capture) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def refusal(capsys: Capture, *arguments: str) -> str:
    assert main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    return captured.err


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(capsys: Capture, verb: str) -> None:
    text = help_of(capsys, verb)
    assert f"usage: chatgui {verb}" in text
    assert "cli." not in text  # a key without a sentence would stand there as it is


def test_the_help_lists_every_verb(capsys: Capture) -> None:
    text = help_of(capsys)
    assert all(f"\n    {verb} " in text for verb in VERBS)


def test_training_has_a_flag_for_every_field(capsys: Capture) -> None:
    text = help_of(capsys, "train")
    assert [knob.name for knob in knobs(RunConfig) if f"--{knob.name}" not in text] == ["version"]


def test_the_version_is_printed(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == __version__


def test_an_unknown_flag_ends_with_two(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", "config.yaml", "--training.speed", "9"])
    assert ended.value.code == 2


def test_data_prints_the_keys_of_the_contract(
    capsys: Capture, home: Path, tiny_model: Path, conversations: Path
) -> None:
    assert main(["data", str(conversations), "--tokenizer", str(tiny_model), "--json"]) == 0
    (row,) = rows_of(capsys)
    assert {
        "format", "encoding", "rows", "kept", "dropped", "splits", "lengths", "supervised_share", "findings",
    } <= row.keys()  # fmt: skip
    assert row["lengths"].keys() >= {"median", "p95", "max", "over_limit"}
    assert row["splits"] == {"train": 21, "validation": 1, "test": 2}
    assert 0 < row["supervised_share"] < 1


def test_data_takes_the_fields_of_data_as_flags(
    capsys: Capture, home: Path, tiny_model: Path, conversations: Path
) -> None:
    arguments = ["--data.test_fraction", "0.5", "--data.validation_fraction", "0"]
    assert main(["data", str(conversations), "--tokenizer", str(tiny_model), "--json", *arguments]) == 0
    assert rows_of(capsys)[0]["splits"] == {"train": 12, "validation": 0, "test": 12}


def test_data_for_people_names_format_and_counts(
    capsys: Capture, home: Path, tiny_model: Path, conversations: Path
) -> None:
    assert main(["data", str(conversations), "--tokenizer", str(tiny_model)]) == 0
    assert capsys.readouterr().out.startswith("format            messages\n")


def test_a_file_that_is_not_there_is_one_line_of_error(capsys: Capture, home: Path) -> None:
    assert "no such file" in refusal(capsys, "data", "nowhere.jsonl", "--json")


def test_a_value_that_is_not_allowed_is_one_line_of_error(capsys: Capture, home: Path, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("{}", encoding="utf-8")
    sentence = refusal(capsys, "train", str(file), "--training.epochs", "0")
    assert sentence.startswith("training.epochs: '0' is not allowed; it must be greater than 0.")
    assert not (home / "runs").exists()


def test_runs_are_listed(capsys: Capture, home: Path, run: Run) -> None:
    assert main(["runs", "--json"]) == 0
    (row,) = rows_of(capsys)
    assert {"run", "state", "task", "model", "steps", "created"} <= row.keys()
    assert row["run"] == run.id


def test_whatever_a_command_starts_lets_waiting_threads_rest(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "5")
    assert main(["runs"]) == 0 and os.environ["GOMP_SPINCOUNT"] == "5"  # who set it knows why
    monkeypatch.delenv("GOMP_SPINCOUNT")
    assert main(["runs"]) == 0 and os.environ["GOMP_SPINCOUNT"] == "1000"


def test_no_runs_are_no_lines(capsys: Capture, home: Path) -> None:
    assert main(["runs"]) == 0
    assert capsys.readouterr().out == ""


def test_show_says_what_is_known_of_a_run(capsys: Capture, home: Path, run: Run) -> None:
    assert main(["show", "last", "--json"]) == 0
    (row,) = rows_of(capsys)
    assert (row["run"], row["path"], row["state"]) == (run.id, str(run.folder), "queued")
    assert main(["show", run.id]) == 0
    assert "learning_rate: " in capsys.readouterr().out


def test_stop_and_delete_say_what_they_did(capsys: Capture, home: Path, run: Run) -> None:
    assert main(["stop", run.id, "--json"]) == 0
    assert rows_of(capsys) == [{"run": run.id, "state": "stopped"}]
    assert main(["delete", run.id, "--json"]) == 0
    assert rows_of(capsys) == [{"run": run.id, "state": "deleted"}]
    assert not run.folder.exists()


@pytest.mark.parametrize("verb", ["show", "stop", "pause", "resume", "delete", "compare", "evaluate", "train"])
def test_an_unknown_run_is_one_line_of_error(capsys: Capture, home: Path, verb: str) -> None:
    assert "there is no run nowhere" in refusal(capsys, verb, "nowhere")


@pytest.mark.parametrize("verb", ["compare", "evaluate"])
def test_a_run_without_a_result_is_one_line_of_error(capsys: Capture, home: Path, run: Run, verb: str) -> None:
    assert "has kept no result" in refusal(capsys, verb, run.id)


def test_a_live_run_is_not_trained_twice(capsys: Capture, home: Path) -> None:
    run = create_run(home, RunConfig(), state="starting")
    for arguments in ([], ["--resume"]):
        assert "is still running" in refusal(capsys, "train", run.id, *arguments)


def test_another_home_has_other_runs(capsys: Capture, home: Path, run: Run, tmp_path: Path) -> None:
    assert main(["runs", "--json", "--home", str(tmp_path / "other")]) == 0
    assert rows_of(capsys) == []


def test_the_module_is_the_command(chatgui: Callable[..., Any]) -> None:
    done = chatgui("runs", "--json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_run_is_paused_stopped_and_resumed_by_command(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = create_run(home, RunConfig(), state="running")
    for arguments, wish in (
        (["pause", run.id], "pause"), (["stop", run.id, "--after-epoch"], "epoch"),
        (["stop", run.id, "--discard"], "discard"), (["stop", run.id], "keep"),
    ):  # fmt: skip
        assert main(arguments) == 0
        assert run.stop_request() == wish
    assert main(["resume", run.id]) == 2
    assert "is still running" in capsys.readouterr().err
