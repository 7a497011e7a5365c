"""Probe prompts: the same few questions before the training, at each checkpoint and at the end.

Their answers stand in the run's `samples.jsonl`, a JSON line each. Greedy, so that they change only with the weights,
and no random state of the training is touched. Knows neither runs nor the screen.
"""

import json
import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from chatgui.data.conversation import Conversation, Preference, Row
from chatgui.fields import Config

if TYPE_CHECKING:
    from chatgui.tokens.template import Template

Messages = list[dict[str, str]]


class ProbesConfig(Config):
    """Questions that are answered along the run."""

    prompts: str | None = None
    """Questions answered before the training, at each checkpoint and at its end, a semicolon between two; empty takes
    some from the validation split."""
    count: int = Field(3, ge=0, le=12)
    """How many are taken from the data; 0 asks none and saves a second a checkpoint."""
    max_new_tokens: int = Field(48, ge=1, le=1024)
    """An answer along the run is cut here."""


@dataclass(frozen=True)
class ProbeAnswer:
    """What the model said to one probe prompt after so many optimizer steps (0: before the training)."""

    step: int
    index: int
    prompt: Messages
    text: str
    new_tokens: int
    ended: bool


def probe_prompts(config: ProbesConfig, rows: Sequence[Row]) -> list[Messages]:
    """Those of the config, else the first of `rows` that open with a question; each once."""
    if config.prompts and config.prompts.strip():
        written = config.prompts.replace("；", ";").replace("\n", ";").split(";")
        return [[{"role": "user", "content": text.strip()}] for text in written if text.strip()]
    found: list[Messages] = []
    for row in rows:
        prompt = _opening(row)
        if len(found) < config.count and prompt and prompt not in found:
            found.append(prompt)
    return found


def _opening(row: Row) -> Messages:
    item = row.item
    if isinstance(item, Preference):
        return [{"role": message.role, "content": message.content} for message in item.prompt]
    turns = item.as_dicts() if isinstance(item, Conversation) else []
    first = next((index for index, turn in enumerate(turns) if turn["role"] == "assistant"), 0)
    return turns[:first] if first and turns[first - 1]["role"] == "user" else []


class Probes:
    """The prompts of a run with all that it takes to have them answered while the model is in training."""

    def __init__(self, prompts: Sequence[Messages], template: "Template", context_tokens: int, new_tokens: int) -> None:
        """Prompts that leave no room for an answer are left out."""
        encoded = [(prompt, template.prompt_ids(prompt)) for prompt in prompts]
        self.prompts = [(prompt, ids) for prompt, ids in encoded if len(ids) + new_tokens <= context_tokens]
        self.template = template
        self.new_tokens = new_tokens

    def answer(self, model: Any, step: int, *, base: bool = False) -> list[ProbeAnswer]:
        """Greedy answers of `model`, or of what it was before its adapter (`base`). Its mode stays as it was."""
        if not self.prompts:
            return []
        import torch

        was_training = model.training
        model.eval()
        try:
            with torch.no_grad(), model.disable_adapter() if base else nullcontext():
                rows = self._generate(model)
        finally:
            model.train(was_training)
        return [self._answer(step, index, ids) for index, ids in enumerate(rows)]

    def _generate(self, model: Any) -> list[list[int]]:
        """New ids of each prompt, the end token included."""
        import torch
        from transformers import GenerationConfig

        from chatgui.models import precision, stop_ids

        width = max(len(ids) for _, ids in self.prompts)
        device = next(model.parameters()).device
        input_ids = torch.tensor([[0] * (width - len(ids)) + list(ids) for _, ids in self.prompts], device=device)
        mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for _, ids in self.prompts], device=device)
        stops = sorted(stop_ids(model, self.template))
        settings = GenerationConfig(
            do_sample=False, max_new_tokens=self.new_tokens, eos_token_id=stops, pad_token_id=stops[0], use_cache=True
        )
        with precision(device):
            made = model.generate(input_ids=input_ids, attention_mask=mask, generation_config=settings)
        return [_until(row[width:].tolist(), set(stops)) for row in made]

    def _answer(self, step: int, index: int, ids: list[int]) -> ProbeAnswer:
        end = self.template.end_of_turn_id, self.template.tokenizer.eos_token_id
        ended = bool(ids) and (ids[-1] in end or len(ids) < self.new_tokens)
        return ProbeAnswer(step, index, self.prompts[index][0], self.template.decode(ids), len(ids), ended)


def _until(ids: list[int], stops: set[int]) -> list[int]:
    """Up to the first end token; what stands behind it is padding."""
    place = next((index for index, id_ in enumerate(ids) if id_ in stops), len(ids))
    return ids[: place + 1]


def append_answers(path: Path, answers: Sequence[ProbeAnswer]) -> None:
    """A line for each. Raises OSError when the disk is full."""
    with path.open("a", encoding="utf-8") as stream:
        stream.writelines(json.dumps(asdict(answer), ensure_ascii=False) + "\n" for answer in answers)
        stream.flush()
        os.fsync(stream.fileno())


def read_answers(path: Path) -> dict[int, list[ProbeAnswer]]:
    """Answers by step, in order. Empty without a file.

    A run that was resumed from an earlier step takes back what it had said after it; a torn line is passed over.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return {}
    found: dict[int, dict[int, ProbeAnswer]] = {}
    for line in lines:
        try:
            answer = ProbeAnswer(**json.loads(line))
        except (ValueError, TypeError):
            continue
        if answer.step:  # step 0 may be answered behind the first steps
            found = {step: kept for step, kept in found.items() if step <= answer.step}
        found.setdefault(answer.step, {})[answer.index] = answer
    return {step: [found[step][index] for index in sorted(found[step])] for step in sorted(found)}
