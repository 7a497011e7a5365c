"""The main job through the command line, on models and data that are not ours."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def small_gpt2(shared: Path, tmp_path: Path) -> Path:
    """GPT-2's smallest shape with random weights and its own tokenizer, which has no chat template."""
    import torch
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    folder = tmp_path / "gpt2-small"
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config()).save_pretrained(folder)
    AutoTokenizer.from_pretrained(shared / "models" / "gpt2-tokenizer").save_pretrained(folder)
    return folder


def walk(
    chatgui: Command, tmp_path: Path, **config: Any
) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """Data, train, runs, evaluate, compare; gives the last three's rows of interest."""
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    source, model = config["data"]["source"], config["model"]["name"]
    data = rows(chatgui("data", source, "--tokenizer", model, "--json"))[0]
    assert data["kept"] + len(data["dropped"]) == data["rows"]
    trained = rows(chatgui("train", file, "--json"))[-1]
    assert trained["state"] == "finished"
    assert rows(chatgui("runs", "--json"))[0]["run"] == trained["run"]
    scores = rows(chatgui("evaluate", trained["run"], "--replies", "2", "--json"))[0]
    compared = rows(
        chatgui("compare", trained["run"], "--limit", "2", "--max-new-tokens", "12", "--temperature", "0", "--json")
    )
    return trained, scores, compared


def rows(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_small_llama_learns_from_task_dialogues(chatgui: Command, shared: Path, tmp_path: Path) -> None:
    trained, scores, compared = walk(
        chatgui, tmp_path,
        model={"name": str(shared / "models" / "tinyllama-stories-260k")},
        data={"source": str(shared / "data" / "sgd" / "sgd_test_messages.jsonl")},
        training={"max_steps": 30, "learning_rate": 5e-3},
    )  # fmt: skip
    assert trained["steps"] == 30
    assert scores["tuned"]["loss"] < scores["base"]["loss"] - 0.3
    assert [row["prompt"][-1]["role"] for row in compared] == ["user", "user"]
    assert all(row["base"]["weights"] != row["tuned"]["weights"] for row in compared)


def test_gpt2_without_a_chat_template_learns_to_answer(
    chatgui: Command, shared: Path, small_gpt2: Path, tmp_path: Path
) -> None:
    source = shared / "data" / "bitext_customer_support" / "bitext_messages.jsonl"
    few = tmp_path / "bitext.jsonl"  # evaluating all 451 test rows would take minutes on this model
    few.write_text("\n".join(source.read_text(encoding="utf-8").split("\n")[:60]), encoding="utf-8")
    trained, scores, compared = walk(
        chatgui, tmp_path,
        model={"name": str(small_gpt2)},
        data={"source": str(few), "validation_fraction": 0.1, "test_fraction": 0.1},
        training={"max_steps": 4, "batch_size": 4, "learning_rate": 1e-3, "max_length_tokens": 256},
    )  # fmt: skip
    assert trained["steps"] == 4
    assert scores["rows"] == 6
    assert scores["tuned"]["loss"] < scores["base"]["loss"]
    assert len(compared) == 2


def test_the_whole_bitext_file_is_read(chatgui: Command, shared: Path) -> None:
    source = shared / "data" / "bitext_customer_support" / "bitext_messages.jsonl"
    row = rows(chatgui("data", source, "--tokenizer", shared / "models" / "gpt2-tokenizer", "--json"))[0]
    assert (row["format"], row["rows"]) == ("messages", 4514)
