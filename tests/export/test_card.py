"""The model card."""

import json
from pathlib import Path

import pytest
import yaml

from chatgui.config import GenerationConfig, RunConfig
from chatgui.evaluation.reviews import Pair, append, cast_vote, new_review, read
from chatgui.events import Evaluation, Step, to_line
from chatgui.export.card import Facts, card, curves, fingerprint
from chatgui.export.options import ExportConfig
from chatgui.models import STARTER
from chatgui.runs.export import export_run
from tests.export.conftest import make_run

EVENTS = [Step(step, 0.1, 10, 1.0, 3.0 - step, 1e-3, 1.0, 100.0) for step in (1, 2)] + [
    Evaluation(2, "validation", 1.5)
]


def test_the_head_of_a_card_is_the_hubs_yaml_and_names_a_base_of_the_hub() -> None:
    config = RunConfig.model_validate({"model": {"name": "openai-community/gpt2"}})
    head = yaml.safe_load(card(Facts("r", config), "merged").split("---")[1])
    assert head["base_model"] == "openai-community/gpt2"
    assert head["library_name"] == "transformers"


def test_a_folder_on_this_machine_is_no_base_model_for_others(tmp_path: Path) -> None:
    config = RunConfig.model_validate({"model": {"name": str(tmp_path)}})
    assert "base_model" not in yaml.safe_load(card(Facts("r", config), "adapter").split("---")[1])


def test_a_card_shows_base_and_fine_tuned_side_by_side() -> None:
    scores = {"split": "test", "rows": 7, "base": {"loss": 5.0, "weights": "a"}, "tuned": {"loss": 1.5, "weights": "b"}}
    text = card(Facts("r", RunConfig(), scorecard=scores), "adapter")
    assert "| loss | 5 | 1.5 |" in text
    assert "(test split, 7 rows)" in text


def test_the_config_in_a_card_repeats_the_run() -> None:
    config = RunConfig.model_validate({"training": {"epochs": 7}})
    block = card(Facts("r", config), "adapter").split("```yaml\n")[1].split("```")[0]
    assert RunConfig.model_validate(yaml.safe_load(block)) == config


def test_curves_are_a_picture() -> None:
    picture = curves(EVENTS)
    assert picture and picture.startswith(b"\x89PNG")
    assert curves([]) is None


def test_folders_of_this_machine_are_not_told_to_others(tmp_path: Path) -> None:
    values = {"model": {"name": str(tmp_path / "base")}, "data": {"source": str(tmp_path / "secret" / "talks.jsonl")}}
    text = card(Facts("r", RunConfig.model_validate(values)), "adapter")
    assert str(tmp_path) not in text
    assert "`base`" in text
    assert "`talks.jsonl`" in text


def test_the_fingerprint_of_a_split_stands_for_its_rows_whatever_their_order() -> None:
    text = card(Facts("r", RunConfig(), splits={"train": ["b", "a"], "test": ["c"]}), "adapter")
    assert f"| train | 2 | {fingerprint(['a', 'b'])} |" in text
    assert fingerprint(["a", "b"]) != fingerprint(["a", "c"])


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        ({}, "whether another part was trained on some of it is not known"),
        ({"test_rows": 9, "test_rows_seen": 0}, "no part was trained on any of it"),
        ({"test_rows": 9, "test_rows_seen": 4}, "another part was trained on 4 of its 9 rows"),
    ],
)
def test_a_card_says_what_the_parts_of_a_fusion_have_seen_of_the_test_split(
    seen: dict[str, int], sentence: str
) -> None:
    fusion = {"combination": "linear", "rank": 4, "parts": [{"run": "one", "weight": 1}], **seen}
    text = card(Facts("r", RunConfig(), splits={"test": ["c"]}, fusion=fusion), "adapter")
    assert "is that of one" in text and sentence in text
    assert "never trained on" not in text


def test_a_licence_that_was_named_is_in_head_and_text() -> None:
    text = card(Facts("r", RunConfig()), "adapter", licence="cc-by-4.0")
    assert yaml.safe_load(text.split("---")[1])["license"] == "cc-by-4.0"
    assert "This result: cc-by-4.0." in text
    unnamed = card(Facts("r", RunConfig()), "adapter")
    assert "license" not in yaml.safe_load(unnamed.split("---")[1])
    assert "None was named" in unnamed


def test_a_card_of_a_whole_run_has_every_part(home: Path) -> None:
    run = make_run(home, STARTER)
    with run.folder.joinpath("events.jsonl").open("w", encoding="utf-8") as stream:
        stream.writelines(to_line(event).rstrip("\n") + "\n" for event in EVENTS)
    scores = {"split": "test", "rows": 2, "base": {"loss": 5.0}, "tuned": {"loss": 1.5}}
    run.scorecard.write_text(json.dumps(scores), encoding="utf-8")
    review = new_review([[{"role": "user", "content": "Hi"}]], "typed", GenerationConfig(), pairs=1, seed=0)
    append(run.reviews, review)
    append(run.reviews, Pair(review.id, 0, "base says", "tuned says"))
    vote = cast_vote(run.reviews, read(run.reviews), review, 0, reviewer="ada", choice="left")
    export_run(run, ExportConfig(licence="mit"), home / "out")
    text = (home / "out" / "README.md").read_text(encoding="utf-8")
    heads = [line for line in text.splitlines() if line.startswith("## ")]
    assert heads == [
        "## Data", "## Training", "## Before and after (test split, 2 rows)", "## Blind review", "## Licence",
        "## Limits", "## Config",
    ]  # fmt: skip
    assert "(curves.png)" in text
    assert (home / "out" / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "| loss | 5 | 1.5 |" in text
    winner = "fine-tuned" if vote.verdict == "tuned" else "base"
    assert f"| {winner} was better | 1 |" in text
    assert "`starter`" in text
