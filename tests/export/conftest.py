"""Finished runs to export: tiny models of each shape with a LoRA that changes their answers."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatgui.config import RunConfig
from chatgui.models import STARTER
from chatgui.runs.store import Run, create_run

collect_ignore = [] if os.environ.get("CHATGUI_LLAMA_PYTHON") else ["test_llama_cpp.py"]


def shapes(size: int) -> dict[str, Any]:
    """A small config of each shape that GGUF is written for."""
    from transformers import GPT2Config, LlamaConfig, Qwen2Config, Qwen3Config

    common = {
        "vocab_size": size, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "intermediate_size": 96, "max_position_embeddings": 256,
    }  # fmt: skip
    gpt2 = GPT2Config(vocab_size=size, n_positions=256, n_embd=64, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0)
    return {
        "gpt2": gpt2, "llama": LlamaConfig(**common), "qwen2": Qwen2Config(**common, tie_word_embeddings=True),
        "qwen3": Qwen3Config(**common, head_dim=32),
    }  # fmt: skip


def make_run(home: Path, base: Path, adapter: str = "lora") -> Run:
    """A run over `base` that ended, with a result that answers differently: no training, the weights are drawn."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    values = {"model": {"name": str(base)}, "adapter": {"kind": adapter}, "data": {"source": "support"}}
    run = create_run(home, RunConfig.model_validate(values))
    torch.manual_seed(1)
    model = run.config.adapter.attach(AutoModelForCausalLM.from_pretrained(base), 10)
    for name, weight in model.named_parameters():
        if "lora_B" in name or adapter == "full":
            weight.data += 0.05 * torch.randn_like(weight)
    model.save_pretrained(run.model_folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(run.model_folder)
    (run.folder / "splits.json").write_text(json.dumps({"train": ["a", "b"], "test": ["c"]}), encoding="utf-8")
    run.set_state(state="finished", result={"seconds": 1.5, "train_loss": 1.25})
    return run


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder with random weights and the starter's tokenizer for each shape."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folders = {}
    tokenizer = AutoTokenizer.from_pretrained(STARTER)
    for name, shape in shapes(len(tokenizer)).items():
        torch.manual_seed(0)
        folders[name] = tmp_path_factory.mktemp("bases") / name
        model = AutoModelForCausalLM.from_config(shape)
        for weight in model.parameters():
            weight.data *= 4  # random answers that differ clearly from each other
        model.save_pretrained(folders[name])
        tokenizer.save_pretrained(folders[name])
    return folders


@pytest.fixture
def finished(home: Path, bases: dict[str, Path]) -> Callable[..., Run]:
    """A finished run over one of `bases`."""

    def make(shape: str, adapter: str = "lora") -> Run:
        return make_run(home, bases[shape], adapter)

    return make
