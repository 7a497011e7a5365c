"""Adapters of our own, as torch modules around a frozen model. To the rest they look like a `peft.PeftModel`.

Imports torch, so it is itself imported inside functions only.
"""

import copy
import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import load_file, save_file

from chatgui.adapters.layers import blocks, heads, sublayers, task_type

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


class Attached(torch.nn.Module, ABC):
    """A frozen model, trained parts beside it, and a task's own head, trained as a copy."""

    KIND: ClassVar[str]
    """`peft_type` in the saved config: peft's own name where peft can read what is saved."""
    packable: ClassVar[bool] = True
    """Whether sequences may be laid end to end in one row; virtual tokens stand before a row, so they forbid it."""

    def __init__(self, base: Any) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.on = True
        self._first_heads = {name: getattr(base, name) for name in heads(base)}
        for name, head in self._first_heads.items():
            setattr(base, name, copy.deepcopy(head).requires_grad_(True))

    def forward(self, *args: Any, **options: Any) -> Any:
        """As the base model's."""
        return self.base(*args, **options)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:  # config, device, get_output_embeddings …: the base's
            return getattr(super().__getattr__("base"), name)

    def get_base_model(self) -> Any:
        """The model inside, whose layers the adapter acts on."""
        return self.base

    @contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """While it lasts the model answers as its base."""
        was_on, used = self.on, {name: getattr(self.base, name) for name in self._first_heads}
        self._use(False, self._first_heads)
        try:
            yield
        finally:  # one within another leaves it off
            self._use(was_on, used)

    def _use(self, on: bool, chosen: dict[str, Any]) -> None:
        self.on = on
        for name, head in chosen.items():
            setattr(self.base, name, head)

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What makes the same adapter again, as plain values."""

    @abstractmethod
    def parts(self) -> dict[str, torch.nn.Parameter]:
        """The trained weights beside the model by their saved names."""

    def trained(self) -> dict[str, torch.nn.Parameter]:
        """`parts` and the heads, as they are saved: heads under the names peft gives them."""
        named = [(name, getattr(self.base, name)) for name in self._first_heads]
        own = {f"base_model.{name}.{key}": weight for name, head in named for key, weight in head.named_parameters()}
        return {**self.parts(), **own}

    def save_pretrained(self, folder: str | Path, **options: Any) -> None:
        """adapter_config.json and the trained weights beside it."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        common = {"peft_type": self.KIND, "task_type": task_type(self.base), "inference_mode": True}
        common["base_model_name_or_path"] = self.base.config.name_or_path or None
        (folder / CONFIG).write_text(json.dumps({**common, **self.settings()}, indent=1) + "\n", encoding="utf-8")
        weights = {name: weight.detach().contiguous() for name, weight in self.trained().items()}
        save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})

    def load_trained(self, folder: Path) -> None:
        """Weights that `save_pretrained` wrote. Raises ValueError when they belong to another shape."""
        saved = load_file(folder / WEIGHTS)
        own = self.trained()
        if saved.keys() != own.keys() or any(saved[name].shape != own[name].shape for name in own):
            raise ValueError(f"{folder / WEIGHTS} holds weights for another model")
        with torch.no_grad():
            for name, weight in own.items():
                weight.copy_(saved[name])


class Bottlenecks(Attached):
    """`h + up(gelu(down(h)))` on the output of each attention and feed-forward part, before it joins the stream."""

    KIND = "BOTTLENECK"

    def __init__(self, base: Any, width: int) -> None:
        super().__init__(base)
        self.width = width
        places = [part for block in blocks(base) for part in sublayers(block)]
        self.networks = torch.nn.ModuleList(_Network(self.base.config.hidden_size, width) for _ in places)
        self.networks.to(base.device)
        for place, network in zip(places, self.networks, strict=True):
            place.register_forward_hook(self._hook(network))

    def _hook(self, network: torch.nn.Module) -> Any:
        def add(module: Any, args: Any, output: Any) -> Any:
            if not self.on:
                return output
            if isinstance(output, tuple):  # attention also returns its weights
                return (network(output[0]), *output[1:])
            return network(output)

        return add

    def settings(self) -> dict[str, Any]:
        return {"width": self.width}

    def parts(self) -> dict[str, torch.nn.Parameter]:
        return dict(self.networks.named_parameters(prefix="networks"))


class _Network(torch.nn.Module):
    """The identity at first: the second layer starts at zero."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.down = torch.nn.Linear(size, width)
        self.up = torch.nn.Linear(width, size)
        torch.nn.init.zeros_(self.up.weight)
        torch.nn.init.zeros_(self.up.bias)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(…, size) -> (…, size), in the precision that came in."""
        inner = torch.nn.functional.gelu(self.down(hidden.to(self.down.weight.dtype)))
        return hidden + self.up(inner).to(hidden.dtype)


