"""The model card that goes with a result: what it came from, how it was trained, what was measured, what it cannot do.

In English, as the hub's readers expect it; every number in it is read from the run.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import yaml

from chatgui.config import RunConfig
from chatgui.events import Evaluation, Event, Step

CURVES = "curves.png"
LIBRARIES = {"adapter": "peft", "merged": "transformers", "gguf": "gguf"}


@dataclass(frozen=True)
class Facts:
    """All that a card tells. `splits` holds the fingerprints of the rows; the rest may be empty."""

    run: str
    config: RunConfig
    events: Sequence[Event] = ()
    result: Mapping[str, Any] = field(default_factory=dict)
    splits: Mapping[str, Any] = field(default_factory=dict)
    scorecard: Mapping[str, Any] = field(default_factory=dict)
    votes: Mapping[str, Any] = field(default_factory=dict)
    """Win, tie and loss of a blind review, if there was one."""


def card(facts: Facts, format_: str, *, logit_difference: float | None = None, with_curves: bool = False) -> str:
    """README.md of an export in one of LIBRARIES' formats, with the hub's YAML head."""
    parts = [_head(facts, format_), f"# {facts.run}", _summary(facts, format_)]
    if logit_difference is not None:
        parts.append(
            "Adapter and base were added together; over three fixed prompts the logits of the merged model differ from "
            f"base + adapter by at most {logit_difference:.2g} (float32)."
        )
    parts.append(_data(facts))
    if facts.result:
        parts.append(_training(facts, with_curves))
    if scores := _scores(facts.scorecard):
        parts.append(scores)
    if facts.votes:
        parts.append("## Blind review\n\n" + _table([{"": name, "votes": n} for name, n in facts.votes.items()]))
    parts.append(_limits(facts))
    parts.append(f"## Config\n\n```yaml\n{_yaml(facts.config)}```")
    return "\n\n".join(parts) + "\n"


def _head(facts: Facts, format_: str) -> str:
    base = facts.config.model.name
    head: dict[str, Any] = {"library_name": LIBRARIES[format_], "tags": ["chatgui", facts.config.task.kind]}
    if facts.config.task.HEAD == "AutoModelForCausalLM":
        head["pipeline_tag"] = "text-generation"
    if base.count("/") == 1 and not base.startswith((".", "/", "~")):  # a hub name; a folder means nothing elsewhere
        head["base_model"] = base
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}---"


def _summary(facts: Facts, format_: str) -> str:
    config = facts.config
    what = {"adapter": "An adapter for", "merged": "A fine-tuned copy of", "gguf": "A fine-tuned copy (GGUF) of"}[
        format_
    ]
    return (
        f"{what} `{config.model.name}`, trained with ChatGUI on `{config.data.source}` "
        f"(task {config.task.kind}, method {config.adapter.kind})."
    )


def _data(facts: Facts) -> str:
    lines = ["## Data", f"Source: `{facts.config.data.source}`, split with seed {facts.config.data.split_seed}."]
    if facts.splits:
        rows = [
            {"split": name, "rows": len(rows) if isinstance(rows, list) else rows}
            for name, rows in facts.splits.items()
            if isinstance(rows, (list, int))
        ]
        lines.append(_table(rows))
        lines.append("Each row's fingerprint is in the run's `splits.json`; the test split was never trained on.")
    return "\n\n".join(line for line in lines if line)


def _training(facts: Facts, with_curves: bool) -> str:
    rows = [{"": name.replace("_", " "), "value": _number(value)} for name, value in facts.result.items()
            if isinstance(value, (int, float))]  # fmt: skip
    picture = f"\n\n![Training and validation loss by step]({CURVES})" if with_curves else ""
    return f"## Training\n\n{_table(rows)}{picture}"


def _scores(scorecard: Mapping[str, Any]) -> str:
    """Base and fine-tuned side by side, for every number that both have."""
    base, tuned = scorecard.get("base"), scorecard.get("tuned")
    if not isinstance(base, Mapping) or not isinstance(tuned, Mapping):
        return ""
    rows = [
        {"": name.replace("_", " "), "base": _number(base[name]), "fine-tuned": _number(tuned[name])}
        for name in base
        if isinstance(base[name], (int, float)) and isinstance(tuned.get(name), (int, float))
    ]
    where = f"{scorecard.get('split', 'test')} split, {scorecard.get('rows', '?')} rows"
    return f"## Before and after ({where})\n\n{_table(rows)}"


def _limits(facts: Facts) -> str:
    lines = [
        "It answers in the manner of its training data, also where it knows nothing; check what it says.",
        "The licences of the base model and of the data apply to it; name them before you publish it.",
    ]
    if facts.config.model.name == "starter":
        lines.insert(0, "Its base is a model of 5 million weights made for learning and trying, not for real use.")
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _yaml(config: RunConfig) -> str:
    return yaml.safe_dump(json.loads(config.model_dump_json()), sort_keys=False, allow_unicode=True)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([str(row[name]) for name in names] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def curves(events: Sequence[Event]) -> bytes | None:
    """Training and validation loss by step as a PNG of 800 x 400 pixels; None when nothing was trained."""
    steps = [event for event in events if isinstance(event, Step)]
    looks = [event for event in events if isinstance(event, Evaluation) and event.split == "validation"]
    if not steps:
        return None
    from matplotlib.figure import Figure  # not pyplot: no state shared between threads, no window

    figure = Figure(figsize=(8, 4), dpi=100, layout="tight")
    axes = figure.add_subplot()
    axes.plot([step.step for step in steps], [step.loss for step in steps], color="0.7", linewidth=1, label="training")
    if looks:
        axes.plot([look.step for look in looks], [look.loss for look in looks], color="black", marker="o", markersize=3,
                  label="validation")  # fmt: skip
    axes.set(xlabel="step", ylabel="loss (nats per labelled token)")
    axes.legend()
    picture = BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()
