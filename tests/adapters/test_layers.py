from collections.abc import Callable
from typing import Any

import pytest

from chatgui.adapters.layers import (
    blocks,
    heads,
    key_value_and_feed_forward,
    linear_layers,
    sublayers,
    target_modules,
    task_type,
)  # fmt: skip
from chatgui.errors import ConfigError

Load = Callable[..., Any]


@pytest.mark.parametrize("shape", ["gpt2", "llama", "qwen2"])
def test_blocks_and_their_parts_are_found(load: Load, shape: str) -> None:
    model = load(shape)
    found = blocks(model)
    assert len(found) == 2
    attention, feed_forward = sublayers(found[0])
    assert "Attention" in type(attention).__name__ and "MLP" in type(feed_forward).__name__


@pytest.mark.parametrize(
    ("shape", "wish", "names"),
    [
        ("gpt2", "all-linear", ["c_attn", "c_fc", "c_proj"]),
        ("gpt2", "attention", ["attn.c_proj", "c_attn"]),
        ("gpt2", "c_fc", ["c_fc"]),
        (
            "llama", "all-linear",
            ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"],
        ),
        ("llama", "attention", ["k_proj", "o_proj", "q_proj", "v_proj"]),
        ("qwen2", "q_proj, layers.1.mlp.up_proj", ["1.mlp.up_proj", "q_proj"]),
    ],
)  # fmt: skip
def test_a_wish_names_layers(load: Load, shape: str, wish: str, names: list[str]) -> None:
    assert target_modules(load(shape), wish) == names


@pytest.mark.parametrize("wish", ["query", ",", "lm_head"])
def test_a_wish_that_names_no_layer_says_which_there_are(load: Load, wish: str) -> None:
    with pytest.raises(ConfigError) as raised:
        target_modules(load("llama"), wish)
    assert raised.value.field == "adapter.target_modules"
    assert "q_proj" in str(raised.value)


def test_the_output_layer_and_a_tasks_head_are_no_targets(load: Load) -> None:
    assert not any("lm_head" in name for name in linear_layers(load("llama")))
    assert not any("score" in name for name in linear_layers(load("llama", "AutoModelForSequenceClassification")))


@pytest.mark.parametrize(
    ("head", "names", "kind"),
    [
        ("AutoModelForCausalLM", [], "CAUSAL_LM"),
        ("AutoModelForSequenceClassification", ["score"], "SEQ_CLS"),
        ("AutoModelForTokenClassification", ["classifier"], "TOKEN_CLS"),
    ],
)
def test_heads_are_what_a_task_added(load: Load, head: str, names: list[str], kind: str) -> None:
    model = load("gpt2", head)
    assert heads(model) == names
    assert task_type(model) == kind


@pytest.mark.parametrize("shape", ["gpt2", "llama"])
def test_ia3_scales_the_layers_that_peft_names_for_known_shapes(load: Load, shape: str) -> None:
    from peft.utils.constants import (
        TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING as LAST,
    )
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING as EVERY

    every, last = key_value_and_feed_forward(load(shape))
    ends = {name.rpartition(".")[2] for name in every}
    assert ends == {name.rpartition(".")[2] for name in EVERY[shape]}
    assert {name.rpartition(".")[2] for name in last} == {name.rpartition(".")[2] for name in LAST[shape]}
