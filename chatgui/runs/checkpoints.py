"""A Snapshot of the loop on disk and back: weights as safetensors, the rest as torch's own tensors file.

Beside it `place.json` says, for people and for a resume, where it stands and under which circumstances it was made.
"""

import hashlib
import json
import os
import pickle
import shutil
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING, Any

from chatgui.config import RunConfig
from chatgui.events import Notice
from chatgui.runs.files import move_into_place
from chatgui.tokens.example import Example
from chatgui.training.loop import Snapshot

if TYPE_CHECKING:
    import torch

LIBRARIES = ("torch", "transformers", "peft", "accelerate")
READABLE = (int, float, str)
"""Fields of a Snapshot that stand in `place.json`."""


def write_checkpoint(folder: Path, snapshot: Snapshot, circumstances: Mapping[str, Any] | None = None) -> Path:
    """`step-000200/` below `folder`, whole and flushed to disk, or not there. Raises OSError; makes no parents.

    Written under a temporary name and renamed, so a kill or a power cut at any moment leaves the one before.
    """
    import torch
    from safetensors.torch import save_file

    final = folder / f"step-{snapshot.step:06d}"
    temporary = folder / f".{final.name}"
    folder.mkdir(exist_ok=True)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    values = {field.name: getattr(snapshot, field.name) for field in fields(snapshot)}
    weights = values.pop("weights")
    save_file({name: weight.contiguous() for name, weight in weights.items()}, temporary / "weights.safetensors")
    place = {name: values.pop(name) for name in list(values) if isinstance(values[name], READABLE)}
    torch.save(values, temporary / "state.pt")
    text = json.dumps({**place, "circumstances": circumstances or {}}, ensure_ascii=False, indent=1)
    (temporary / "place.json").write_text(text, encoding="utf-8")
    move_into_place(temporary, final)
    return final


def read_checkpoint(folder: Path, device: "torch.device") -> tuple[Snapshot, dict[str, Any]]:
    """What `write_checkpoint` wrote: snapshot and circumstances. `weights_only`: the file cannot run code.

    Raises one of UNREADABLE when it is damaged.
    """
    import torch
    from safetensors.torch import load_file

    state = torch.load(folder / "state.pt", map_location="cpu", weights_only=True)
    place = json.loads((folder / "place.json").read_text(encoding="utf-8"))
    circumstances = place.pop("circumstances", {})
    weights = load_file(folder / "weights.safetensors", device=str(device))
    return Snapshot(**{**place, **state, "weights": weights}), circumstances


def unreadable() -> tuple[type[Exception], ...]:
    """What a damaged checkpoint raises."""
    from safetensors import SafetensorError

    return OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, pickle.UnpicklingError, SafetensorError


def circumstances_of(config: RunConfig, device: "torch.device", examples: Sequence[Example]) -> dict[str, Any]:
    """What a resumed curve depends on beside its checkpoint: equal circumstances give equal bits."""
    import torch

    return {
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} {_cpu_kind()}",
        "python": python_version(),
        **{name: version(name) for name in LIBRARIES},
        "micro_batch_tokens": config.training.micro_batch_tokens,
        "data": fingerprint(examples),
    }


def changes_since(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Notice]:
    """A notice for each circumstance that is not as it was."""
    for name, value in now.items():
        if name in before and before[name] != value:
            what = name if name in LIBRARIES or name == "python" else {"key": f"circumstance.{name}", "values": {}}
            yield Notice("run.circumstance_changed", {"what": what, "before": before[name], "now": value})


def _cpu_kind() -> str:
    import torch

    return f"{torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()}"


def fingerprint(examples: Sequence[Example]) -> str:
    """Of ids and labels in their order: the position in the data means nothing in other data."""
    digest = hashlib.sha256()
    for example in _with_rivals(examples):
        for numbers in (example.input_ids, example.labels):
            digest.update(array("q", numbers).tobytes())
        digest.update(array("d", example.target).tobytes())
    return digest.hexdigest()[:12]


def _with_rivals(examples: Sequence[Example]) -> Iterator[Example]:
    for example in examples:
        yield example
        yield from _with_rivals(example.rivals)
