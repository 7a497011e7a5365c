"""One GGUF file for llama.cpp, Ollama and LM Studio, through the `gguf` package: GPT-2, Llama, Qwen2 and Qwen3 shapes.

Other shapes go through llama.cpp's own converter where it is installed. Names and layouts: the GGUF specification in
the ggml repository (docs/gguf.md), and what llama.cpp's loader asks for.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chatgui.errors import ModelError
from chatgui.export.options import ExportConfig
from chatgui.export.template import portable
from chatgui.export.vocabulary import add_vocabulary
from chatgui.tokens.template import Template

CONVERTER = "convert_hf_to_gguf.py"
ARCHITECTURES = {"gpt2": "GPT2", "llama": "LLAMA", "qwen2": "QWEN2", "qwen3": "QWEN3"}
"""`model_type` of a transformers config -> name of gguf's MODEL_ARCH."""


def write(model: Any, template: Template, out: Path, options: ExportConfig, name: str) -> None:
    """The file `out`. `model` is a whole causal model in float32 on the CPU.

    Raises ModelError for a shape or tokenizer that is not known here while llama.cpp's converter is not installed.
    """
    try:
        _write(model, template, out, options, name)
    except ModelError:
        if (converter := _converter()) is None:
            raise
        _convert(converter, model, template, out, options)


def _write(model: Any, template: Template, out: Path, options: ExportConfig, name: str) -> None:
    import gguf

    shape = model.config
    if shape.model_type not in ARCHITECTURES:
        raise ModelError("export.gguf_shape", found=shape.model_type, known=", ".join(ARCHITECTURES))
    arch = gguf.MODEL_ARCH[ARCHITECTURES[shape.model_type]]
    writer = gguf.GGUFWriter(None, gguf.MODEL_ARCH_NAMES[arch])
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{options.quantization.upper()}"
                                            if options.quantization != "f32" else "ALL_F32"])  # fmt: skip
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _add_shape(writer, shape)
    add_vocabulary(writer, template, shape.vocab_size)
    writer.add_chat_template(portable(template.tokenizer.chat_template))
    names = gguf.get_tensor_name_map(arch, shape.num_hidden_layers)
    wanted = gguf.GGMLQuantizationType[options.quantization.upper()]
    for key, weight in _tensors(model):
        stem, _, suffix = key.rpartition(".")
        mapped = names.get_name(stem)
        if mapped is None:
            raise ModelError("export.gguf_tensor", name=key)
        values = weight.detach().float().contiguous().numpy()
        kind = _kind(mapped, values, wanted)
        writer.add_tensor(f"{mapped}.{suffix}", gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file(out)
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _kind(name: str, values: Any, wanted: Any) -> Any:
    """Vectors and positions stay float32, as llama.cpp wants them; rows that q8_0's blocks do not divide, float16."""
    import gguf

    if values.ndim == 1 or name == "position_embd":
        return gguf.GGMLQuantizationType.F32
    blocks = gguf.GGML_QUANT_SIZES[wanted][0]
    return wanted if values.shape[-1] % blocks == 0 else gguf.GGMLQuantizationType.F16


def _add_shape(writer: Any, shape: Any) -> None:
    writer.add_context_length(shape.max_position_embeddings)
    writer.add_embedding_length(shape.hidden_size)
    writer.add_block_count(shape.num_hidden_layers)
    writer.add_head_count(shape.num_attention_heads)
    writer.add_vocab_size(shape.vocab_size)
    if shape.model_type == "gpt2":
        writer.add_feed_forward_length(shape.n_inner or 4 * shape.hidden_size)
        writer.add_layer_norm_eps(shape.layer_norm_epsilon)
        return
    rope = shape.rope_parameters or {}
    if rope.get("rope_type", "default") != "default":
        raise ModelError("export.gguf_rope", found=rope["rope_type"])
    head = getattr(shape, "head_dim", None) or shape.hidden_size // shape.num_attention_heads
    writer.add_feed_forward_length(shape.intermediate_size)
    writer.add_head_count_kv(shape.num_key_value_heads)
    writer.add_layer_norm_rms_eps(shape.rms_norm_eps)
    writer.add_rope_freq_base(rope.get("rope_theta", 10000.0))
    writer.add_rope_dimension_count(head)
    writer.add_key_length(head)
    writer.add_value_length(head)


def _tensors(model: Any) -> Iterator[tuple[str, Any]]:
    """Name and values of each weight as llama.cpp lays it out; a tied output layer is left out."""
    shape = model.config
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight" and shape.tie_word_embeddings:
            continue
        if shape.model_type == "gpt2" and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
            yield name, weight.T  # Conv1D stores (in, out)
        elif shape.model_type == "llama" and name.endswith(
            ("q_proj.weight", "k_proj.weight", "q_proj.bias", "k_proj.bias")
        ):
            heads = shape.num_attention_heads if ".q_proj." in name else shape.num_key_value_heads
            yield name, _interleave(weight, heads)
        else:
            yield name, weight


def _interleave(weight: Any, heads: int) -> Any:
    """Rotary halves side by side: transformers rotates the halves of a head, llama.cpp's Llama neighbouring pairs."""
    rows, *rest = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, *rest).transpose(1, 2).reshape(weight.shape)


def _converter() -> Path | None:
    """llama.cpp's converter: on the PATH, or in the folder that `$LLAMA_CPP` names."""
    folder = os.environ.get("LLAMA_CPP")
    found = Path(folder) / CONVERTER if folder else None
    if found and found.is_file():
        return found
    on_path = shutil.which(CONVERTER)
    return Path(on_path) if on_path else None


def _convert(converter: Path, model: Any, template: Template, out: Path, options: ExportConfig) -> None:
    from chatgui.export.merged import save_tokenizer

    folder = out.with_suffix(".whole")
    try:
        model.save_pretrained(folder)
        save_tokenizer(template, folder)
        done = subprocess.run(
            [sys.executable, str(converter), str(folder), "--outfile", str(out), "--outtype", options.quantization],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["-"])[-1]
        raise ModelError("export.converter_failed", path=str(converter), reason=last[:200])
