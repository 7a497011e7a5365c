"""Which language a row is written in, and which languages a file is in."""

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

LOOKED_AT = 200
"""Characters that decide; more cost time and change nothing."""
SURE = 0.9
LETTERS = 20
"""Below it nobody can tell; a Chinese character counts for three."""
AT_HOME = 0.05
"""Share of the rows from which on a language is meant to be there."""
CODE = re.compile(r"```.*?(?:```|\Z)|https?://\S+|[^\S\n]+", re.DOTALL)
CHINESE = re.compile(r"[\u3400-\u9fff]")
LETTER = re.compile(r"[^\W\d_]")
FAMILIES = (
    "zh wuu yue", "es gl ca an ext oc", "sr hr bs sl mk", "no nn da sv", "id ms jv", "cs sk", "ru uk be bg", "en pcm",
    "de lb", "nl af",
)  # fmt: skip
"""Neighbours that a short text does not tell apart: together they are sure, and the first likeliest names them."""
FAMILY_OF = {code: family.split() for family in FAMILIES for code in family.split()}
SAME = {"wuu": "zh", "yue": "zh", "nn": "no", "pcm": "en"}
UNKNOWN = ""


def language_of(text: str) -> str:
    """ISO 639 code of a text's language; UNKNOWN when it is too short, or code, or cannot be told."""
    text = CODE.sub(" ", text)[:LOOKED_AT]
    if len(LETTER.findall(text)) + 2 * len(CHINESE.findall(text)) < LETTERS:
        return UNKNOWN
    code, probability = _identifier().classify(text)
    if probability < SURE and code in FAMILY_OF:
        ranked = dict(_identifier().rank(text))
        probability = sum(ranked[member] for member in FAMILY_OF[code])
    return SAME.get(code, code) if probability >= SURE and code != "zxx" else UNKNOWN


@lru_cache(maxsize=1)
def _identifier() -> Any:
    """py3langid's model of 139 languages; it takes a second to read."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def strangers(codes: Iterable[str]) -> set[str]:
    """Languages that are not the file's own. Empty when no language is at home at all."""
    counts = Counter(code for code in codes if code != UNKNOWN)
    enough = AT_HOME * sum(counts.values())
    home = {code for code, count in counts.items() if count > enough}
    return set(counts) - home if home else set()
