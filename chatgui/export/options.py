"""What can be chosen about an export: the source of the form, the flags and their help."""

from typing import Annotated, Literal

from pydantic import Field

from chatgui.fields import Config, OnlyWith, Simple


class ExportConfig(Config):
    """How a run leaves the program."""

    format: Annotated[Literal["adapter", "merged", "gguf"], Simple()] = "adapter"
    """The adapter alone (peft), the whole model (transformers), or one file for llama.cpp and Ollama (GGUF)."""
    precision: Annotated[Literal["float32", "float16", "bfloat16"], OnlyWith("format", ("merged",))] = "float32"
    """Of the whole model's weights; half the precision is half the size."""
    quantization: Annotated[Literal["f32", "f16", "q8_0"], OnlyWith("format", ("gguf",))] = "f16"
    """Of a GGUF file: f32 answers like this page, f16 almost, q8_0 is a quarter of the size."""
    shard_gigabytes: Annotated[float, OnlyWith("format", ("merged",))] = Field(5.0, gt=0, le=100)
    """Files of a whole model are no larger than this."""
    licence: str = Field("", max_length=60, pattern=r"^[\w.+-]*$")
    """For the model card, as the hub names licences (apache-2.0, mit, cc-by-4.0); empty names none."""


EQUAL_RANKS = ("linear", "ties", "dare_linear", "dare_ties", "magnitude_prune")
"""Ways to combine that add matrices of one shape."""
Combination = Literal["cat", "svd", "linear", "ties", "dare_linear", "dare_ties", "magnitude_prune"]


class FusionConfig(Config):
    """How several adapters of one base become one."""

    combination: Annotated[Combination, Simple()] = "cat"
    """cat adds the updates exactly, at the sum of their ranks; svd comes close at a rank of your choice; linear adds
    the small matrices themselves, which is rough; ties and dare drop small or random parts first, so that the adapters
    disturb each other less (arXiv:2306.01708, arXiv:2311.03099)."""
    rank: Annotated[int | None, OnlyWith("combination", ("svd",))] = Field(None, ge=1, le=256)
    """Of the result; empty takes the largest rank among the adapters."""
    density: Annotated[float, OnlyWith("combination", ("ties", "dare_linear", "dare_ties", "magnitude_prune"))] = Field(
        0.5, gt=0, le=1
    )
    """Share of each adapter's numbers that is kept."""
    seed: Annotated[int, OnlyWith("combination", ("dare_linear", "dare_ties"))] = Field(0, ge=0)
    """Fixes which numbers are dropped at random."""
