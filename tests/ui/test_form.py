from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest

from chatgui.config import RunConfig
from chatgui.fields import knobs
from chatgui.ui.form import Form, section_of

KNOBS = {knob.name: knob for knob in knobs(RunConfig)}
HERE = [name for name, knob in KNOBS.items() if not knob.elsewhere]


class Request:
    """As much of a request as the form reads."""

    def __init__(self, **cookies: str) -> None:
        self.cookies = cookies
        self.headers: dict[str, str] = {}


@pytest.fixture(scope="module")
def page() -> Iterator[tuple[gr.Blocks, Form]]:
    with gr.Blocks(analytics_enabled=False) as blocks:
        form = Form(suggestions={"model.name": ["starter"]})
        form.draw(lambda knob: knob.simple)
        form.draw(lambda knob: not knob.simple)
        form.wire()
    yield blocks, form


@pytest.fixture
def form(page: tuple[gr.Blocks, Form]) -> Form:
    return page[1]


def defaults(**changes: Any) -> dict[str, Any]:
    """What the form sends when nobody touched it, with `__` for the dot."""
    return {**{name: KNOBS[name].default for name in HERE}, **{n.replace("__", "."): v for n, v in changes.items()}}


def faults(form: Form, language: str = "en", **changes: Any) -> dict[str, str]:
    named = defaults(**changes)
    answers = form.validate(Request(chatgui_language=language), selection=None, **named)  # type: ignore[arg-type]
    names = ["selection", *named]
    return {
        name: answer["message"] for name, answer in zip(names, answers, strict=True) if not answer["is_valid"]
    }  # fmt: skip


def test_every_knob_of_the_form_has_one_component_and_no_other_has(form: Form) -> None:
    assert sorted(form.components) == sorted(HERE)
    assert len({id(component) for component in form.components.values()}) == len(HERE)
    assert len({component.elem_id for component in form.components.values()}) == len(HERE)


def test_the_simple_knobs_come_first(form: Form) -> None:
    simple = [KNOBS[name].simple for name in form.components]
    assert simple == sorted(simple, reverse=True)


def test_a_component_starts_at_its_default(form: Form) -> None:
    assert {name: component.value for name, component in form.components.items()} == defaults()


def test_components_fit_the_type_of_their_field(form: Form) -> None:
    assert isinstance(form.components["training.epochs"], gr.Number)
    assert isinstance(form.components["training.optimizer"], gr.Dropdown)
    assert isinstance(form.components["model.random_weights"], gr.Checkbox)
    assert isinstance(form.components["model.revision"], gr.Textbox)
    name = form.components["model.name"]
    assert isinstance(name, gr.Dropdown)
    assert name.allow_custom_value


def test_only_the_fields_of_the_default_kind_are_shown_at_first(form: Form) -> None:
    for name, component in form.components.items():
        knob = KNOBS[name]
        assert component.visible is (not knob.kinds or KNOBS[knob.kind_name].default in knob.kinds), name


def test_changing_the_kind_shows_its_fields_only(page: tuple[gr.Blocks, Form]) -> None:
    blocks, form = page
    kind = form.components["adapter.kind"]
    (listener,) = [fn for fn in blocks.fns.values() if (kind._id, "change") in fn.targets]
    dependents = [name for name, component in form.components.items() if component in listener.outputs]
    assert dependents == [name for name in form.components if name.startswith("adapter.") and KNOBS[name].kinds]
    assert listener.fn
    for chosen in KNOBS["adapter.kind"].choices:
        updates = listener.fn(chosen)
        shown = [update["visible"] for update in (updates if isinstance(updates, list) else [updates])]
        assert shown == [chosen in KNOBS[name].kinds for name in dependents]


def test_an_emptied_field_means_none_where_that_is_allowed(form: Form) -> None:
    values = form.values({"training.max_steps": None, "model.revision": "", "model.name": "", "selection": object()})
    assert values == {"training.max_steps": None, "model.revision": None, "model.name": ""}


def test_the_defaults_are_valid(form: Form) -> None:
    assert faults(form) == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [("training.epochs", 0), ("training.learning_rate", 7), ("training.batch_size", None), ("adapter.rank", -1)],
)
def test_a_value_that_is_not_allowed_is_told_under_its_own_field(form: Form, field: str, value: Any) -> None:
    found = faults(form, **{field.replace(".", "__"): value})
    assert list(found) == [field]
    assert field in found[field]


def test_the_error_speaks_the_readers_language(form: Form) -> None:
    english, chinese = (faults(form, language, training__epochs=0)["training.epochs"] for language in ("en", "zh"))
    assert "must be" in english
    assert "must be" not in chinese


def test_a_field_of_a_kind_that_was_not_chosen_does_not_matter(form: Form) -> None:
    assert faults(form, adapter__kind="full", adapter__rank=-1) == {}


def test_every_advanced_field_has_a_section_of_its_own_kind() -> None:
    knobs = [knob for knob in Form().knobs.values() if not knob.simple]
    assert {section_of(knob) for knob in knobs} >= {"method", "optimizer", "batches", "watching"}
    assert section_of(Form().knobs["adapter.rank"]) == "method"
    assert section_of(Form().knobs["training.max_grad_norm"]) == "optimizer"


def test_back_to_defaults_leaves_the_model_alone() -> None:
    with gr.Blocks(analytics_enabled=False):
        form = Form()
        form.draw(lambda knob: True)
    updates = dict(zip(form.components, form.defaults(), strict=True))
    assert updates["training.epochs"]["value"] == form.knobs["training.epochs"].default
    assert "value" not in updates["model.name"]
