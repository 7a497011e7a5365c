"""A knob is written once: a field of a frozen `Config` with a docstring and bounds.

From it come the form's component, its help, the command-line flag, the key in `config.yaml` and the locale key. This
file turns Config classes into a flat list of `Knob`s under dotted names (`adapter.rank`) and flat values back into a
Config. It draws nothing and parses no command line.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from chatgui.errors import ConfigError
from chatgui.text import DEFAULT_LANGUAGE, sentences

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

KIND = "kind"


class Config(BaseModel):
    """A frozen group of knobs. Unknown names are refused, so that a typo is told and not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)


C = TypeVar("C", bound=Config)


@dataclass(frozen=True)
class Simple:
    """Mark of a field that the simple form shows."""


@dataclass(frozen=True)
class Elsewhere:
    """Mark of a field that is set by another part of the page than the form (the Dataset tab sets `data.source`)."""


@dataclass(frozen=True)
class Derived:
    """Mark of a field that a run fills from its training data (names of labels, say): it stands in `config.yaml` and
    can be written there, but is no knob."""


@dataclass(frozen=True)
class OnlyWith:
    """Mark of a field that means something for some values of another field of its group only."""

    chooser: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Knob:
    """One field under its dotted name, ready for a form, a flag or a table."""

    name: str
    type: type
    """bool, int, float or str."""
    optional: bool
    """True when None is allowed; it means "chosen for you"."""
    default: Any
    choices: tuple[Any, ...]
    suggestions: tuple[Any, ...]
    """Usual values of a field that takes others too (the field's `examples`)."""
    minimum: float | None
    maximum: float | None
    help: str
    simple: bool
    elsewhere: bool
    kinds: frozenset[str]
    """The kinds of its union, or the values of another field, for which the field exists; empty when it always does."""
    chooser: str = KIND
    """The field of its group that chooses among `kinds`."""

    @property
    def group(self) -> str:
        """`training` of `training.learning_rate`."""
        return self.name.rpartition(".")[0]

    @property
    def kind_name(self) -> str:
        """Dotted name of the knob that chooses the kind this field belongs to."""
        return f"{self.group}.{self.chooser}"

    def label(self, language: str = DEFAULT_LANGUAGE) -> str:
        """Short name: from the locale, else the field's own name in words."""
        return sentences(language).get(self.name) or self.name.rpartition(".")[2].replace("_", " ").capitalize()

    def info(self, language: str = DEFAULT_LANGUAGE) -> str:
        """Help text: from the locale (`NAME.help`), else the field's docstring."""
        return sentences(language).get(f"{self.name}.help") or self.help

    def choice_label(self, choice: Any, language: str = DEFAULT_LANGUAGE) -> str:
        """Name of one choice: from the locale (`NAME=CHOICE`), else the choice itself."""
        return sentences(language).get(f"{self.name}={choice}") or str(choice)


def knobs(config: type[Config], prefix: str = "") -> Iterator[Knob]:
    """All fields of `config`, depth first, in the order they are written.

    A union of Configs gives one `kind` knob and the fields of all its members; a field that several members share
    appears once and names the kinds that have it. Raises TypeError for a field no form could show.
    """
    for name, field in config.model_fields.items():
        if _has(field, Derived):
            continue
        dotted = f"{prefix}{name}"
        members = _config_members(field.annotation)
        if not members:
            yield _knob(dotted, field, frozenset())
        elif len(members) == 1:
            elsewhere = _has(field, Elsewhere)  # what holds for a group holds for its fields
            yield from (replace(k, elsewhere=k.elsewhere or elsewhere) for k in knobs(members[0], f"{dotted}."))
        else:
            yield from _union_knobs(dotted, field, members)


def _union_knobs(dotted: str, field: FieldInfo, members: tuple[type[Config], ...]) -> Iterator[Knob]:
    kinds = {kind_of(member): member for member in members}
    yield Knob(
        name=f"{dotted}.{KIND}", type=str, optional=False, default=getattr(field.get_default(), KIND),
        choices=tuple(kinds), suggestions=(), minimum=None, maximum=None, help=_one_line(field.description),
        simple=_has(field, Simple), elsewhere=_has(field, Elsewhere), kinds=frozenset(),
    )  # fmt: skip
    owners: dict[str, list[str]] = {}
    for kind, member in kinds.items():
        for name, field_ in member.model_fields.items():
            if not _has(field_, Derived):
                owners.setdefault(name, []).append(kind)
    for name, owning in owners.items():
        if name != KIND:
            yield _knob(f"{dotted}.{name}", kinds[owning[0]].model_fields[name], frozenset(owning))


