"""Every sentence the code says exists, in every language, with the same values."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

import pytest

from chatgui.config import RunConfig
from chatgui.export.options import ExportConfig, FusionConfig
from chatgui.fields import knobs
from chatgui.runs.search import SearchConfig
from chatgui.text import LOCALES, languages, sentences

PACKAGE = LOCALES.parent
FORMS = ((RunConfig, ""), (ExportConfig, "export."), (FusionConfig, "fusion."), (SearchConfig, "search."))
KNOBS = {knob.name: knob for config, prefix in FORMS for knob in knobs(config, prefix)}
TRANSLATIONS = [language for language in languages() if language != "en"]


SPEAKERS = ("say", "tell", "label", "fail", "Notice", "Stage")
"""Functions whose first argument is a key; the name of every error class is one as well."""


@dataclass(frozen=True)
class Use:
    """A key in the code, and the values that are given with it (None: not to be read from the source)."""

    place: str
    key: str
    values: frozenset[str] | None


def nodes() -> Iterator[tuple[str, ast.AST]]:
    """Every node of the package with the place it stands at."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            yield f"{file.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}", node


def uses(place: str, node: ast.AST) -> Iterator[Use]:
    if isinstance(node, ast.Call):
        yield from (Use(place, key, values) for key, values in _of_call(node))
    elif isinstance(node, ast.Dict):  # a message in state.json
        for name, value in zip(node.keys, node.values, strict=True):
            if isinstance(name, ast.Constant) and name.value == "key":
                yield from (Use(place, key, None) for key in _constants(value))
    elif isinstance(node, ast.Assign) and any(getattr(target, "id", "") == "TITLE" for target in node.targets):
        yield from (Use(place, key, frozenset()) for key in _constants(node.value))


def _of_call(call: ast.Call) -> Iterator[tuple[str, frozenset[str] | None]]:
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    if not call.args or not (name in SPEAKERS or name.endswith("Error")):
        return
    for key in _constants(call.args[0]):
        if name == "Stage":
            yield f"stage.{key}", frozenset()
        elif name in ("fail", "Notice"):
            yield key, _names_of_dict(call.args[1]) if len(call.args) > 1 else frozenset()
        elif "." in key and not _is_field(key):
            given = {keyword.arg for keyword in call.keywords}
            yield key, None if None in given else frozenset(filter(None, given))


def _is_field(key: str) -> bool:
    """English texts of a field stand in the code."""
    return key.removesuffix(".help") in KNOBS


def _constants(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from _constants(node.body)
        yield from _constants(node.orelse)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def _names_of_dict(node: ast.expr) -> frozenset[str] | None:
    if isinstance(node, ast.Dict) and all(isinstance(name, ast.Constant) for name in node.keys):
        return frozenset(str(name.value) for name in node.keys if isinstance(name, ast.Constant))
    return None


def _pattern(text: ast.JoinedStr) -> str:
    """A regular expression for what an f-string can become: `stage.{name}` -> `stage\\..+`."""
    return "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+" for part in text.values)


NODES = list(nodes())
USES = [use for place, node in NODES for use in uses(place, node)]
CONSTANTS = {node.value for _, node in NODES if isinstance(node, ast.Constant) and isinstance(node.value, str)}
COMPOSED = {
    place: pattern
    for place, node in NODES
    if isinstance(node, ast.JoinedStr) and re.match(r"[a-z]+\\\.", pattern := _pattern(node))
}
"""Keys that are put together from a beginning and a name: `stage.{name}`."""


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


def test_the_code_says_something() -> None:
    assert len({use.key for use in USES}) > 50


def test_every_key_in_the_code_has_an_english_sentence() -> None:
    english = sentences("en")
    assert sorted({f"{use.place} {use.key}" for use in USES if use.key not in english}) == []


def test_every_key_put_together_from_parts_has_one_sentence_at_least() -> None:
    known = [*sentences("en"), *KNOBS, *(f"{name}.help" for name in KNOBS)]
    without = [
        f"{place} {pattern}"
        for place, pattern in COMPOSED.items()
        if not any(re.fullmatch(pattern, key) for key in known)
    ]
    assert without == []


def test_every_english_sentence_is_said_somewhere() -> None:
    said = {use.key for use in USES} | CONSTANTS
    patterns = re.compile("|".join(COMPOSED.values()))
    spare = {key for key in sentences("en") if key not in said and not patterns.fullmatch(key)}
    assert sorted(key for key in spare if key.partition("=")[0] not in KNOBS) == []


def test_every_value_of_a_sentence_is_given_where_it_is_said() -> None:
    english = sentences("en")
    missing = [
        f"{use.place} {use.key}: {sorted(placeholders(english[use.key]) - use.values)}"
        for use in USES
        if use.values is not None and use.key in english and not placeholders(english[use.key]) <= use.values
    ]
    assert missing == []


def test_a_sentence_that_is_said_without_values_has_no_doubled_braces() -> None:
    english = sentences("en")
    bare = {use.key for use in USES if use.values == frozenset() and use.key in english}
    assert [key for key in sorted(bare) if "{{" in english[key] or "}}" in english[key]] == []


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_a_translation_has_every_sentence(language: str) -> None:
    assert sorted(set(sentences("en")) - set(sentences(language))) == []


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_a_translation_has_no_key_that_nobody_knows(language: str) -> None:
    fields = {f"{name}{end}" for name in KNOBS for end in ("", ".help")}
    choices = {f"{knob.name}={choice}" for knob in KNOBS.values() for choice in (*knob.choices, *knob.suggestions)}
    assert sorted(set(sentences(language)) - set(sentences("en")) - fields - choices) == []


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_a_translation_takes_the_same_values(language: str) -> None:
    english, translated = sentences("en"), sentences(language)
    differing = [
        key for key in english if key in translated and placeholders(english[key]) != placeholders(translated[key])
    ]
    assert differing == []


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_a_translation_names_and_explains_every_field(language: str) -> None:
    wanted = {f"{name}{end}" for name in KNOBS for end in ("", ".help")}
    assert sorted(wanted - set(sentences(language))) == []


@pytest.mark.parametrize("file", sorted(LOCALES.glob("*.json")), ids=lambda file: file.stem)
def test_a_locale_is_sorted_and_flat(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    values = json.loads(text)
    assert all(isinstance(value, str) and value for value in values.values())
    assert text == json.dumps(values, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
