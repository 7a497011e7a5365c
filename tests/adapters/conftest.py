"""Tiny models of three shapes, and bases loaded from them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HEAD = "AutoModelForCausalLM"


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of a GPT-2, a Llama with grouped heads and a Qwen2 with tied embeddings, 64 positions, random weights."""
    import torch
    from transformers import AutoModelForCausalLM as Auto
    from transformers import GPT2Config, LlamaConfig, Qwen2Config

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    places = {"vocab_size": 96, "max_position_embeddings": 64, "num_key_value_heads": 2}
    dry = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    configs = {
        "gpt2": GPT2Config(vocab_size=96, n_positions=64, n_embd=32, n_layer=2, n_head=4, pad_token_id=0, **dry),
        "llama": LlamaConfig(**sizes, **places, pad_token_id=0),
        "qwen2": Qwen2Config(**sizes, **places, tie_word_embeddings=True, pad_token_id=0),
    }
    folder = tmp_path_factory.mktemp("shapes")
    torch.manual_seed(0)
    for name, config in configs.items():
        Auto.from_config(config).save_pretrained(folder / name)
    return {name: folder / name for name in configs}


@pytest.fixture
def load(shapes: dict[str, Path]) -> Callable[..., Any]:
    """A new copy of a shape under the head a task wants."""
    import torch

    from chatgui.config import ModelConfig
    from chatgui.models import load_model

    def make(shape: str, head: str = HEAD) -> Any:
        torch.manual_seed(0)
        return load_model(ModelConfig(name=str(shapes[shape])), head, torch.device("cpu"), torch.float32)

    return make
