"""Two texts and what they are to each other: paraphrase, entailment, similarity."""

from collections.abc import Sequence

from chatgui.data.conversation import Labelled
from chatgui.data.formats.columns import Field, Raw, by_name
from chatgui.data.formats.label import LABEL, SCORE, has_label, label, with_score
from chatgui.data.formats.turns import content_text
from chatgui.errors import DataError

NAME = "label_pairs"
EXAMPLE = {"sentence1": "It rained all day.", "sentence2": "The day was dry.", "label": "contradiction"}
PAIRS = (
    ("text", "text_pair"), ("sentence1", "sentence2"), ("premise", "hypothesis"), ("question1", "question2"),
    ("text1", "text2"), ("text_a", "text_b"), ("sentence_a", "sentence_b"), ("question", "sentence"),
    ("query", "title"), ("query", "document"), ("query", "passage"), ("#1 String", "#2 String"),
)  # fmt: skip
FIELDS = (
    Field("text", required=True),
    Field("text_pair", required=True),
    Field("label", (*LABEL.others, "is_duplicate", "gold_label", "quality", "relation", "relevance"), required=True),
    SCORE,
)


def bind(rows: Sequence[Raw]) -> dict[str, str]:
    """One of the known pairs of names, and the label as for single texts."""
    for first, second in PAIRS:
        pair = by_name(rows, (Field("text", (first,)), Field("text_pair", (second,))))
        if len(pair) == 2:
            return with_score(rows, pair | by_name(rows, (FIELDS[2],)))
    return {}


def matches(row: Raw) -> bool:
    """Two texts and a label."""
    return isinstance(row.get("text"), str) and isinstance(row.get("text_pair"), str) and has_label(row)


def convert(row: Raw) -> Labelled:
    """Raises DataError for an empty text or a missing label."""
    texts = [content_text(row.get(name)) for name in ("text", "text_pair")]
    for name, text in zip(("text", "text_pair"), texts, strict=True):
        if not text.strip():
            raise DataError("data.empty_field", field=name)
    return Labelled(texts[0], label(row), texts[1])
