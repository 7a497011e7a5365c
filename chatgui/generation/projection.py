"""Linear layers that multiply all rows of a batch at once and add to each row the low-rank update it asks for.

One set of weights then answers as itself and as any number of LoRA adapters in the same forward pass (Hu et al. 2021,
arXiv:2106.09685; the same batching as in Punica, arXiv:2310.18547). Only a layer's `forward` is replaced: names, types
and weights of the model stay as they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

PACKED_TOKENS = 64
"""Up to so many tokens a reply the packed weights are used; above, the plain ones are as fast, and as indifferent to
how many rows there are."""


@dataclass(frozen=True)
class LowRank:
    """An adapter's part in one layer: `up @ (down @ x)`, with down (r, in) and up (out, r), its scale multiplied in."""

    down: "torch.Tensor"
    up: "torch.Tensor"


@dataclass
class Mix:
    """Which rows of the batch that is computed now answer with which adapter."""

    rows: list[tuple[str, slice]] = field(default_factory=list)
    size: int | None = None
    """Rows in the batch; None when one adapter answers in all rows, however many there are."""

    @contextmanager
    def of(self, names: Sequence[str]) -> Iterator[None]:
        """While it lasts, row i answers with adapter `names[i]`; an empty name is the model itself."""
        self.rows, self.size = list(_runs(names)), len(names)
        try:
            yield
        finally:
            self.rows, self.size = [], None

    @contextmanager
    def all(self, name: str) -> Iterator[None]:
        """While it lasts, every row answers with adapter `name`."""
        self.rows, self.size = [(name, slice(None))] if name else [], None
        try:
            yield
        finally:
            self.rows = []


class Projection:
    """Stands in for the `forward` of one linear layer."""

    def __init__(self, layer: Any, mix: Mix, *, packed: bool) -> None:
        self.plain = layer.forward
        self.mix = mix
        self.updates: dict[str, LowRank] = {}
        weight = layer.weight.t() if _is_transposed(layer) else layer.weight
        self.base = _Packed(weight, layer.bias) if packed else None
        layer.forward = self

    def __call__(self, x: "torch.Tensor") -> "torch.Tensor":
        """x (B, T, in) -> (B, T, out)."""
        few = x.shape[-2] <= PACKED_TOKENS
        out = self.base(x) if self.base is not None and few else self.plain(x)
        for name, rows in self.mix.rows:
            if name in self.updates:
                if self.mix.size is not None and (x.dim() != 3 or x.shape[0] != self.mix.size):
                    raise ValueError("this layer does not keep the rows of the batch apart")
                self._update(self.updates[name], out[rows], x[rows])
        return out

    def _update(self, update: LowRank, out: "torch.Tensor", x: "torch.Tensor") -> None:
        import torch

        if self.base is None or x.dim() != 3:
            out += _product(update, x)
            return
        # one by one, so that a row is the same however many there are
        if x.shape[1] == 1:  # a product with one vector needs no second thread, which a small one would wait for
            for own, inner in zip(out[:, 0], x[:, 0], strict=True):
                own.addmv_(update.up, torch.mv(update.down, inner))
            return
        for own, inner in zip(out, x, strict=True):
            own.addmm_(torch.mm(inner, update.down.t()), update.up.t())

    def add(self, name: str, update: LowRank) -> None:
        """Know one more adapter."""
        self.updates[name] = update


def _product(update: LowRank, x: "torch.Tensor") -> "torch.Tensor":
    """x (…, in) -> (…, out)."""
    from torch.nn.functional import linear

    return linear(linear(x, update.down), update.up)


class _Packed:
    """x -> x @ weight.T + bias, for a few rows.

    They cost hardly more than one (memory is read once), and a row's result is the same to the last bit however many
    there are: that is what makes a reply independent of its neighbours.
    """

    def __init__(self, weight: "torch.Tensor", bias: "torch.Tensor | None") -> None:
        import torch

        self.bias = bias
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), 2)

    def __call__(self, x: "torch.Tensor") -> "torch.Tensor":
        import torch

        flat = x.reshape(-1, x.shape[-1])
        out = torch.ops.mkldnn._linear_pointwise(flat, self.weight, self.bias, "none", [], "")
        return out.view(*x.shape[:-1], out.shape[-1])


def project(model: Any, mix: Mix, *, packed: bool) -> dict[str, Projection]:
    """Put a Projection into every plain linear layer of `model`, by the layer's name.

    Unless `packed`, layers are left alone until an adapter needs them (`adapt`).
    """
    layers = {name: layer for name, layer in model.named_modules() if packed and _is_plain(layer)}
    return {name: Projection(layer, mix, packed=True) for name, layer in layers.items()}


def adapt(model: Any, projections: dict[str, Projection], mix: Mix, name: str, updates: Mapping[str, LowRank]) -> None:
    """Teach the layers an adapter under `name`."""
    for layer, update in updates.items():
        if layer not in projections:
            projections[layer] = Projection(model.get_submodule(layer), mix, packed=False)
        projections[layer].add(name, update)


def can_pack(device: "torch.device", dtype: "torch.dtype") -> bool:
    """Whether this processor has packed products for these weights: float32 through oneDNN."""
    import torch

    known = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return device.type == "cpu" and dtype == torch.float32 and known


def _is_plain(layer: Any) -> bool:
    import torch
    from transformers.pytorch_utils import Conv1D

    return type(layer) in (torch.nn.Linear, Conv1D) and layer.weight.dtype == torch.float32


def _is_transposed(layer: Any) -> bool:
    from transformers.pytorch_utils import Conv1D

    return isinstance(layer, Conv1D)


def _runs(names: Sequence[str]) -> Iterator[tuple[str, slice]]:
    start = 0
    for place in range(1, len(names) + 1):
        if place == len(names) or names[place] != names[start]:
            if names[start]:
                yield names[start], slice(start, place)
            start = place
