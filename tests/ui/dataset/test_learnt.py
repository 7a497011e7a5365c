"""What the view shows of a row is what the batch of the training holds: over every format, task and template."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from chatgui.config import ModelConfig, RunConfig
from chatgui.data.formats import BY_NAME
from chatgui.data.load import DataConfig
from chatgui.errors import ChatGuiError
from chatgui.prepare import prepare
from chatgui.runs.workspace import Workspace
from chatgui.tasks import KINDS
from chatgui.tasks.chat import Chat
from chatgui.tokens.batches import collate
from chatgui.tokens.example import IGNORE_INDEX
from chatgui.ui.dataset.learnt import COLOURS, learnt
from chatgui.ui.session import Teaching
from tests.conftest import TEMPLATE, make_model
from tests.tokens.test_template import CHATML, without_marks

TEMPLATES = {"marks": TEMPLATE, "no marks": without_marks(TEMPLATE), "chatml": CHATML, "plain": None}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {name: make_model(folder / name.replace(" ", "-"), template) for name, template in TEMPLATES.items()}


def varied(value: Any, number: int) -> Any:
    """An example row with its label turned in every other one: a task with labels needs two of them."""
    if number % 2 and isinstance(value, dict):
        turned = {"label", "clicked"} & set(value)
        flips = {True: False, False: True}
        return {
            name: flips.get(content, content) if isinstance(content, bool) else f"{content} 2"
            if name in turned and isinstance(content, str) else content
            for name, content in value.items()
        }  # fmt: skip
    return value


def write(folder: Path, format_: str) -> DataConfig:
    path = folder / f"{format_}.jsonl"
    rows = (varied(BY_NAME[format_].EXAMPLE, number) for number in range(6))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return DataConfig(source=str(path), format=format_, validation_fraction=0, test_fraction=0)


def downloaded(facts: str) -> dict[str, Any]:
    found = re.search(r'base64,([^"]+)"', facts)
    assert found is not None
    return json.loads(base64.b64decode(found[1]))


CASES = [pytest.param(format_, kind, id=f"{format_}-{kind.__name__}") for format_ in BY_NAME for kind in KINDS]
LEARNT: dict[str, set[str]] = {
    "messages": {"chat", "pretrain"}, "sharegpt": {"chat", "pretrain"}, "alpaca": {"chat", "pretrain"},
    "prompt_completion": {"chat", "pretrain"}, "question_answer": {"chat", "pretrain"}, "text": {"pretrain"},
    "preference": {"preference", "reward"}, "kto": {"preference"}, "label": {"classification"},
    "label_pairs": {"classification"}, "tags": {"tagging"}, "ranking": {"ranking"},
}  # fmt: skip
"""Tasks that learn from each format."""


def task_of(kind: Any, format_: str) -> Any:
    return kind(method="kto") if format_ == "kto" and "method" in kind.model_fields else kind()


@pytest.mark.parametrize(("format_", "kind"), CASES)
def test_what_is_shown_is_what_the_batch_holds(
    format_: str, kind: Any, models: dict[str, Path], home: Path, tmp_path: Path
) -> None:
    data = write(tmp_path, format_)
    task = task_of(kind, format_)
    if task.kind not in LEARNT[format_]:
        with pytest.raises(ChatGuiError):
            prepare(RunConfig(data=data, task=task, model=ModelConfig(name=str(models["marks"]))))
        return
    workspace = Workspace(home)
    for name, model in models.items():
        chosen = ModelConfig(name=str(model))
        prepared = prepare(RunConfig(data=data, task=task, model=chosen))
        assert prepared.encoded.examples, name
        for row, example in zip(prepared.encoded.rows, prepared.encoded.examples, strict=True):
            mask, facts = learnt(workspace, "en", data, row, str(model), Teaching(chosen, task, None))
            told, batch = downloaded(facts), collate([example])
            width = len(told["input_ids"])
            assert told["input_ids"] == batch.input_ids[0, :width].tolist(), name
            assert told["labels"] == batch.labels[0, :width].tolist(), name
            assert told.get("target", []) == list(example.target)
            rivals = [(tuple(one["input_ids"]), tuple(one["labels"])) for one in told.get("rivals", [])]
            assert rivals == [(one.input_ids, one.labels) for one in example.rivals]
            kinds = [label != IGNORE_INDEX for label in told["labels"]]
            assert [kind in ("reply", "end") for kind in told["kinds"]] == kinds
            assert len(mask["value"]) > 0 and len(mask["color_map"]) == len(COLOURS)


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("teach", ["replies", "everything"])
def test_a_reply_of_weight_zero_is_told_apart_and_the_batch_does_not_teach_it(
    name: str, teach: Any, models: dict[str, Path], home: Path, tmp_path: Path
) -> None:
    said = [("user", "Hi", 1), ("assistant", "Draft", 0), ("user", "Again", 1), ("assistant", "Better", 1)]
    turns = [{"role": role, "content": content, "weight": weight} for role, content, weight in said]
    path = tmp_path / "weighed.jsonl"
    path.write_text(json.dumps({"messages": turns}) + "\n", encoding="utf-8")
    data = DataConfig(source=str(path), validation_fraction=0, test_fraction=0)
    model, task = ModelConfig(name=str(models[name])), Chat(teach=teach)
    prepared = prepare(RunConfig(data=data, task=task, model=model))
    (row,), (example,) = prepared.encoded.rows, prepared.encoded.examples
    _, facts = learnt(Workspace(home), "en", data, row, model.name, Teaching(model, task, None))
    told = downloaded(facts)
    assert (told["input_ids"], told["labels"]) == (list(example.input_ids), list(example.labels))
    silent = [token for token, kind in zip(told["input_ids"], told["kinds"], strict=True) if kind == "silent"]
    assert prepared.template.decode(silent).strip().startswith("Draft")  # ChatML's end is no special token here
    taught = prepared.template.decode([label for label in told["labels"] if label != IGNORE_INDEX])
    assert "Better" in taught and "Draft" not in taught
