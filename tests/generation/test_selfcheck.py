from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from chatgui.generation.pair import Pair, load_pair
from chatgui.generation.selfcheck import self_check
from tests.generation.conftest import config_of


def test_a_sound_pair_passes_and_leaves_no_trace(pair: Pair) -> None:
    check = self_check(pair)
    assert (check.zero, check.weights_differ, check.answers_differ, check.passed) == ("equal", True, True, True)
    assert pair.tuned.loaded.updates(f"{pair.tuned.name}-zero") == {}


def test_a_base_pane_that_answers_with_the_adapter_is_found(pair: Pair) -> None:
    check = self_check(replace(pair, base=replace(pair.tuned, adapter="off")))
    assert (check.zero, check.answers_differ, check.passed) == ("differs", False, False)


def test_an_adapter_that_changes_nothing_is_found(base_folder: Path, save_adapter: Callable[..., Path]) -> None:
    check = self_check(load_pair(config_of(base_folder), save_adapter(base_folder, zero=True)))
    assert (check.zero, check.answers_differ, check.passed) == ("equal", False, False)


def test_weights_of_their_own_are_compared(tiny_model: Path, tiny_llama: Path) -> None:
    check = self_check(load_pair(config_of(tiny_model), tiny_llama))
    assert (check.zero, check.passed) == ("none", True)


def test_a_switched_adapter_is_compared(base_folder: Path, save_adapter: Callable[..., Any]) -> None:
    check = self_check(load_pair(config_of(base_folder), save_adapter(base_folder, zero=False, use_dora=True)))
    assert (check.zero, check.passed) == ("none", True)
