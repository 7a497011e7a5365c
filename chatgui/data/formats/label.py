"""A text and its label, for classification; several labels as a list, or a number to be predicted.

The label's column may have any name: if it bears none that is known, it is the one with few short values.
"""

from collections.abc import Sequence
from typing import Any

from chatgui.data.conversation import Labelled
from chatgui.data.formats.columns import Field, Raw, by_name, names
from chatgui.data.formats.turns import content_text, listed
from chatgui.errors import DataError

NAME = "label"
EXAMPLE = {"text": "My card has not arrived yet.", "label": "card_arrival"}
TEXT = Field(
    "text",
    ("sentence", "review", "content", "comment", "tweet", "utterance", "review_body", "review_text", "reviewtext",
     "document", "abstract", "headline", "message", "body", "query", "question", "title", "文本", "评论", "内容",
     "句子", "正文", "review_content"),
    required=True,
)  # fmt: skip
LABEL = Field(
    "label",
    ("labels", "label_text", "label_name", "category", "categories", "class", "classes", "sentiment", "intent",
     "emotion", "emotions", "polarity", "stars", "coarse_label", "target", "airline_sentiment", "is_spam",
     "is_toxic", "标签", "类别", "分类", "情感"),
    required=True,
)  # fmt: skip
SCORE = Field("score", ("rating", "similarity_score"))
FIELDS = (TEXT, LABEL, SCORE)
MOST_CHARACTERS = 60
"""Of a label; longer values are sentences."""
ENOUGH_ROWS = 8
"""Below it nobody can say that a column has few values."""
MOST_DISTINCT = 0.3
"""Of the rows, values that differ in a column that could be a label."""


def bind(rows: Sequence[Raw]) -> dict[str, str]:
    """Text and label by name, or the only text beside a label so named. A label of fractions is a number to predict."""
    found = by_name(rows, (LABEL, TEXT))
    if "label" in found and not _are_labels(_values(rows, found["label"])):
        del found["label"]
    if "label" in found and "text" not in found:
        others = [name for name in names(rows) if name != found["label"] and _are_texts(_values(rows, name))]
        found |= {"text": others[0]} if len(others) == 1 else {}
    return with_score(rows, found)


def guess(rows: Sequence[Raw]) -> dict[str, str]:
    """By the values alone: the label has few and short ones, the text is the longest column of the rest."""
    if len(rows) < ENOUGH_ROWS:
        return {}
    values = {name: _values(rows, name) for name in names(rows)}
    found = by_name(rows, (TEXT,))
    texts = {name: sum(map(len, each)) for name, each in values.items() if _are_texts(each)}
    text = found.get("text") or max(texts, key=lambda name: texts[name], default=None)
    labels = {
        name: len(set(map(str, each)))
        for name, each in values.items()
        if name != text and _are_labels(each) and 1 < len(set(map(str, each))) <= MOST_DISTINCT * len(rows)
    }
    if text is None or not labels or len(values) > 3:  # of many columns nobody knows which one is meant
        return {}
    return with_score(rows, {"text": text, "label": min(labels, key=lambda name: labels[name])})


def with_score(rows: Sequence[Raw], found: dict[str, str]) -> dict[str, str]:
    """A bound label that is mostly fractions serves as the `score` instead; a column named so does without a label."""
    if "label" in found and _are_fractions(_values(rows, found["label"])):
        return {"score": found.pop("label"), **found}
    score = by_name(rows, (SCORE,)).get("score")
    has_label = "label" in found or score is None
    return found if has_label or not _are_fractions(_values(rows, score or "")) else {**found, "score": str(score)}


def matches(row: Raw) -> bool:
    """A text and a label beside it."""
    return isinstance(row.get("text"), str) and has_label(row)


def has_label(row: Raw) -> bool:
    """Whether a label or a number stands in the row."""
    if "score" in row:
        return _number(row["score"]) is not None
    label = listed(row.get("label"))
    if isinstance(label, list):
        return all(isinstance(each, (str, int)) for each in label)
    return isinstance(label, (int, float)) or (isinstance(label, str) and 0 < len(label.strip()) <= MOST_CHARACTERS)


def convert(row: Raw) -> Labelled:
    """Raises DataError for an empty text or a missing label."""
    text = content_text(row.get("text"))
    if not text.strip():
        raise DataError("data.empty_field", field="text")
    return Labelled(text, label(row))


def label(row: Raw) -> tuple[str, ...] | float:
    """The names of the row's labels, or its number. Raises DataError when there is none."""
    if "score" in row:
        number = _number(row["score"])
        if number is None:
            raise DataError("data.not_a_number", field="score", found=str(row["score"])[:40])
        return number
    value = listed(row.get("label"))
    if isinstance(value, float) and not value.is_integer():
        return value
    if isinstance(value, list):
        return tuple(map(_name, value))
    if value is None or not str(value).strip():
        raise DataError("data.empty_field", field="label")
    return (_name(value),)


def _name(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _values(rows: Sequence[Raw], column: str) -> list[Any]:
    return [value for row in rows if (value := row.get(column)) not in (None, "")]


def _are_texts(values: Sequence[Any]) -> bool:
    return (
        bool(values)
        and all(isinstance(value, str) for value in values)
        and any(" " in v or len(v) > 20 for v in values)
    )


def _are_labels(values: Sequence[Any]) -> bool:
    if not values or any(isinstance(value, dict) for value in values):
        return False
    short = sum(isinstance(value, (int, float, list)) or len(str(value)) <= MOST_CHARACTERS for value in values)
    return short >= 0.9 * len(values)


def _are_fractions(values: Sequence[Any]) -> bool:
    numbers = [_number(value) for value in values]
    known = [number for number in numbers if number is not None]
    return len(known) > 0.9 * len(values) and any(not number.is_integer() for number in known)


def _number(value: Any) -> float | None:
    """A finite number, or the text of one."""
    if isinstance(value, (bool, list, dict)) or value is None:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if number - number == 0 else None
