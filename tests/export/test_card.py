"""The model card."""

from pathlib import Path

import yaml

from chatgui.config import RunConfig
from chatgui.events import Evaluation, Step
from chatgui.export.card import Facts, card, curves

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
