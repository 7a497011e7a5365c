from collections.abc import Callable
from typing import Any

import pytest

from chatgui.adapters.frozen import Frozen
from chatgui.errors import ConfigError

Load = Callable[..., Any]


def trained(model: Any) -> set[str]:
    return {name for name, weight in model.named_parameters() if weight.requires_grad}


def test_only_the_last_blocks_are_trained(load: Load) -> None:
    names = trained(Frozen(last_blocks=1).attach(load("llama"), 1))
    assert names and all(name.startswith("model.layers.1.") for name in names)


def test_more_blocks_than_there_are_means_all_of_them(load: Load) -> None:
    names = trained(Frozen(last_blocks=99).attach(load("llama"), 1))
    assert {name.split(".")[2] for name in names} == {"0", "1"}


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ("llama", {"model.norm.weight", "lm_head.weight"}),
        ("gpt2", {"transformer.ln_f.weight", "transformer.ln_f.bias"}),
    ],
)
def test_the_output_comes_with_the_norm_before_it(load: Load, shape: str, names: set[str]) -> None:
    found = trained(Frozen(last_blocks=0, train_output=True).attach(load(shape), 1))
    assert names <= found and not any(".layers." in name or ".h." in name for name in found)


def test_embeddings_alone_can_be_trained(load: Load) -> None:
    assert trained(Frozen(last_blocks=0, train_embeddings=True).attach(load("llama"), 1)) == {
        "model.embed_tokens.weight"
    }


def test_to_train_nothing_is_refused(load: Load) -> None:
    with pytest.raises(ConfigError, match="at least one block"):
        Frozen(last_blocks=0).attach(load("llama"), 1)
