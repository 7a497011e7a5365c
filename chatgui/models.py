"""A name, a folder or the starter -> model and tokenizer, device, precision, fingerprint.

Weights are read from safetensors alone and code that comes with a model is never run.
"""

import hashlib
import json
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatgui.config import ModelConfig
from chatgui.devices import LENT, is_zero_gpu
from chatgui.errors import ModelError
from chatgui.hub import look_for_hub
from chatgui.tokens.template import Template

if TYPE_CHECKING:
    import torch

STARTER = Path(__file__).parents[1] / "assets" / "starter"
LONGEST_DEFAULT_TOKENS = 2048
"""Limit for a model whose config names none, or names one no laptop could train at."""


def locate(name: str) -> str:
    """The folder a name means, or the name itself when it can only be one of the hub.

    Raises ModelError for a folder without a model in it.
    """
    path = STARTER if name == "starter" else _path(name)
    if path.is_dir():
        if not any((path / name).is_file() for name in ("config.json", "tokenizer_config.json")):
            raise ModelError("model.no_config", name=name)
        return str(path)
    if path.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1 or not name.strip():
        raise ModelError("model.not_found", name=name)
    return name


def _path(name: str) -> Path:
    try:
        path = Path(name).expanduser()
        path.exists()
    except (OSError, RuntimeError) as error:  # a name no file system takes, or the home of nobody
        raise ModelError("model.not_found", name=name) from error
    return path


def context_tokens(config: ModelConfig) -> int:
    """Longest sequence the model takes, in tokens, without loading its weights."""
    from transformers import AutoConfig

    config = under_adapter(config)
    path = locate(config.name)
    if Path(path).is_dir() and not (Path(path) / "config.json").is_file():
        return LONGEST_DEFAULT_TOKENS  # a tokenizer alone: enough for a report on data
    shape = _guard(config.name, lambda: AutoConfig.from_pretrained(path, **_hub(config)))
    for name in ("max_position_embeddings", "n_positions", "max_sequence_length"):
        if isinstance(value := getattr(shape, name, None), int) and value > 0:
            return value
    return LONGEST_DEFAULT_TOKENS


def under_adapter(config: ModelConfig) -> ModelConfig:
    """The model below an adapter folder that a config names (the result of a run); the config itself for a model.

    Raises ModelError when the folder does not say which model that is.
    """
    path = Path(locate(config.name))
    if not is_adapter(path):
        return config
    try:
        base = json.loads((path / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError) as error:
        raise ModelError("model.adapter_without_base", name=config.name) from error
    if not base:
        raise ModelError("model.adapter_without_base", name=config.name)
    return under_adapter(ModelConfig(name=base))


def default_length_tokens(config: ModelConfig) -> int:
    """Limit of an example when the config leaves it open: the model's own, but no more than 2,048 tokens."""
    return min(context_tokens(config), LONGEST_DEFAULT_TOKENS)


def spare_torch() -> None:
    """For a process that only counts tokens, before it loads a template: `transformers` shall not find torch.

    It would import it for tokenizers too, which takes twice the memory of all else (180 MB) and half of the start.
    """
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")  # that there is none
    # None makes an import fail (Python reference, 5.3.1), though typeshed knows modules only
    sys.modules.setdefault("torch", None)  # type: ignore[arg-type]


def load_template(config: ModelConfig) -> Template:
    """The tokenizer with its chat template. Raises ModelError when it is not there."""
    return Template(load_tokenizer(config))


def load_tokenizer(config: ModelConfig) -> Any:
    """A `transformers` tokenizer, of models that do not chat too. Raises ModelError when it is not there."""
    from transformers import AutoTokenizer

    path = locate(config.name)
    return _guard(config.name, lambda: AutoTokenizer.from_pretrained(path, **_hub(config)))


def saved_template(folder: Path) -> Template:
    """The tokenizer and chat template that a run saved with its result; an adapter folder has no config.json."""
    from transformers import AutoTokenizer

    return Template(_guard(str(folder), lambda: AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)))


def load_model(
    config: ModelConfig, head: str, device: "torch.device", dtype: "torch.dtype",
    options: Mapping[str, Any] | None = None, bits: int | None = None,
) -> Any:  # fmt: skip
    """A `transformers` model on `device`, in evaluation mode. `head` names the auto class that loads it.

    `options` are settings of the model's config (`num_labels`); the weights of a head that the model does not bring
    are drawn at random. `bits` (4 or 8) holds linear layers in that many, through bitsandbytes. Raises ModelError
    without it or a GPU.
    """
    import transformers

    transformers.utils.logging.disable_progress_bar()
    if options:  # a head that the model does not bring is drawn at random: as meant, and no news to a reader
        transformers.utils.logging.set_verbosity_error()
    auto = getattr(transformers, head)
    path, own = locate(config.name), dict(options or {})
    if bits:
        must_quantize(device)
    if is_adapter(Path(path)):
        below = load_model(under_adapter(config), head, device, dtype, options)
        return _merged(attach_saved(below, Path(path)), config.name)
    if bits:
        return _load_quantized(config, head, device, dtype, own, bits)
    if config.random_weights:
        shape = _guard(config.name, lambda: transformers.AutoConfig.from_pretrained(path, **_hub(config), **own))
        model = auto.from_config(shape, dtype=dtype, trust_remote_code=False)
    else:
        model = _guard(
            config.name,
            lambda: auto.from_pretrained(path, **_hub(config), **own, dtype=dtype, use_safetensors=True),
        )
    return model.to(device).eval()


