"""The model card that goes with a result: what it came from, how it was trained, what was measured, what it cannot do.

In English, as the hub's readers expect it; every number in it is read from the run.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
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
    fusion: Mapping[str, Any] = field(default_factory=dict)
    """What the adapter was combined from, when it was not trained itself."""


def card(
    facts: Facts, format_: str, *, logit_difference: float | None = None, with_curves: bool = False, licence: str = "",
) -> str:  # fmt: skip
    """README.md of an export in one of LIBRARIES' formats, with the hub's YAML head.

    Folders of this machine are named by their last part alone: the rest says something about its owner and nothing
    about the model.
    """
    facts = replace(facts, config=_without_folders(facts.config))
    parts = [_head(facts, format_, licence), f"# {facts.run}", _summary(facts, format_)]
    if logit_difference is not None:
        parts.append(
            "Adapter and base were added together; over three fixed prompts the logits of the merged model differ from "
            f"base + adapter by at most {logit_difference:.2g} (float32)."
        )
    if facts.fusion:
        parts.append(_fusion(facts.fusion))
    parts.append(_data(facts))
    if facts.result:
        parts.append(_training(facts, with_curves))
    if scores := _scores(facts.scorecard):
        parts.append(scores)
    if facts.votes:
        parts.append("## Blind review\n\n" + _table([{"": name, "votes": n} for name, n in facts.votes.items()]))
    parts.append(_licence(licence))
    parts.append(_limits(facts))
    parts.append(f"## Config\n\n```yaml\n{_yaml(facts.config)}```")
    return "\n\n".join(parts) + "\n"


def _without_folders(config: RunConfig) -> RunConfig:
    model, data = config.model, config.data
    return config.model_copy(update={
        "model": model.model_copy(update={"name": _name(model.name)}),
        "data": data.model_copy(update={"source": _name(data.source)}),
    })  # fmt: skip


def _name(source: str) -> str:
    is_local = Path(source).is_absolute() or source.startswith(("~", "."))
    return Path(source).name if is_local else source


def _head(facts: Facts, format_: str, licence: str) -> str:
    base = facts.config.model.name
    head: dict[str, Any] = {"library_name": LIBRARIES[format_], "tags": ["chatgui", facts.config.task.kind]}
    if facts.config.task.HEAD == "AutoModelForCausalLM":
        head["pipeline_tag"] = "text-generation"
    if licence:
        head["license"] = licence
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
            {"split": name, "rows": len(found), "fingerprint": fingerprint(found)}
            for name, found in facts.splits.items()
            if isinstance(found, list)
        ]
        lines.append(_table(rows))
        lines.append(
            "A fingerprint is the beginning of the SHA-256 over the sorted fingerprints of the rows: equal data, equal "
            f"fingerprint. {_tested(facts.fusion)}"
        )
    return "\n\n".join(line for line in lines if line)


def _tested(fusion: Mapping[str, Any]) -> str:
    if not fusion:
        return "The test split was never trained on."
    first = fusion["parts"][0]["run"]
    if "test_rows" not in fusion:
        return f"The test split is that of {first}; whether another part was trained on some of it is not known."
    seen, rows = fusion["test_rows_seen"], fusion["test_rows"]
    if not seen:
        return f"The test split is that of {first}; no part was trained on any of it."
    return (
        f"The test split is that of {first}, and another part was trained on {seen} of its {rows} rows: what is "
        "measured on them says less than on rows that no part has seen."
    )


def fingerprint(rows: Sequence[Any]) -> str:
    """12 hex digits that stand for a split, whatever the order of its rows."""
    return hashlib.sha256("\n".join(sorted(map(str, rows))).encode()).hexdigest()[:12]


def _fusion(fusion: Mapping[str, Any]) -> str:
    rows = [{"run": part["run"], "weight": part["weight"]} for part in fusion["parts"]]
    how = f"Combined by peft's `{fusion['combination']}` into rank {fusion['rank']}, not trained itself."
    return f"## Combined from\n\n{how}\n\n{_table(rows)}"


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


def _licence(licence: str) -> str:
    own = f"This result: {licence}." if licence else "None was named for this result."
    return f"## Licence\n\n{own} The licences of the base model and of the data apply to it as well."


def _limits(facts: Facts) -> str:
    lines = [
        "It answers in the manner of its training data, also where it knows nothing; check what it says.",
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
