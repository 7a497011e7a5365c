"""Words with a tag for each: JSON lists (`tokens`, `ner_tags`), or the columns of a CoNLL file, a word a line.

A CoNLL file comes as blocks of text, one a sentence. The tags are its last column in which every value is one (BIO or
BIOES): the first of CoNLL-2003's columns of the kind, its chunks, stands before the names, and others may follow them.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from chatgui.data.conversation import Tagged
from chatgui.data.formats.columns import Field, Raw, by_name
from chatgui.data.formats.turns import content_text, listed
from chatgui.errors import DataError

NAME = "tags"
EXAMPLE = {"tokens": ["Jonas", "lives", "in", "Paris"], "tags": ["B-PER", "O", "O", "B-LOC"]}
FIELDS = (
    Field("tokens", ("words", "token", "text"), required=True),
    Field("tags", ("ner_tags", "ner", "bio_tags", "labels", "fine_ner_tags", "tag", "label", "pos_tags")),
)
TAG = re.compile(r"O|[BIESLUM]-\S+")


def bind(rows: Sequence[Raw]) -> dict[str, str]:
    """By name; the blocks of a CoNLL file have their tags in them."""
    return by_name(rows, FIELDS)


def matches(row: Raw) -> bool:
    """Two lists of one length, or a block of lines that each end in a tag; or CLUENER's spans in a text."""
    words, tags = listed(row.get("tokens")), listed(row.get("tags"))
    if isinstance(words, list) and isinstance(tags, list):
        return bool(words) and len(words) == len(tags) and all(isinstance(word, str) for word in words)
    return isinstance(words, str) and (_is_spans(tags) or (tags is None and _tag_column(_table(words)) is not None))


def convert(row: Raw) -> Tagged:
    """Raises DataError when there is not one tag for each word."""
    words, tags = listed(row.get("tokens")), listed(row.get("tags"))
    if isinstance(words, str) and _is_spans(tags):
        return _of_spans(words, tags)
    if isinstance(words, str) and tags is None:
        return _of_block(words)
    for field, value in (("tokens", words), ("tags", tags)):
        if not isinstance(value, list):
            raise DataError("data.no_words", field=field, found=type(value).__name__)
    if not words:
        raise DataError("data.empty_field", field="tokens")
    if len(words) != len(tags):
        raise DataError("data.uneven_tags", words=len(words), tags=len(tags))
    return Tagged(tuple(map(content_text, words)), tuple(map(str, tags)))


def _table(block: str) -> list[list[str]]:
    return [line.split() for line in block.split("\n") if line.strip() and not line.startswith("# ")]


def _tag_column(table: Sequence[Sequence[str]]) -> int | None:
    """Number of the last column in which every line has a tag; None when there is none behind the words."""
    width = min(map(len, table), default=0)
    columns = range(width - 1, 0, -1)
    return next((column for column in columns if all(TAG.fullmatch(line[column]) for line in table)), None)


def _of_block(block: str) -> Tagged:
    table = _table(block)
    column = _tag_column(table)
    if column is None:
        broken = next((line for line in table if len(line) < 2 or not TAG.fullmatch(line[-1])), [""])
        raise DataError("data.no_tag", found=" ".join(broken)[:60])
    return Tagged(tuple(line[0] for line in table), tuple(line[column] for line in table))


def _is_spans(tags: Any) -> bool:
    return isinstance(tags, dict) and all(isinstance(spans, dict) for spans in tags.values())


def _of_spans(text: str, tags: Any) -> Tagged:
    """CLUENER: `{"name": {"叶老桂": [[9, 11]]}}`, places of first and last character; each character is a word."""
    found = ["O"] * len(text)
    for kind, start, end in _spans(tags):
        if not 0 <= start <= end < len(text):
            raise DataError("data.span_outside", start=start, end=end, length=len(text))
        found[start : end + 1] = [f"B-{kind}", *[f"I-{kind}"] * (end - start)]
    if not text:
        raise DataError("data.empty_field", field="tokens")
    return Tagged(tuple(text), tuple(found))


def _spans(tags: Any) -> Iterator[tuple[str, int, int]]:
    for kind, named in tags.items():
        for places in named.values():
            for place in places if isinstance(places, list) else ():
                if not (isinstance(place, list) and len(place) == 2 and all(isinstance(at, int) for at in place)):
                    raise DataError("data.bad_span", found=str(place)[:40])
                yield str(kind), place[0], place[1]
