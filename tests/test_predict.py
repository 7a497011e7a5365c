"""Whole runs of the tasks that name, tag and rank, from a config to predictions for a file."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatgui.config import RunConfig
from chatgui.data.conversation import Labelled
from chatgui.errors import DataError, RunError
from chatgui.evaluation.scorecard import evaluate_pair
from chatgui.events import Evaluation
from chatgui.fields import build
from chatgui.predict import Predictor, predict_rows, stream_rows
from chatgui.runs.execute import execute
from chatgui.runs.store import Run, create_run
from tests.conftest import make_model

LABELS = [{"text": f"{word} {n}", "label": word} for n in range(6) for word in ("good", "bad")]
TAGS = [{"tokens": ["Ann", f"w{n}"], "tags": ["B-PER", "O"]} for n in range(12)]
CHOICES = [
    {"history": [f"{kind} 1"], "candidate": f"{other} {n}", "clicked": kind == other, "user": f"u{n}{kind}"}
    for n in range(3) for kind in ("cat", "dog") for other in ("cat", "dog")
]  # fmt: skip


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def trained(home: Path, model: Path, rows: list[Any], task: str, adapter: str = "lora") -> Run:
    file = home.parent / f"{task}.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    run = create_run(
        home,
        build(
            RunConfig,
            {
                "task": {"kind": task}, "model": {"name": str(model)}, "adapter": {"kind": adapter},
                "data": {"source": str(file), "test_fraction": 0.3, "validation_fraction": 0.1},
                "training": {"max_steps": 20, "learning_rate": 0.01, "batch_size": 8},
            },
        ),
    )  # fmt: skip
    assert execute(run), run.state().message
    return run


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Run:
    return trained(tmp_path_factory.mktemp("labelled") / "home", tiny_model, LABELS, "classification")


def test_a_run_keeps_the_labels_it_learnt_in_its_config(labelled: Run) -> None:
    assert labelled.config.task.labels == ("bad", "good")  # type: ignore[union-attr]


def test_accuracy_stands_in_the_events_of_the_chart(labelled: Run) -> None:
    looks = [event for event in labelled.events() if isinstance(event, Evaluation)]
    assert looks and all(0 <= look.metrics["accuracy"] <= 1 for look in looks)


def test_a_saved_adapter_with_its_head_predicts_what_the_trained_model_did(labelled: Run) -> None:
    predictor = Predictor(labelled.config, labelled.model_folder)
    items = [Labelled(row["text"], (row["label"],)) for row in LABELS]
    found = [row["label"] for row in predictor.predict(items)]
    assert found == [row["label"] for row in LABELS]


def test_both_models_are_judged_on_the_test_split(labelled: Run) -> None:
    row = evaluate_pair(labelled.config, labelled.model_folder, "test")
    assert row["tuned"]["accuracy"] == 1.0
    assert set(row["base"]["classes"]) == {"bad", "good"}
    assert row["tuned"]["loss"] < row["base"]["loss"]


def test_the_command_predicts_a_file_row_by_row(labelled: Run, chatgui: Any, tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text("text\ngood 9\n\nbad 9\n", encoding="utf-8")
    done = chatgui("predict", labelled.id, file, "--json", "--home", labelled.folder.parents[1])
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["label"] for row in rows] == ["good", "bad"]
    assert set(rows[0]["scores"]) == {"good", "bad"}


def test_a_row_that_cannot_be_read_stands_among_the_others(labelled: Run, tmp_path: Path) -> None:
    file = tmp_path / "new.jsonl"
    file.write_text('{"text": "good 9"}\n{"text": \n{"text": ""}\n{"text": "bad 1"}\n', encoding="utf-8")
    told: list[int] = []
    found = list(predict_rows(Predictor(labelled.config, labelled.model_folder), stream_rows(file), tell=told.append))
    assert [row["row"] for row in found] == [1, 2, 3, 4]
    assert ["error" in row for row in found] == [False, True, True, False]
    assert told == [4]


def test_all_weights_trained_are_a_model_of_their_own(tmp_path: Path, tiny_model: Path) -> None:
    run = trained(tmp_path / "home", tiny_model, TAGS, "tagging", "full")
    row = Predictor(run.config, run.model_folder).predict(
        [Predictor(run.config, run.model_folder).read({"text": "Ann w9"})]
    )[0]
    assert row["tags"] == ["B-PER", "O"]
    assert json.loads((run.model_folder / "config.json").read_text())["id2label"] == {"0": "O", "1": "B-PER"}


def test_a_ranking_run_orders_what_a_row_offers(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model", None)
    run = trained(tmp_path / "home", model, CHOICES, "ranking")
    predictor = Predictor(run.config, run.model_folder)
    row = predictor.predict([predictor.read({"history": ["cat 1"], "candidates": ["dog 1", "cat 1"]})])[0]
    assert sorted(row["ranking"]) == ["cat 1", "dog 1"]
    assert {"auc", "ndcg@10", "mrr"} <= set(evaluate_pair(run.config, run.model_folder, "train")["tuned"])


def test_a_run_that_replies_has_nothing_to_predict(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="chat"):
        Predictor(RunConfig(), tmp_path)


def test_texts_of_a_chinese_code_page_are_read_and_unknown_kinds_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes("很好\n\n不行\n".encode("gb18030"))
    assert list(stream_rows(file)) == [(1, {"text": "很好"}), (3, {"text": "不行"})]
    (tmp_path / "a.pdf").write_text("x")
    for name in ("a.pdf", "missing.csv"):
        with pytest.raises(DataError, match=name.rpartition(".")[0]):
            list(stream_rows(tmp_path / name))
