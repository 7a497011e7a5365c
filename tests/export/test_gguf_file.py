"""GGUF files, read back by the `gguf` package; what llama.cpp answers from them is in `test_llama_cpp.py`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chatgui.errors import ModelError
from chatgui.export.options import ExportConfig
from chatgui.runs.export import export_run
from chatgui.runs.store import Run

Finished = Callable[..., Run]


def exported(run: Run, folder: Path, quantization: str = "f32") -> Any:
    import gguf

    export_run(run, ExportConfig.model_validate({"format": "gguf", "quantization": quantization}), folder)
    return gguf.GGUFReader(next(folder.glob("*.gguf")))


def value(reader: Any, key: str) -> Any:
    return reader.get_field(key).contents()


@pytest.mark.parametrize("shape", ["gpt2", "llama", "qwen2", "qwen3"])
def test_every_weight_of_the_merged_model_is_in_the_file(finished: Finished, tmp_path: Path, shape: str) -> None:
    from chatgui.export.merged import whole

    run = finished(shape)
    reader = exported(run, tmp_path / "out")
    model = whole(run.config, run.model_folder).model
    tied = model.config.tie_word_embeddings
    assert value(reader, "general.architecture") == shape
    assert sum(tensor.n_elements for tensor in reader.tensors) == sum(
        weight.numel() for name, weight in model.state_dict().items() if not (tied and name == "lm_head.weight")
    )
    embedding = next(tensor for tensor in reader.tensors if tensor.name == "token_embd.weight")
    assert np.array_equal(embedding.data, model.get_input_embeddings().weight.detach().numpy())


def test_the_tokenizer_and_the_portable_template_are_in_the_file(finished: Finished, tmp_path: Path) -> None:
    reader = exported(finished("gpt2"), tmp_path / "out")
    assert value(reader, "tokenizer.ggml.model") == "gpt2"
    assert value(reader, "tokenizer.ggml.pre") == "gpt-2"
    assert value(reader, "tokenizer.ggml.tokens")[:3] == ["<|endoftext|>", "<|end|>", "<|system|>"]
    assert value(reader, "tokenizer.ggml.eos_token_id") == 1
    assert "{% generation" not in value(reader, "tokenizer.chat_template")


def test_a_tokenizer_with_byte_fallback_keeps_the_order_of_its_merges(home: Path, shared: Path, tmp_path: Path) -> None:
    from tests.export.conftest import make_run

    reader = exported(make_run(home, shared / "models" / "tinyllama-stories-260k"), tmp_path / "out")
    tokens, scores = value(reader, "tokenizer.ggml.tokens"), value(reader, "tokenizer.ggml.scores")
    assert value(reader, "tokenizer.ggml.model") == "llama"
    assert value(reader, "tokenizer.ggml.token_type")[:5] == [2, 3, 3, 6, 6]  # unknown, two control tokens, bytes
    assert scores[tokens.index("he")] < 0 and scores[tokens.index("he")] > scores[tokens.index("a")]


def test_eight_bits_take_about_a_quarter(finished: Finished, tmp_path: Path) -> None:
    run = finished("llama")
    sizes = {}
    for quantization in ("f32", "q8_0"):
        reader = exported(run, tmp_path / quantization, quantization)
        sizes[quantization] = sum(tensor.n_bytes for tensor in reader.tensors if tensor.name.endswith("proj.weight"))
        sizes[quantization] = sum(tensor.n_bytes for tensor in reader.tensors if "ffn_up" in tensor.name)
    assert sizes["q8_0"] == pytest.approx(sizes["f32"] * 34 / 128)  # 32 weights in 34 bytes


def test_a_shape_that_is_not_known_is_named(home: Path, tmp_path: Path) -> None:
    import torch
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    from tests.conftest import TEMPLATE, make_tokenizer
    from tests.export.conftest import make_run

    torch.manual_seed(0)
    tokenizer = make_tokenizer(TEMPLATE)
    shape = GPTNeoXConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    GPTNeoXForCausalLM(shape).save_pretrained(tmp_path / "neox")
    tokenizer.save_pretrained(tmp_path / "neox")
    with pytest.raises(ModelError, match=r"gpt_neox cannot be written as GGUF here, only gpt2, llama, qwen2, qwen3"):
        exported(make_run(home, tmp_path / "neox"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