def _knob(name: str, field: FieldInfo, kinds: frozenset[str]) -> Knob:
    inner, optional = _strip_none(field.annotation)
    only = next((mark for mark in field.metadata if isinstance(mark, OnlyWith)), OnlyWith(KIND, tuple(kinds)))
    choices = get_args(inner) if get_origin(inner) is Literal else ()
    scalar = type(choices[0]) if choices else inner
    if scalar not in (bool, int, float, str):
        raise TypeError(f"{name}: a form has no component for {field.annotation}")
    return Knob(
        name=name, type=scalar, optional=optional, default=field.get_default(call_default_factory=True),
        choices=choices, suggestions=tuple(field.examples or ()), minimum=_bound(field, {Ge: "ge", Gt: "gt"}),
        maximum=_bound(field, {Le: "le", Lt: "lt"}),
        help=_one_line(field.description),
        simple=_has(field, Simple), elsewhere=_has(field, Elsewhere), kinds=frozenset(only.values),
        chooser=only.chooser,
    )  # fmt: skip


def _one_line(text: str | None) -> str:
    """A docstring as help: its line breaks are those of the source."""
    return " ".join((text or "").split())


def _bound(field: FieldInfo, kinds: Mapping[type, str]) -> float | None:
    return next((getattr(mark, kinds[type(mark)]) for mark in field.metadata if type(mark) in kinds), None)


def _has(field: FieldInfo, mark: type) -> bool:
    return any(isinstance(item, mark) for item in field.metadata)


def _strip_none(annotation: Any) -> tuple[Any, bool]:
    members = [member for member in _members(annotation) if member is not NoneType]
    return (members[0], True) if len(members) < len(_members(annotation)) else (annotation, False)


def _members(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _config_members(annotation: Any) -> tuple[type[Config], ...]:
    return tuple(m for m in _members(annotation) if isinstance(m, type) and issubclass(m, Config))


def kind_of(config: type[Config]) -> str:
    """The value of a union member's `kind` field."""
    return config.model_fields[KIND].get_default()


def flatten(config: Config, prefix: str = "") -> dict[str, Any]:
    """A config as dotted names and plain values, the opposite of `unflatten`."""
    flat: dict[str, Any] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, Config) else {f"{prefix}{name}": value}
    return flat


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`{"adapter.rank": 16}` -> `{"adapter": {"rank": 16}}`."""
    nested: dict[str, Any] = {}
    for dotted, value in flat.items():
        *path, last = dotted.split(".")
        place = nested
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return nested


def build(config: type[C], values: Mapping[str, Any]) -> C:
    """A config from nested values. Raises ConfigError that names the dotted field, what was found and the rule."""
    try:
        return config.model_validate(_with_kinds(config, values))
    except ValidationError as error:
        raise field_errors(config, error)[0] from error


def _with_kinds(config: type[Config], values: Mapping[str, Any]) -> dict[str, Any]:
    """`{"adapter": {"rank": 8}}` means the default adapter's rank, though pydantic wants its kind named."""
    completed = dict(values)
    for name, field in config.model_fields.items():
        value = completed.get(name)
        if isinstance(value, Mapping) and KIND not in value and len(_config_members(field.annotation)) > 1:
            completed[name] = {KIND: getattr(field.get_default(), KIND), **value}
    return completed


def build_flat(config: type[C], flat: Mapping[str, Any]) -> C:
    """A config from dotted names, leaving out the fields of kinds that were not chosen (a form holds them all)."""
    by_name = {knob.name: knob for knob in knobs(config)}

    def chosen(name: str) -> bool:
        knob = by_name.get(name)
        if knob is None or not knob.kinds:
            return True
        return flat.get(knob.kind_name, by_name[knob.kind_name].default) in knob.kinds

    return build(config, unflatten({name: value for name, value in flat.items() if chosen(name)}))


def field_errors(config: type[Config], error: ValidationError) -> list[ConfigError]:
    """One ConfigError for each fault pydantic found, under dotted names without the union tags it puts between."""
    by_name = {knob.name: knob for knob in knobs(config)}
    return [_field_error(by_name, fault) for fault in error.errors()]


def _field_error(by_name: Mapping[str, Knob], fault: "ErrorDetails") -> ConfigError:
    context = fault.get("ctx", {})
    found = fault.get("input")
    parts = [str(part) for part in fault["loc"]]
    kinds = by_name.get(f"{parts[0]}.{KIND}") if parts else None
    if kinds is not None and parts[1:] and parts[1] in kinds.choices:
        del parts[1]
    if fault["type"] == "union_tag_invalid":
        parts.append(KIND)
        found = context["tag"]
    dotted = ".".join(parts)
    if fault["type"] == "extra_forbidden":
        return ConfigError("config.unknown_field", field=dotted, found=repr(found))
    rule: Any = fault["msg"]
    if (key := f"rule.{fault['type']}") in sentences(DEFAULT_LANGUAGE):
        allowed = ", ".join(map(str, by_name[dotted].choices)) if dotted in by_name else ""
        rule = ConfigError(key, **{**context, "allowed": allowed})
    return ConfigError("config.bad_value", field=dotted or "config", found=repr(found), rule=rule)
