from typing import Annotated, Literal

import pytest
from pydantic import Field

from chatgui.config import RunConfig
from chatgui.errors import ConfigError
from chatgui.fields import Config, Simple, build, build_flat, flatten, knobs, unflatten


class Small(Config):
    kind: Literal["small"] = "small"
    width: int = Field(4, ge=1, le=8)
    """How wide."""


class Large(Config):
    kind: Literal["large"] = "large"
    width: int = Field(4, ge=1, le=8)
    """How wide."""
    depth: int = Field(2, gt=0)
    """How deep."""


class Whole(Config):
    """A config with one of everything."""

    rate: Annotated[float, Simple()] = Field(0.5, ge=0, lt=1)
    """How fast."""
    limit: int | None = Field(None, ge=0)
    """How long; empty means as long as it takes."""
    mode: Literal["fast", "slow"] = "fast"
    """How."""
    size: Annotated[Small | Large, Field(discriminator="kind")] = Small()
    """How big."""


KNOBS = {knob.name: knob for knob in knobs(Whole)}


def test_each_field_becomes_one_knob_in_the_order_it_is_written() -> None:
    assert list(KNOBS) == ["rate", "limit", "mode", "size.kind", "size.width", "size.depth"]


def test_a_docstring_is_the_help() -> None:
    assert KNOBS["rate"].info() == "How fast."


def test_a_bound_of_zero_is_kept() -> None:
    assert KNOBS["rate"].minimum == 0
    assert KNOBS["limit"].minimum == 0


def test_bounds_are_read_whether_or_not_they_belong_to_the_range() -> None:
    assert (KNOBS["rate"].maximum, KNOBS["size.depth"].minimum) == (1, 0)


def test_none_makes_a_knob_optional_and_keeps_its_type() -> None:
    assert (KNOBS["limit"].type, KNOBS["limit"].optional, KNOBS["rate"].optional) == (int, True, False)


def test_a_literal_gives_choices() -> None:
    assert KNOBS["mode"].choices == ("fast", "slow")


def test_a_union_gives_a_kind_and_the_fields_of_all_members() -> None:
    assert KNOBS["size.kind"].choices == ("small", "large")
    assert KNOBS["size.width"].kinds == {"small", "large"}
    assert KNOBS["size.depth"].kinds == {"large"}


def test_the_mark_of_the_simple_form_is_read() -> None:
    assert [knob.name for knob in KNOBS.values() if knob.simple] == ["rate"]


def test_a_field_no_form_could_show_is_refused() -> None:
    class Odd(Config):
        names: tuple[str, ...] = ()

    with pytest.raises(TypeError, match="names"):
        list(knobs(Odd))


def test_a_config_survives_the_way_through_flat_names() -> None:
    config = Whole(limit=0, size=Large(depth=3))
    assert build_flat(Whole, flatten(config)) == config
    assert build(Whole, unflatten(flatten(config))) == config


def test_fields_of_kinds_that_were_not_chosen_are_left_out() -> None:
    assert build_flat(Whole, {"size.kind": "small", "size.width": 2, "size.depth": 9}).size == Small(width=2)


def test_a_field_of_the_default_kind_needs_no_kind_named() -> None:
    assert build(Whole, {"size": {"width": 3}}).size == Small(width=3)
    assert build_flat(Whole, {"size.width": 3}).size == Small(width=3)


@pytest.mark.parametrize(
    ("values", "field", "sentence"),
    [
        ({"rate": 1}, "rate", "rate: 1 is not allowed; it must be less than 1."),
        ({"rate": "quick"}, "rate", "rate: 'quick' is not allowed; it must be a number."),
        ({"limit": 1.5}, "limit", "limit: 1.5 is not allowed; it must be a whole number."),
        ({"limit": -1}, "limit", "limit: -1 is not allowed; it must be 0 or more."),
        ({"mode": "slower"}, "mode", "mode: 'slower' is not allowed; it must be one of fast, slow."),
        (
            {"size": {"kind": "large", "depth": 0}},
            "size.depth",
            "size.depth: 0 is not allowed; it must be greater than 0.",
        ),
        ({"size": {"kind": "huge"}}, "size.kind", "size.kind: 'huge' is not allowed; it must be one of small, large."),
        ({"size": 3}, "size", "size: 3 is not allowed; it must be a group of named fields."),
        ({"spead": 1}, "spead", "spead: there is no such field; chatgui train --help lists them all."),
        ({"size": {"kind": "small", "depth": 1}}, "size.depth", "size.depth: there is no such field;"),
    ],
)
def test_an_error_names_the_field_what_was_found_and_the_rule(values: dict, field: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(Whole, values)
    assert caught.value.field == field
    assert str(caught.value).startswith(sentence)


def test_a_rule_is_said_in_the_readers_language() -> None:
    with pytest.raises(ConfigError) as caught:
        build(Whole, {"limit": -1})
    assert caught.value.text("zh") == "limit：不能是 -1；必须不小于 0。"


def test_learning_rate_of_zero_is_refused_under_its_field() -> None:
    with pytest.raises(ConfigError) as caught:
        build(RunConfig, {"training": {"learning_rate": 0}})
    assert caught.value.field == "training.learning_rate"


def test_every_knob_of_a_run_has_help() -> None:
    assert [knob.name for knob in knobs(RunConfig) if not knob.help] == []


def test_the_simple_form_has_four_knobs() -> None:
    simple = [knob.name for knob in knobs(RunConfig) if knob.simple]
    assert simple == ["model.name", "adapter.kind", "training.epochs", "training.learning_rate"]