def _merged(model: Any, name: str) -> Any:
    """A model whose adapter has become part of its weights. Raises ModelError for an adapter that cannot."""
    if not hasattr(model, "merge_and_unload"):
        raise ModelError("model.adapter_stays", name=name)
    return model.merge_and_unload().eval()


def must_quantize(device: "torch.device") -> None:
    """Raises ModelError where weights cannot be held in 4 or 8 bits: no NVIDIA GPU, or no bitsandbytes."""
    if device.type != "cuda":
        raise ModelError("model.quantized_needs_gpu", device=device.type)
    if find_spec("bitsandbytes") is None:
        raise ModelError("model.no_bitsandbytes")


def _load_quantized(config: ModelConfig, head: str, device: Any, dtype: Any, own: dict[str, Any], bits: int) -> Any:
    """Linear layers in 4 bits (NormalFloat, scales quantised too: Dettmers et al. 2023) or 8, the rest in `dtype`."""
    import transformers

    how = transformers.BitsAndBytesConfig(
        load_in_4bit=bits == 4, load_in_8bit=bits == 8, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )  # fmt: skip
    load = getattr(transformers, head).from_pretrained
    options = {**_hub(config), "dtype": dtype, "use_safetensors": True, "quantization_config": how, **own}
    return _guard(config.name, lambda: load(locate(config.name), **options, device_map={"": device})).eval()


def attach_saved(base: Any, folder: Path) -> Any:
    """`base` with the adapter that a run saved in `folder`, in evaluation mode."""
    return _guard(str(folder), lambda: _attached(base, folder)).eval()


def _attached(base: Any, folder: Path) -> Any:
    from peft import PeftModel

    from chatgui.adapters.modules import load_attached

    with warnings.catch_warnings():  # peft 0.21 looks for AdaLoRA's ranks under names that only LoRA uses
        warnings.filterwarnings("ignore", message="The following rank_pattern keys did not match")
        return load_attached(base, folder) or PeftModel.from_pretrained(base, str(folder))


def is_adapter(folder: Path) -> bool:
    """Whether a result folder holds an adapter (and not all weights)."""
    return (folder / "adapter_config.json").is_file()


def best_device() -> "torch.device":
    """The first CUDA device, Apple's GPU, or the CPU."""
    import torch

    if is_zero_gpu() and LENT not in os.environ:
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def frozen_dtype(device: "torch.device") -> "torch.dtype":
    """Precision of weights that are not trained: bfloat16 where the device computes in it, float32 elsewhere."""
    import torch

    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32


def precision(device: "torch.device", wanted: str = "auto") -> Any:
    """Context in which a forward pass computes: bfloat16 where it is native or wanted, as it stands elsewhere."""
    import torch

    half = wanted == "bfloat16" or (wanted == "auto" and frozen_dtype(device) == torch.bfloat16)
    return torch.autocast(device.type, torch.bfloat16, enabled=half)


def weights_fingerprint(model: Any) -> str:
    """12 hex digits of the SHA-256 over all weights, names and values: equal weights, equal fingerprint."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:12]


def stop_ids(model: Any, template: Template) -> frozenset[int]:
    """Tokens that end a reply: the template's end of turn, the tokenizer's and the model's own end of text."""
    own = getattr(model.generation_config, "eos_token_id", None)
    owned = own if isinstance(own, list) else [own]
    ids = (template.end_of_turn_id, template.tokenizer.eos_token_id, *owned)
    return frozenset(id_ for id_ in ids if id_ is not None)


def parameter_count(name: str) -> int | None:
    """Number of weights of a local model, read from the headers of its safetensors files; None when not local.

    Raises ModelError when the name is a path without a model.
    """
    folder = Path(locate(under_adapter(ModelConfig(name=name)).name))
    files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    return sum(_count(file) for file in files) or None


def _count(file: Path) -> int:
    with file.open("rb") as stream:  # the header: 8 bytes of length, then JSON (safetensors format)
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    total = 0
    for name, entry in header.items():
        if name != "__metadata__":
            size = 1
            for length in entry["shape"]:
                size *= length
            total += size
    return total


def _hub(config: ModelConfig) -> dict[str, Any]:
    """What every load says: which revision, and that code beside the weights is never run, whoever is asked."""
    return {"revision": config.revision or "main", "trust_remote_code": False}


def _guard(name: str, load: Callable[[], Any]) -> Any:
    reachable = name == "starter" or Path(name).expanduser().exists() or look_for_hub()
    try:
        return load()
    except (OSError, ValueError, KeyError) as error:
        if isinstance(error, ModelError):
            raise
        if not reachable:
            raise ModelError("model.no_network", name=name) from error
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ModelError("model.cannot_load", name=name, reason=reason) from error
