"""Several LoRA adapters of one base as one run, through peft's weighted combinations. Trains nothing."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatgui.config import RunConfig
from chatgui.errors import ModelError, RunError
from chatgui.export.options import EQUAL_RANKS, FusionConfig
from chatgui.fields import build, flatten, unflatten
from chatgui.runs.files import write_atomically
from chatgui.runs.notes import Notes, write_notes
from chatgui.runs.store import Run, create_run, new_run_id

MOST_RANK = 256
"""Wider adapters cost more than the weights that they change."""
RECORD = "fusion.json"
"""In the run's folder: what it was made of."""


@dataclass(frozen=True)
class Part:
    """A run whose adapter takes part, and how strongly."""

    run: Run
    weight: float


def fuse(home: Path, parts: Sequence[Part], options: FusionConfig) -> Run:
    """A finished run with the combined adapter; its settings are those of the first part.

    Raises ModelError for adapters that cannot be combined, RunError for a run without a result or a home that cannot
    be written.
    """
    ranks = _check(parts, options)
    config = parts[0].run.config
    model = _fused(parts, options)
    rank = model.peft_config["fused"].r
    run = create_run(home, _config(config, rank), "starting", new_run_id(config, "fusion"))
    try:
        _save(model, parts[0].run, run)
        record = {
            "combination": options.combination, "rank": rank, "ranks": ranks, "options": options.model_dump(),
            "parts": [{"run": part.run.id, "weight": part.weight} for part in parts], **_seen(parts),
        }  # fmt: skip
        write_atomically(run.folder / RECORD, json.dumps(record))
        splits = parts[0].run.folder / "splits.json"
        if splits.is_file():
            shutil.copyfile(splits, run.folder / splits.name)
        write_notes(run, Notes(("fusion",), " + ".join(f"{part.weight:g} × {part.run.id}" for part in parts)))
        run.set_state(
            state="finished", stage="", message={"key": "fusion.done", "values": {"count": len(parts), "rank": rank}}
        )
    except OSError as error:
        shutil.rmtree(run.folder, ignore_errors=True)
        if isinstance(error, (ModelError, RunError)):
            raise
        raise RunError("run.cannot_write", path=str(run.folder), reason=error.strerror or str(error)) from error
    return run


def _seen(parts: Sequence[Part]) -> dict[str, int]:
    """How many test rows there are, those of the first part, and how many of them another part was trained on.

    Nothing when a part does not know any more which rows it had.
    """
    try:
        splits = [json.loads((part.run.folder / "splits.json").read_text(encoding="utf-8")) for part in parts]
        test, trained = set(splits[0]["test"]), set().union(*(each["train"] for each in splits))
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {"test_rows": len(test), "test_rows_seen": len(test & trained)}


def can_fuse(run: Run) -> bool:
    """Whether a run has an adapter of the kind that can be combined."""
    return run.has_model and not _fault(_settings(run))


def _check(parts: Sequence[Part], options: FusionConfig) -> list[int]:
    """The ranks. Raises ModelError that names the run at fault."""
    if not parts:
        raise ModelError("fusion.nothing")
    first = parts[0].run
    ranks = []
    for part in parts:
        part.run.result_folder()
        settings = _settings(part.run)
        if fault := _fault(settings):
            raise ModelError(fault, run=part.run.id, adapter=part.run.config.adapter.kind)
        if _base(part.run.config) != _base(first.config):
            raise ModelError(
                "fusion.other_base", run=part.run.id, base=part.run.config.model.name, first=first.id,
                first_base=first.config.model.name,
            )  # fmt: skip
        ranks.append(max([settings["r"], *(settings.get("rank_pattern") or {}).values()]))
    if options.combination in EQUAL_RANKS and len(set(ranks)) > 1:
        raise ModelError(
            "fusion.ranks", combination=options.combination, ranks=", ".join(map(str, ranks))
        )  # fmt: skip
    if options.combination == "cat" and sum(ranks) > MOST_RANK:
        raise ModelError("fusion.rank_too_high", rank=sum(ranks), most=MOST_RANK)
    return ranks


def _settings(run: Run) -> dict[str, Any]:
    """Of the saved adapter; nothing when the run changed all weights, or something that peft does not know."""
    try:
        found = json.loads((run.model_folder / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _fault(settings: dict[str, Any]) -> str | None:
    """Key of the sentence that says why an adapter cannot be combined."""
    if settings.get("peft_type") != "LORA" or settings.get("target_parameters"):
        return "fusion.not_lora"
    if settings.get("use_dora"):
        return "fusion.dora"
    return "fusion.has_head" if settings.get("modules_to_save") else None


def _base(config: RunConfig) -> tuple[Any, ...]:
    """Equal for equal weights to start from."""
    return config.model, config.training.seed if config.model.random_weights else None, config.task.HEAD


def _fused(parts: Sequence[Part], options: FusionConfig) -> Any:
    """A peft model on the CPU in float32 whose adapter `fused` combines the others."""
    import torch
    from peft import PeftModel

    from chatgui import models

    config = parts[0].run.config
    torch.manual_seed(config.training.seed)  # a base with random weights was drawn from this seed
    base = models.load_model(config.model, config.task.HEAD, torch.device("cpu"), torch.float32)
    names = [f"part{number}" for number in range(len(parts))]
    model = PeftModel.from_pretrained(base, str(parts[0].run.model_folder), adapter_name=names[0])
    for name, part in zip(names[1:], parts[1:], strict=True):
        model.load_adapter(str(part.run.model_folder), adapter_name=name)
    torch.manual_seed(options.seed)
    model.base_model.add_weighted_adapter(
        names, [part.weight for part in parts], "fused", options.combination, svd_rank=options.rank,
        svd_full_matrices=False, density=options.density,
    )  # fmt: skip
    # the strength of each part is multiplied in; peft 0.21 would divide by the root of the new rank once more
    model.peft_config["fused"].use_rslora = False
    return model


def _config(config: RunConfig, rank: int) -> RunConfig:
    """The first part's settings with the adapter as it is now: a LoRA whose alpha is its rank."""
    others = {name: value for name, value in config.model_dump(mode="json").items() if name != "adapter"}
    target = flatten(config).get("adapter.target_modules")
    adapter = {"kind": "lora", "rank": rank, "alpha": rank, **({"target_modules": target} if target else {})}
    return build(RunConfig, {**others, **unflatten({"adapter": adapter})})


def _save(model: Any, first: Run, run: Run) -> None:
    from chatgui import models

    temporary = run.folder / ".model"
    model.save_pretrained(str(temporary), selected_adapters=["fused"])
    models.saved_template(first.model_folder).tokenizer.save_pretrained(temporary / "fused")
    (temporary / "fused").rename(run.model_folder)
    shutil.rmtree(temporary)
