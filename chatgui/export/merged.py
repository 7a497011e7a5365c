"""The whole fine-tuned model in one folder that plain transformers reads: adapter and base added together."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatgui import models
from chatgui.config import ModelConfig, RunConfig
from chatgui.errors import ModelError
from chatgui.export.options import ExportConfig
from chatgui.export.template import portable
from chatgui.tokens.template import Template

PROBES = (
    [{"role": "user", "content": "Hello! What can you do for me?"}],
    [{"role": "user", "content": "我的订单还没有到，请问怎么办？"}],
    [{"role": "user", "content": "Write one sentence about the sea."}, {"role": "assistant", "content": "It is wide."}],
)
"""Where the merged model is held against base + adapter."""


@dataclass(frozen=True)
class Whole:
    """One model without an adapter, in float32 on the CPU, with its template."""

    model: Any
    template: Template
    largest_logit_difference: float | None
    """Between base + adapter and the merged weights over PROBES; None when nothing had to be merged."""


def whole(config: RunConfig, folder: Path) -> Whole:
    """The result in `folder` as one model. Raises ModelError for an adapter that cannot be added to the weights."""
    import torch

    cpu = torch.device("cpu")
    template = models.saved_template(folder)
    if not models.is_adapter(folder):
        own = ModelConfig(name=str(folder))
        return Whole(models.load_model(own, config.task.HEAD, cpu, torch.float32), template, None)
    torch.manual_seed(config.training.seed)  # a base with random weights was drawn from this seed
    base = models.load_model(config.model, config.task.HEAD, cpu, torch.float32)
    adapted = models.attach_saved(base, folder)
    if not hasattr(adapted, "merge_and_unload") or getattr(adapted, "active_peft_config", None) is None:
        raise ModelError("export.cannot_merge", adapter=config.adapter.kind)
    if adapted.active_peft_config.is_prompt_learning:
        raise ModelError("export.cannot_merge", adapter=config.adapter.kind)
    before = _logits(adapted, template)
    merged = adapted.merge_and_unload(safe_merge=True)
    after = _logits(merged, template)
    difference = max((a - b).abs().max().item() for a, b in zip(before, after, strict=True))
    return Whole(merged.eval(), template, difference)


def _logits(model: Any, template: Template) -> list[Any]:
    """Of each probe, (T, V), or what the task's head gives."""
    import torch

    with torch.inference_mode():
        return [model(input_ids=torch.tensor([template.prompt_ids(probe)])).logits[0].float() for probe in PROBES]


def write(result: Whole, out: Path, options: ExportConfig) -> None:
    """A transformers folder in `out`: safetensors, tokenizer, portable chat template, generation settings."""
    import torch

    model = result.model.to(getattr(torch, options.precision))
    _end_by_itself(model, result.template)
    model.save_pretrained(out, max_shard_size=f"{options.shard_gigabytes}GB")
    save_tokenizer(result.template, out)


def _end_by_itself(model: Any, template: Template) -> None:
    """Say in generation_config.json which tokens end a reply, so that `generate` stops where this page does."""
    if getattr(model, "generation_config", None) is None:
        return
    model.generation_config.eos_token_id = sorted(models.stop_ids(model, template))
    if model.generation_config.pad_token_id is None:
        model.generation_config.pad_token_id = template.end_of_turn_id


def save_tokenizer(template: Template, out: Path) -> None:
    """Tokenizer and chat template, without generation marks."""
    marked = template.tokenizer.chat_template
    template.tokenizer.chat_template = portable(marked)
    try:
        template.tokenizer.save_pretrained(out)
    finally:
        template.tokenizer.chat_template = marked


def copy_adapter(config: RunConfig, folder: Path, out: Path) -> None:
    """The adapter as peft reads it. Raises ModelError when the run trained all weights: there is none."""
    if not models.is_adapter(folder):
        raise ModelError("export.no_adapter", adapter=config.adapter.kind)
    out.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        if file.is_file() and file.suffix in (".json", ".safetensors") and "tokenizer" not in file.name:
            shutil.copy2(file, out / file.name)
    save_tokenizer(models.saved_template(folder), out)
