"""Tiny models of two families, each with an adapter that does nothing and one that does."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from chatgui.config import ModelConfig, RunConfig
from chatgui.generation.pair import Pair, load_pair
from tests.conftest import TEMPLATE, make_tokenizer


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a Llama with random weights, grouped heads, 256 positions and the byte tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("models") / "llama"
    tokenizer = make_tokenizer(TEMPLATE)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), max_position_embeddings=256, hidden_size=32, intermediate_size=64,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, bos_token_id=0, eos_token_id=0,
        initializer_range=0.2,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(params=["gpt2", "llama"])
def base_folder(request: pytest.FixtureRequest, tiny_model: Path, tiny_llama: Path) -> Path:
    return tiny_model if request.param == "gpt2" else tiny_llama


@pytest.fixture
def save_adapter(tmp_path: Path) -> Callable[..., Path]:
    """Save a LoRA adapter for a base: of zeros, or of random numbers large enough to change every answer."""

    def save(base: Path, *, zero: bool) -> Path:
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModelForCausalLM, AutoTokenizer

        torch.manual_seed(1)
        config = LoraConfig(
            task_type="CAUSAL_LM", r=4, lora_alpha=32, target_modules="all-linear", init_lora_weights=zero,
            fan_in_fan_out="llama" not in str(base),
        )  # fmt: skip
        folder = tmp_path / ("zero" if zero else "adapter")
        get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(folder)
        AutoTokenizer.from_pretrained(base).save_pretrained(folder)
        return folder

    return save


@pytest.fixture
def pair(base_folder: Path, save_adapter: Callable[..., Path]) -> Pair:
    """A base and an adapter that changes its answers."""
    return load_pair(config_of(base_folder), save_adapter(base_folder, zero=False))


def config_of(base: Path) -> RunConfig:
    return RunConfig(model=ModelConfig(name=str(base)))
