import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from chatgui import models
from chatgui.config import GenerationConfig
from chatgui.errors import ModelError
from chatgui.generation.pair import Pair, Voice, Voices, load_pair
from tests.generation.conftest import ask_all, config_of

SETTINGS = GenerationConfig(temperature=1.3, max_new_tokens=24, seed=3)
PROMPT = [4, 70, 71, 72, 73]


def reply(pair: Pair, voice: Voice) -> list[int]:
    return ask_all(pair.engine, [(voice, PROMPT, SETTINGS)])[0]


@pytest.mark.parametrize("more", [{}, {"use_dora": True}], ids=["one pass", "two passes"])
def test_an_adapter_of_zeros_answers_exactly_like_the_base(
    more: dict[str, bool], base_folder: Path, save_adapter: Callable[..., Path]
) -> None:
    pair = load_pair(config_of(base_folder), save_adapter(base_folder, zero=True, **more))
    assert reply(pair, pair.tuned) == reply(pair, pair.base)


def test_the_adapter_changes_the_fine_tuned_side(pair: Pair) -> None:
    assert reply(pair, pair.tuned) != reply(pair, pair.base)


@pytest.mark.parametrize("more", [{}, {"use_dora": True}], ids=["one pass", "two passes"])
def test_a_plain_pass_answers_as_the_voice_does(
    more: dict[str, bool], base_folder: Path, save_adapter: Callable[..., Path]
) -> None:
    pair = load_pair(config_of(base_folder), save_adapter(base_folder, zero=False, **more))
    first = []
    for voice in (pair.base, pair.tuned):
        with voice.active(), torch.inference_mode():
            first.append(int(voice.model(input_ids=torch.tensor([PROMPT] * 3)).logits[2, -1].argmax()))
    greedy = SETTINGS.model_copy(update={"temperature": 0})
    made = ask_all(pair.engine, [(voice, PROMPT, greedy) for voice in (pair.base, pair.tuned)])
    assert first == [ids[0] for ids in made]


def test_the_base_carries_the_fingerprint_it_has_without_an_adapter(pair: Pair, base_folder: Path) -> None:
    config = config_of(base_folder).model
    plain = models.load_model(config, "AutoModelForCausalLM", torch.device("cpu"), torch.float32)
    assert pair.base.weights == models.weights_fingerprint(plain)
    assert pair.tuned.weights != pair.base.weights


def test_equal_adapters_carry_equal_fingerprints_and_others_do_not(
    base_folder: Path, save_adapter: Callable[..., Path], tmp_path: Path
) -> None:
    folder = save_adapter(base_folder, zero=False)
    again = shutil.copytree(folder, tmp_path / "again")
    stronger = shutil.copytree(folder, tmp_path / "stronger")
    settings = stronger / "adapter_config.json"
    settings.write_text(settings.read_text("utf-8").replace('"lora_alpha": 32', '"lora_alpha": 33'), "utf-8")
    prints = [load_pair(config_of(base_folder), each).tuned.weights for each in (folder, again, stronger)]
    assert prints[0] == prints[1] != prints[2]


def test_what_answers_is_named(pair: Pair) -> None:
    assert (pair.base.adapter, pair.tuned.adapter, pair.context_tokens) == ("off", "on", 256)
    assert (pair.base.computed, pair.tuned.computed) == ("shared", "shared")


def test_a_result_of_full_training_is_a_model_of_its_own(tiny_model: Path, tiny_llama: Path) -> None:
    pair = load_pair(config_of(tiny_model), tiny_llama)
    assert (pair.base.adapter, pair.tuned.adapter) == ("none", "none")
    assert (pair.base.computed, pair.tuned.computed) == ("own", "own")
    assert reply(pair, pair.base) != reply(pair, pair.tuned)


def test_a_voice_that_nobody_uses_leaves_the_shared_weights(
    base_folder: Path, save_adapter: Callable[..., Path]
) -> None:
    voices = Voices()
    folder = save_adapter(base_folder, zero=False)
    first = voices.pair(config_of(base_folder), folder)
    second = voices.pair(config_of(base_folder), folder)
    loaded, name = first.base.loaded, second.tuned.name
    assert any(name in projection.updates for projection in loaded._projections.values())
    del second
    assert not any(name in projection.updates for projection in loaded._projections.values())


def test_a_base_that_has_gone_is_told(tiny_model: Path, tmp_path: Path, save_adapter: Callable[..., Path]) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_model, base)
    adapter = save_adapter(base, zero=True)
    shutil.rmtree(base)
    with pytest.raises(ModelError, match="was not found"):
        load_pair(config_of(base), adapter)
