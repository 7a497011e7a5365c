import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from chatgui import models
from chatgui.config import GenerationConfig
from chatgui.errors import ModelError
from chatgui.generation.engine import decode
from chatgui.generation.pair import Pair, Voice, load_pair
from tests.generation.conftest import config_of

SETTINGS = GenerationConfig(temperature=1.3, max_new_tokens=24, seed=3)
PROMPT = [4, 70, 71, 72, 73]


def reply(voice: Voice) -> list[int | None]:
    steps = decode(voice, [PROMPT], SETTINGS, stop_ids=frozenset(), context_tokens=256)
    return [token for step in steps for token in step]


def test_an_adapter_of_zeros_answers_exactly_like_the_base(
    base_folder: Path, save_adapter: Callable[..., Path]
) -> None:
    pair = load_pair(config_of(base_folder), save_adapter(base_folder, zero=True))
    assert reply(pair.tuned) == reply(pair.base)


def test_the_adapter_changes_the_fine_tuned_side(pair: Pair) -> None:
    assert reply(pair.tuned) != reply(pair.base)


def test_the_sides_do_not_touch_each_other_in_two_threads(pair: Pair) -> None:
    alone = reply(pair.base), reply(pair.tuned)
    with ThreadPoolExecutor(4) as pool:
        both = [pool.submit(reply, voice) for _ in range(3) for voice in (pair.base, pair.tuned)]
        answers = [future.result() for future in both]
    assert answers == [*alone] * 3


def test_the_adapter_is_on_again_after_a_reply_of_the_base_broke_off(pair: Pair) -> None:
    expected = reply(pair.tuned)
    broken = decode(pair.base, [PROMPT], SETTINGS, stop_ids=frozenset(), context_tokens=256)
    next(broken)
    broken.close()  # type: ignore[attr-defined]
    assert reply(pair.tuned) == expected


def test_the_base_carries_the_fingerprint_it_has_without_an_adapter(pair: Pair, base_folder: Path) -> None:
    config = config_of(base_folder).model
    plain = models.load_model(config, "AutoModelForCausalLM", torch.device("cpu"), torch.float32)
    assert pair.base.weights == models.weights_fingerprint(plain)
    assert pair.tuned.weights != pair.base.weights


def test_what_answers_is_named(pair: Pair) -> None:
    assert (pair.base.adapter, pair.tuned.adapter, pair.context_tokens) == ("off", "on", 256)


def test_a_result_of_full_training_is_a_model_of_its_own(tiny_model: Path, tiny_llama: Path) -> None:
    pair = load_pair(config_of(tiny_model), tiny_llama)
    assert (pair.base.adapter, pair.tuned.adapter) == ("none", "none")
    assert reply(pair.base) != reply(pair.tuned)


def test_a_base_that_has_gone_is_told(tiny_model: Path, tmp_path: Path, save_adapter: Callable[..., Path]) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_model, base)
    adapter = save_adapter(base, zero=True)
    shutil.rmtree(base)
    with pytest.raises(ModelError, match="was not found"):
        load_pair(config_of(base), adapter)