class VirtualTokens(Attached):
    """Learnt places before every input. The caller sees none of them: outputs are as long as the input.

    Works on the decoder's call, so that loss, decoding and a task's head need to know nothing. Saved in peft's
    format and under its names; peft's own forward could not be used: it wants `generate`, knows no positions, and is
    bypassed by a loss that asks the decoder.
    """

    packable = False

    def __init__(self, base: Any, length: int) -> None:
        super().__init__(base)
        self.length = length
        decoder = base.get_decoder() if hasattr(base, "get_decoder") and base.get_decoder() else base.base_model
        self._signature = inspect.signature(decoder.forward)
        self._embed = base.get_input_embeddings()
        ids = torch.randint(base.config.vocab_size, (1, length)).to(base.device)
        self.places = torch.nn.Parameter(self._first_values(ids))
        self._added = 0
        decoder.register_forward_pre_hook(self._before, with_kwargs=True)
        decoder.register_forward_hook(self._after)

    @abstractmethod
    def _first_values(self, ids: torch.Tensor) -> torch.Tensor:
        """The learnt places (length, …) as they begin: those of some ids (1, length)."""

    @abstractmethod
    def _put_before(self, given: dict[str, Any]) -> int:
        """Put the learnt places before the input in `given`. Returns by how many it lengthened the output."""

    def _before(self, decoder: Any, args: Any, options: dict[str, Any]) -> Any:
        self._added = 0
        if not self.on:
            return None
        bound = self._signature.bind_partial(*args, **options)
        given: dict[str, Any] = dict(bound.arguments)
        given |= given.pop("kwargs", {})
        _lengthen(given, "attention_mask", lambda mask: _before_columns(mask.new_ones(len(mask), self.length), mask))
        _lengthen(given, "position_ids", lambda places: places + self.length)
        cache = given.get("past_key_values")
        if cache is None or cache.get_seq_length() == 0:
            self._added = self._put_before(given)
        return (), given

    def _after(self, decoder: Any, args: Any, output: Any) -> Any:
        if self._added:
            output.last_hidden_state = output.last_hidden_state[:, self._added :]
        return output

    def settings(self) -> dict[str, Any]:
        shape = self.base.config
        return {
            "num_virtual_tokens": self.length, "num_layers": shape.num_hidden_layers, "token_dim": self._token_size(),
            "num_attention_heads": shape.num_attention_heads, "num_transformer_submodules": 1,
        }  # fmt: skip

    def _token_size(self) -> int:
        return self.base.config.hidden_size

    def parts(self) -> dict[str, torch.nn.Parameter]:
        return {"prompt_embeddings": self.places}


class PromptTokens(VirtualTokens):
    """Learnt embeddings (length, D)."""

    KIND = "PROMPT_TUNING"

    def _first_values(self, ids: torch.Tensor) -> torch.Tensor:
        return self._embed(ids)[0].detach().float()

    def _put_before(self, given: dict[str, Any]) -> int:
        ids, embedded = given.pop("input_ids", None), given.pop("inputs_embeds", None)
        embedded = self._embed(ids) if embedded is None else embedded  # (B, T, D)
        own = self.places.to(embedded.dtype).expand(len(embedded), -1, -1)
        given["inputs_embeds"] = torch.cat([own, embedded], dim=1)
        first = torch.arange(self.length, device=embedded.device)
        _lengthen(given, "position_ids", lambda places: _before_columns(first.expand(len(places), -1), places))
        return self.length


class PrefixTokens(VirtualTokens):
    """Learnt keys and values (length, layers * 2 * heads * D), in the order of peft's flat weight."""

    KIND = "PREFIX_TUNING"

    def _first_values(self, ids: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            cache = self.base.base_model(input_ids=ids, use_cache=True).past_key_values
        pairs = [part for layer in cache.layers for part in (layer.keys, layer.values)]  # each (1, heads, length, D)
        return torch.stack([pair[0].transpose(0, 1) for pair in pairs], dim=1).flatten(1).float()

    def _put_before(self, given: dict[str, Any]) -> int:
        from transformers import DynamicCache

        found = given.get("input_ids")
        rows = len(given["inputs_embeds"] if found is None else found)
        cache = given.get("past_key_values")
        cache = DynamicCache(config=self.base.config) if cache is None else cache
        layers = self.base.config.num_hidden_layers
        head_size = self._token_size() // self._key_heads()
        flat = self.places.to(self._embed.weight.dtype).view(self.length, layers * 2, self._key_heads(), head_size)
        pairs = flat.permute(1, 2, 0, 3)  # (layers * 2, heads, length, D)
        for layer in range(layers):
            keys, values = (pairs[2 * layer + side].expand(rows, -1, -1, -1) for side in (0, 1))
            cache.update(keys, values, layer)
        given["past_key_values"] = cache
        return 0

    def _key_heads(self) -> int:
        shape = self.base.config
        return getattr(shape, "num_key_value_heads", None) or shape.num_attention_heads

    def _token_size(self) -> int:
        return self.places.shape[1] // (2 * self.base.config.num_hidden_layers)

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "num_attention_heads": self._key_heads(), "prefix_projection": False}


def _lengthen(given: dict[str, Any], name: str, change: Any) -> None:
    if given.get(name) is not None:
        given[name] = change(given[name])


def _before_columns(first: torch.Tensor, then: torch.Tensor) -> torch.Tensor:
    return torch.cat([first, then], dim=1)


_BY_KIND: dict[str, tuple[type[Any], dict[str, str]]] = {
    "BOTTLENECK": (Bottlenecks, {"width": "width"}),
    "PROMPT_TUNING": (PromptTokens, {"num_virtual_tokens": "length"}),
    "PREFIX_TUNING": (PrefixTokens, {"num_virtual_tokens": "length"}),
}


def load_attached(base: Any, folder: Path) -> Attached | None:
    """`base` with an adapter that a class of this file saved; None when peft made it."""
    saved = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    if saved["peft_type"] not in _BY_KIND:
        return None
    kind, names = _BY_KIND[saved["peft_type"]]
    attached = kind(base, **{ours: saved[theirs] for theirs, ours in names.items()})
    attached.load_trained(folder)
    return attached.requires_grad_(False)
