"""Sentences in the reader's language: a key and its values in, text out.

English sentences stand in `locales/en.json`; every other file of that folder translates them by key. The English of a
config field is its docstring, so only other languages name fields (`training.learning_rate`). Adding a language is
adding a file. Knows nothing of gradio.
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

LOCALES = Path(__file__).parent / "locales"
DEFAULT_LANGUAGE = "en"


@lru_cache
def languages() -> tuple[str, ...]:
    """Codes of the languages that have a file, English first."""
    codes = sorted(path.stem for path in LOCALES.glob("*.json"))
    return (DEFAULT_LANGUAGE, *(code for code in codes if code != DEFAULT_LANGUAGE))


@lru_cache
def sentences(language: str) -> dict[str, str]:
    """All sentences of one language by key."""
    return json.loads((LOCALES / f"{language}.json").read_text(encoding="utf-8"))


def say(key: str, language: str = DEFAULT_LANGUAGE, /, **values: Any) -> str:
    """The sentence behind `key`, its `{names}` filled from `values`.

    Falls back to English, then to the key itself, and leaves a `{name}` without a value as it stands: a gap in a
    locale must never hide an error from its reader. A value of the form `{"key": …, "values": {…}}` is a sentence too.
    """
    sentence = sentences(language).get(key) or sentences(DEFAULT_LANGUAGE).get(key) or key
    spoken = {name: _spoken(value, language) for name, value in values.items()}
    return sentence.format_map(_Values(spoken)) if values else sentence


def _spoken(value: Any, language: str) -> Any:
    is_sentence = isinstance(value, dict) and set(value) == {"key", "values"}
    return say(value["key"], language, **value["values"]) if is_sentence else value


def stage_text(name: str, done: int, total: int, language: str = DEFAULT_LANGUAGE) -> str:
    """What a run is busy with, and with how many of how many rows where that is counted; empty for no stage."""
    stage = say(f"stage.{name}", language) if name else ""
    return say("stage.counted", language, stage=stage, done=f"{done:,}", total=f"{total:,}") if total else stage


def duration(seconds: float, language: str = DEFAULT_LANGUAGE) -> str:
    """`42 s`, `3 min 05 s`, `2 h 10 min` in words of the language."""
    return str(_spoken(duration_sentence(seconds), language))


def duration_sentence(seconds: float) -> dict[str, Any]:
    """A `duration` as a value of another sentence, whose language is not known yet."""
    whole = round(seconds)
    if whole < 60:
        return {"key": "duration.seconds", "values": {"seconds": whole}}
    if whole < 3600:
        return {"key": "duration.minutes", "values": {"minutes": whole // 60, "seconds": f"{whole % 60:02d}"}}
    return {"key": "duration.hours", "values": {"hours": whole // 3600, "minutes": f"{whole % 3600 // 60:02d}"}}


def duration_range(low: float, high: float, language: str = DEFAULT_LANGUAGE) -> str:
    """`42 s to 1 min 05 s`, or one of both where they read the same."""
    first, last = duration(low, language), duration(high, language)
    return first if first == last else say("duration.range", language, low=first, high=last)


class _Values(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return f"{{{name}}}"


def preferred_language(accept_language: str | None) -> str:
    """The best language for an HTTP `Accept-Language` header (RFC 9110, section 12.5.4)."""
    ranked = []
    for position, part in enumerate((accept_language or "").split(",")):
        tag, _, quality = part.replace(" ", "").partition(";q=")
        try:
            ranked.append((-float(quality or 1), position, tag.lower()))
        except ValueError:
            continue
    for negative_quality, _, tag in sorted(ranked):
        base = tag.split("-")[0]
        if negative_quality and base in languages():  # a quality of 0 means "not this one"
            return base
    return DEFAULT_LANGUAGE
