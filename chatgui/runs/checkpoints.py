"""A Snapshot of the loop on disk and back: weights as safetensors, the rest as torch's own tensors file."""

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from chatgui.training.loop import Snapshot

if TYPE_CHECKING:
    import torch


def write_checkpoint(folder: Path, snapshot: Snapshot) -> Path:
    """`step-000200/` below `folder`, written under a temporary name and renamed when it is whole."""
    import torch
    from safetensors.torch import save_file

    final = folder / f"step-{snapshot.step:06d}"
    temporary = folder / f".{final.name}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_file(
        {name: weight.contiguous() for name, weight in snapshot.weights.items()}, temporary / "weights.safetensors"
    )
    state = {"optimizers": snapshot.optimizers, "schedules": snapshot.schedules, "random": snapshot.random}
    torch.save(state, temporary / "state.pt")
    place = {"step": snapshot.step, "tokens": snapshot.tokens, "seconds": snapshot.seconds}
    (temporary / "place.json").write_text(json.dumps(place), encoding="utf-8")
    for file in temporary.iterdir():
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    return final


def read_checkpoint(folder: Path, device: "torch.device") -> Snapshot:
    """What `write_checkpoint` wrote. The file is read with `weights_only`, so it cannot run code."""
    import torch
    from safetensors.torch import load_file

    state = torch.load(folder / "state.pt", map_location="cpu", weights_only=True)
    place = json.loads((folder / "place.json").read_text(encoding="utf-8"))
    return Snapshot(**place, weights=load_file(folder / "weights.safetensors", device=str(device)), **state)
