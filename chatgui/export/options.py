"""What can be chosen about an export: the source of the form, the flags and their help."""

from typing import Annotated, Literal

from pydantic import Field

from chatgui.fields import Config, Simple


class ExportConfig(Config):
    """How a run leaves the program."""

    format: Annotated[Literal["adapter", "merged", "gguf"], Simple()] = "adapter"
    """The adapter alone (peft), the whole model (transformers), or one file for llama.cpp and Ollama (GGUF)."""
    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    """Of the whole model's weights; half the precision is half the size."""
    quantization: Literal["f32", "f16", "q8_0"] = "f16"
    """Of a GGUF file: f32 answers like this page, f16 almost, q8_0 is a quarter of the size."""
    shard_gigabytes: float = Field(5.0, gt=0, le=100)
    """Files of a whole model are no larger than this."""
