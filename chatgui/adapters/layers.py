"""Finds the parts of a model that adapters work on: blocks, linear layers, heads. By structure, not by a list of names,
so that the next architecture needs no line here.
"""

import re
from typing import Any

from chatgui.errors import ConfigError

ALL_LINEAR, ATTENTION = "all-linear", "attention"
_ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)
_FEED_FORWARD = re.compile(r"mlp|feed_?forward|ffn|moe|experts|fc2", re.IGNORECASE)
_NORM = re.compile(r"norm|ln", re.IGNORECASE)
_KEY_OR_VALUE = re.compile(r"(k|v|kv|qkv|key|value|query_key_value|c_attn|wqkv|qkv_proj)(_proj|_lin)?", re.IGNORECASE)


def blocks(model: Any) -> Any:
    """The `torch.nn.ModuleList` of the model's equal layers, first to last. Raises ConfigError when there is none."""
    import torch

    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList) and len(module)]
    own = [found for found in lists if len({type(module) for module in found}) == 1]
    if not own:
        raise ConfigError("adapter.no_blocks", field="adapter.kind", model=type(model).__name__)
    return max(own, key=lambda found: sum(weight.numel() for weight in found.parameters()))


def sublayers(block: Any) -> tuple[Any, Any]:
    """Attention and feed-forward part of a block: the modules whose outputs are added to the residual stream.

    Raises ConfigError that names the parts when they cannot be told apart.
    """
    children = {name: module for name, module in block.named_children() if not _NORM.search(name)}
    attention = next((module for name, module in children.items() if _ATTENTION.search(name)), None)
    feed_forward = next((module for name, module in children.items() if _FEED_FORWARD.search(name)), None)
    if attention is None or feed_forward is None:
        raise ConfigError("adapter.no_sublayers", field="adapter.kind", found=", ".join(dict(block.named_children())))
    return attention, feed_forward


def heads(model: Any) -> list[str]:
    """Names of what a task added to the pretrained body (a classifier), which no pretraining has taught yet.

    The output layer of a language model is not one of them.
    """
    output = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_children()
        if module is not model.base_model and module is not output and any(True for _ in module.parameters())
    ]


def task_type(model: Any) -> str | None:
    """peft's name for what the model does. None for a head that peft knows nothing of."""
    name = type(model).__name__
    known = {"ForCausalLM": "CAUSAL_LM", "LMHeadModel": "CAUSAL_LM", "ForSequenceClassification": "SEQ_CLS"}
    known["ForTokenClassification"] = "TOKEN_CLS"
    return next((kind for end, kind in known.items() if name.endswith(end)), None)


def linear_layers(model: Any) -> dict[str, Any]:
    """Every linear layer of the pretrained body by its full name; neither the output layer nor a task's head."""
    body, output = model.base_model, model.get_output_embeddings()
    inside = {id(module) for module in body.modules()}
    return {
        name: module
        for name, module in model.named_modules()
        if is_linear(module) and id(module) in inside and module is not output
    }


def is_linear(module: Any) -> bool:
    """Whether a module multiplies by a matrix; GPT-2's Conv1D does, and so do bitsandbytes' quantised layers."""
    import torch
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, (torch.nn.Linear, Conv1D))


def is_transposed(model: Any) -> bool:
    """Whether weights are stored as (in, out), GPT-2's way, and not as (out, in)."""
    from transformers.pytorch_utils import Conv1D

    return any(isinstance(module, Conv1D) for module in model.modules())


def target_modules(model: Any, wish: str) -> list[str]:
    """The layers a wish means, as peft takes them: `all-linear`, `attention`, or names parted by commas.

    A name is the last part of a layer's name, or more of it. Raises ConfigError that names the layers there are.
    """
    layers = linear_layers(model)
    if wish == ALL_LINEAR:
        chosen = list(layers)
    elif wish == ATTENTION:
        chosen = [name for name in layers if _ATTENTION.search(name)]
    else:
        wanted = [part.strip() for part in wish.split(",") if part.strip()]
        for part in wanted:
            if not any(_ends_with(name, part) for name in layers):
                raise _no_such_module(part, layers)
        chosen = [name for name in layers if any(_ends_with(name, part) for part in wanted)]
    if not chosen:
        raise _no_such_module(wish, layers)
    return _shortened(model, chosen)


def key_value_and_feed_forward(model: Any) -> tuple[list[str], list[str]]:
    """What IA3 scales: the layers that make keys and values, and the last one of each feed-forward part."""
    names = {id(module): name for name, module in model.named_modules()}
    keys: list[str] = []
    last: list[str] = []
    for block in blocks(model):
        attention, feed_forward = sublayers(block)
        made = [module for module in attention.modules() if is_linear(module)]
        keys += [names[id(m)] for m in made if _KEY_OR_VALUE.fullmatch(names[id(m)].rpartition(".")[2])]
        last += [names[id(m)] for m in feed_forward.modules() if is_linear(m)][-1:]
    if not keys or not last:
        raise _no_such_module("key, value", linear_layers(model))
    return _shortened(model, [*keys, *last]), _shortened(model, last)


def _no_such_module(found: str, layers: dict[str, Any]) -> ConfigError:
    known = ", ".join(sorted({name.rpartition(".")[2] for name in layers}))
    return ConfigError("adapter.no_such_module", field="adapter.target_modules", found=found, known=known)


def _ends_with(name: str, part: str) -> bool:
    return name == part or name.endswith(f".{part}")


def _shortened(model: Any, chosen: list[str]) -> list[str]:
    """Shortest endings that mean the chosen modules and no others; a saved config of 200 full names reads badly."""
    others = [name for name, _ in model.named_modules() if name not in set(chosen)]
    short: set[str] = set()
    for name in chosen:
        parts = name.split(".")
        endings = [".".join(parts[-length:]) for length in range(1, len(parts) + 1)]
        short.add(next(end for end in endings if end == name or not any(_ends_with(other, end) for other in others)))
    return sorted(short)
