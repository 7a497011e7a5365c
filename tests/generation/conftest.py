"""Tiny models of several families, each with an adapter that does nothing and one that does."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from chatgui.config import GenerationConfig, ModelConfig, RunConfig
from chatgui.generation.engine import Engine
from chatgui.generation.pair import Pair, Voice, load_pair
from tests.conftest import TEMPLATE, make_tokenizer

SHAPE: dict[str, Any] = {
    "max_position_embeddings": 256, "hidden_size": 32, "num_hidden_layers": 2, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
HEADS: dict[str, Any] = {"intermediate_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2}
FAMILIES = ("gpt2", "llama", "qwen2", "qwen3", "mistral")
"""Absolute places; grouped heads; biases; normed heads; a window of 16 tokens."""


def make_family(family: str, folder: Path) -> Path:
    """Save a model with random weights, large enough that no two tokens are about equally likely."""
    import transformers

    tokenizer = make_tokenizer(TEMPLATE)
    shape = {**SHAPE, **HEADS, "vocab_size": len(tokenizer), "initializer_range": 0.2}
    kinds: dict[str, Callable[[], Any]] = {
        "llama": lambda: transformers.LlamaConfig(**shape),
        "qwen2": lambda: transformers.Qwen2Config(**shape),
        "qwen3": lambda: transformers.Qwen3Config(**shape, head_dim=8),
        "mistral": lambda: transformers.MistralConfig(**shape, sliding_window=16),
        "mamba": lambda: transformers.MambaConfig(**SHAPE, vocab_size=len(tokenizer), state_size=8),
        "gptj": lambda: transformers.GPTJConfig(
            vocab_size=len(tokenizer), n_positions=256, n_embd=32, n_layer=2, n_head=2, rotary_dim=8,
            bos_token_id=0, eos_token_id=0, initializer_range=0.2,
        ),
    }  # fmt: skip
    torch.manual_seed(0)
    transformers.AutoModelForCausalLM.from_config(kinds[family]()).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def family(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of a model of a family, made once."""
    made = {"gpt2": tiny_model}

    def get(name: str) -> Path:
        if name not in made:
            made[name] = make_family(name, tmp_path_factory.mktemp("models") / name)
        return made[name]

    return get


@pytest.fixture(scope="session")
def tiny_llama(family: Callable[[str], Path]) -> Path:
    return family("llama")


@pytest.fixture(params=["gpt2", "llama"])
def base_folder(request: pytest.FixtureRequest, family: Callable[[str], Path]) -> Path:
    return family(request.param)


@pytest.fixture
def save_adapter(tmp_path: Path) -> Callable[..., Path]:
    """Save a LoRA adapter for a base: of zeros, or of random numbers large enough to change every answer."""

    def save(base: Path, *, zero: bool, **options: Any) -> Path:
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModelForCausalLM, AutoTokenizer

        torch.manual_seed(1)
        model = AutoModelForCausalLM.from_pretrained(base)
        config = LoraConfig(
            **{
                "task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 32, "target_modules": "all-linear",
                "init_lora_weights": zero, "fan_in_fan_out": model.config.model_type == "gpt2", **options,
            }
        )  # fmt: skip
        folder = tmp_path / f"{base.name}-{'zero' if zero else 'adapter'}"
        get_peft_model(model, config).save_pretrained(folder)
        AutoTokenizer.from_pretrained(base).save_pretrained(folder)
        return folder

    return save


@pytest.fixture
def pair(base_folder: Path, save_adapter: Callable[..., Path]) -> Pair:
    """A base and an adapter that changes its answers."""
    return load_pair(config_of(base_folder), save_adapter(base_folder, zero=False))


def config_of(base: Path) -> RunConfig:
    return RunConfig(model=ModelConfig(name=str(base)))


def ask_all(
    engine: Engine, asked: Sequence[tuple[Voice, list[int], GenerationConfig]], **changes: Any
) -> list[list[int]]:
    """Replies to several prompts that are given at once, end tokens ignored unless `stop_ids` names some."""
    from dataclasses import replace

    named = {"stop_ids": frozenset(), "context_tokens": 256, **changes}
    streams = engine.ask(*(replace(voice.request(prompt, settings), **named) for voice, prompt, settings in asked))
    return [[token.id for token in stream] for stream in streams]
