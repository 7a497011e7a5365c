"""A form from a Config: every field once, simple ones first, the rest under Advanced in sections."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from chatgui.config import RunConfig, differences
from chatgui.errors import ConfigError
from chatgui.fields import Config, Knob, build_flat, knobs
from chatgui.ui.session import QUIET, label, language_of

SECTIONS: dict[str, tuple[str, ...]] = {
    "method": ("adapter.",),
    "task": ("task.",),
    "optimizer": tuple(f"training.{name}" for name in ("optimizer", "schedule", "warmup", "weight_decay", "max_grad")),
    "batches": tuple(f"training.{name}" for name in ("batch", "micro_batch", "max_", "seed", "replay")),
    "watching": (
        *(f"training.{name}" for name in ("evaluation", "checkpoint", "patience", "minimum", "result")), "probes.",
        "trackers",
    ),
    "regularisation": ("training.label_smoothing", "training.neftune", "training.dropout"),
    "precision": ("training.precision", "training.gradient_checkpointing"),
    "launch": ("launch.",),
    "model": ("model.",),
}  # fmt: skip
"""Beginnings of the names in each section of Advanced, in the order on screen; the first that fits counts."""
OTHER = "other"


def section_of(knob: Knob) -> str:
    """The section of Advanced a knob stands in."""
    return next((section for section, names in SECTIONS.items() if knob.name.startswith(names)), OTHER)


class Form:
    """Components by dotted field name. Draws into the Blocks context it is called in."""

    def __init__(self, suggestions: Mapping[str, list[Any]] | None = None) -> None:
        """`suggestions` turns a text field into a list that still takes any text."""
        self.knobs = {knob.name: knob for knob in knobs(RunConfig) if not knob.elsewhere}
        self.suggestions = suggestions or {}
        self.components: dict[str, Component] = {}

    def draw(self, chosen: Callable[[Knob], bool]) -> None:
        """Components of some knobs, in the order of the config."""
        for name, knob in self.knobs.items():
            if chosen(knob):
                known = [(label(f"{name}={value}"), value) for value in knob.suggestions] or None
                self.components[name] = component(knob, self.suggestions.get(name, known))

    def draw_sections(self, chosen: Callable[[Knob], bool]) -> None:
        """Components of some knobs, under a heading for each section that has any."""
        for section in (*SECTIONS, OTHER):
            if any(chosen(knob) and section_of(knob) == section for knob in self.knobs.values()):
                gr.Markdown(label(f"section.{section}"), elem_classes="section")
                with gr.Group(elem_classes="fields"):
                    self.draw(lambda knob, section=section: chosen(knob) and section_of(knob) == section)  # type: ignore[misc]

    def changed(self, config: RunConfig) -> list[Knob]:
        """Knobs of the form that differ from their default."""
        return [self.knobs[name] for name in differences(config) if name in self.knobs]

    def defaults(self) -> list[Any]:
        """Updates that take every component back to its default, but for the model, which is no setting of a run."""
        return [
            gr.skip() if name.startswith("model.") else gr.update(value=self.knobs[name].default)
            for name in self.components
        ]

    def wire(self) -> None:
        """Show the fields of a union's chosen kind only. Call it when everything is drawn."""
        show_chosen(self.knobs, self.components)

    def values(self, named: Mapping[str, Any]) -> dict[str, Any]:
        """The form's own values; an emptied text or number field means None where that is allowed."""
        return {
            name: None if self.knobs[name].optional and value in ("", None) else value
            for name, value in named.items()
            if name in self.knobs
        }

    def validate(self, request: gr.Request, **named: Any) -> list[dict[str, Any]]:
        """Gradio's validator: the error of a value under its own field."""
        try:
            build_flat(RunConfig, self.values(named))
        except ConfigError as error:
            sentence = error.text(language_of(request))
            return [gr.validate(name != error.field, sentence) for name in named]
        return [gr.validate(True, "") for _ in named]


def components(config: type[Config], prefix: str) -> dict[str, Component]:
    """Components of a small config by dotted name, drawn here, of which those of the chosen kind can be seen."""
    found = {knob.name: knob for knob in knobs(config, prefix)}
    default = {name: knob.default for name, knob in found.items()}
    drawn = {name: component(knob, None, default) for name, knob in found.items()}
    show_chosen(found, drawn)
    return drawn


def show_chosen(known: Mapping[str, Knob], drawn: Mapping[str, Component]) -> None:
    """Show the fields of a chosen kind only, from now on."""
    for name, knob in known.items():
        dependents = [other for other in known.values() if other.kinds and other.kind_name == name]
        if knob.choices and dependents:
            targets = [drawn[other.name] for other in dependents]
            drawn[name].change(  # type: ignore[attr-defined]
                _visibility([other.kinds for other in dependents]), drawn[name], targets, **QUIET
            )


def component(
    knob: Knob, suggestions: Iterable[Any] | None, defaults: Mapping[str, Any] | None = None
) -> Component:  # fmt: skip
    """One field. `defaults` are those of its config, when that is not RunConfig."""
    looks: dict[str, Any] = {
        "label": label(knob.name), "info": label(f"{knob.name}.help"), "elem_id": knob.name.replace(".", "-"),
        "visible": _starts_visible(knob, defaults),
    }  # fmt: skip
    if suggestions is not None:
        return gr.Dropdown(list(suggestions), value=knob.default, allow_custom_value=True, **looks)
    if knob.choices:
        choices = [(label(f"{knob.name}={choice}"), choice) for choice in knob.choices]
        return gr.Dropdown(choices, value=knob.default, **looks)
    if knob.type is bool:
        return gr.Checkbox(value=knob.default, **looks)
    if knob.optional:  # a gr.Number shows 0 where there is nothing, and sends it
        return gr.Textbox(value=knob.default, placeholder=label("form.chosen_for_you"), **looks)
    if knob.type in (int, float):
        return gr.Number(value=knob.default, precision=0 if knob.type is int else None, step=_step(knob), **looks)
    return gr.Textbox(value=knob.default, **looks)


def _starts_visible(knob: Knob, defaults: Mapping[str, Any] | None) -> bool:
    if not knob.kinds:
        return True
    default = {other.name: other.default for other in knobs(RunConfig)} if defaults is None else defaults
    return default[knob.kind_name] in knob.kinds


def _step(knob: Knob) -> float:
    """Of the arrows beside a number: small for what is small."""
    return 1 if knob.type is int else (knob.default / 10 if knob.default else 0.05)


def _visibility(kinds: list[frozenset[str]]) -> Callable[[str], Any]:
    def update(kind: str) -> Any:
        updates = [gr.update(visible=kind in shown) for shown in kinds]
        return updates if len(updates) > 1 else updates[0]

    return update
