from pathlib import Path

import pytest

from chatgui.adapters.full import Full
from chatgui.adapters.lora import Lora
from chatgui.config import RunConfig, differences, read_config, write_config
from chatgui.errors import ConfigError

WHOLE = """
task: {kind: chat}
model: {name: starter}
data: {source: support}
adapter: {kind: lora, rank: 16}
training: {epochs: 2, learning_rate: 0.0005, seed: 0}
"""

KINDS = "lora, qlora, adalora, bottleneck, prefix, prompt, ia3, frozen, full"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    return str(caught.value)


def test_the_example_of_the_design_is_complete_as_it_stands(tmp_path: Path) -> None:
    config = read_config(write(tmp_path / "config.yaml", WHOLE))
    assert (config.training.epochs, config.training.learning_rate, config.adapter) == (2, 0.0005, Lora(rank=16))


def test_an_empty_mapping_is_all_defaults(tmp_path: Path) -> None:
    assert read_config(write(tmp_path / "config.yaml", "{}")) == RunConfig()


def test_a_config_survives_its_file(tmp_path: Path) -> None:
    config = RunConfig.model_validate({"data": {"source": "对话.jsonl"}, "adapter": {"kind": "full"}})
    write_config(config, tmp_path / "config.yaml")
    assert read_config(tmp_path / "config.yaml") == config
    assert "对话.jsonl" in (tmp_path / "config.yaml").read_text(encoding="utf-8")


def test_a_file_of_an_older_version_is_read_without_what_is_gone(tmp_path: Path) -> None:
    found = read_config(write(tmp_path / "config.yaml", "training: {compile: true, epochs: 3}"))
    assert found.training.epochs == 3 and "compile" not in found.training.model_dump()


def test_overrides_go_before_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "config.yaml", WHOLE)
    config = read_config(path, {"training.epochs": "7", "adapter.rank": "4", "training.max_steps": None})
    assert (config.training.epochs, config.training.learning_rate, config.adapter) == (7, 0.0005, Lora(rank=4))


def test_an_override_needs_no_group_in_the_file(tmp_path: Path) -> None:
    assert read_config(write(tmp_path / "config.yaml", "{}"), {"adapter.rank": "4"}).adapter == Lora(rank=4)


def test_another_kind_leaves_the_fields_of_the_old_one_behind(tmp_path: Path) -> None:
    assert read_config(write(tmp_path / "config.yaml", WHOLE), {"adapter.kind": "full"}).adapter == Full()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("training: {epochs: 0}", "training.epochs: 0 is not allowed; it must be greater than 0."),
        ("training: {epoch: 1}", "training.epoch: there is no such field"),
        ("trainings: {}", "trainings: there is no such field"),
        ("adapter: {kind: soup}", f"adapter.kind: 'soup' is not allowed; it must be one of {KINDS}."),
        ("- a\n- b", "this file holds a list"),
        ("", "this file holds a NoneType"),
        ("training: {epochs: 1", "this is not a YAML file that can be read"),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    found = refusal(write(tmp_path / "config.yaml", text))
    assert sentence in found
    assert "\n" not in found


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    assert "there is no such config file" in refusal(tmp_path / "nowhere.yaml")
    assert "not a YAML file" in refusal(tmp_path)
    (tmp_path / "model.yaml").write_bytes(b"\xff\xfe\x00")
    assert "not a YAML file" in refusal(tmp_path / "model.yaml")


def test_differences_from_the_defaults_are_named() -> None:
    config = RunConfig.model_validate({"training": {"epochs": 7}, "adapter": {"kind": "full"}})
    assert differences(config) == {"adapter.kind": "full", "training.epochs": 7}
    assert differences(RunConfig()) == {}
