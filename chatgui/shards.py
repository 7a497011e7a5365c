"""Frozen weights dealt out over several processes: each keeps its part and borrows one layer at a time.

For adapters, whose base does not learn: what is trained stays whole on every rank, so that steps, checkpoints and
results are those of whole copies. Torch's `fully_shard` (FSDP2) lends and takes back the layers. Embeddings and output
layer stay whole, since the loss reads them outside of any layer.
"""

from typing import TYPE_CHECKING, Any

from chatgui.config import LaunchConfig

if TYPE_CHECKING:
    import torch
    from torch.distributed.device_mesh import DeviceMesh


def mesh_of(config: LaunchConfig, device: "torch.device") -> "DeviceMesh":
    """The processes that share one copy: all of them, or those of each machine. All ranks must ask together."""
    from torch.distributed.device_mesh import init_device_mesh

    shape = (config.total,) if config.sharding == "all" else (config.machines, config.processes)
    return init_device_mesh(device.type, shape, mesh_dim_names=("machine", "process")[-len(shape) :])


def shard_frozen(model: Any, device: "torch.device", mesh: "DeviceMesh") -> tuple[int, int]:
    """Deal out the frozen weights of each layer of `model`, which may still be in the CPU's memory, onto `device`.

    From then on, every pass through the model must be taken by all ranks at the same time. Returns the bytes of frozen
    weights that this rank holds, and those of the whole model.
    """
    from torch.distributed.fsdp import fully_shard

    frozen = [weight for weight in model.parameters() if not weight.requires_grad]
    total = sum(weight.nbytes for weight in frozen)
    body = base_of(model)
    whole = {weight for weight in model.parameters() if weight.requires_grad}
    for layer in layers_of(body):
        fully_shard(layer, mesh=mesh, reshard_after_forward=True, ignored_params=whole)
    fully_shard(body, mesh=mesh, ignored_params={weight for weight in model.parameters() if not is_shard(weight)})
    model.to(device)
    frozen = [weight for weight in model.parameters() if not weight.requires_grad]
    return sum((weight.to_local() if is_shard(weight) else weight).nbytes for weight in frozen), total


def base_of(model: Any) -> Any:
    """The module of `transformers` that holds the layers, without adapter and head."""
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    return causal.base_model


def layers_of(body: Any) -> "list[torch.nn.Module]":
    """Its layers, in order."""
    import torch

    count = body.config.num_hidden_layers
    return next(
        list(child) for child in body.modules() if isinstance(child, torch.nn.ModuleList) and len(child) == count
    )


def is_shard(weight: "torch.Tensor") -> bool:
    """Whether this rank holds but a part of it."""
    from torch.distributed.tensor import DTensor

    return isinstance(weight, DTensor)
