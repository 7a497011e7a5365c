"""The notation all sentence banks share: `[a|b]` is one of a and b, `{slot}` is filled in."""

import re
from collections.abc import Mapping
from random import Random


def fill(text: str, slots: Mapping[str, str], random: Random) -> str:
    """Choose between `[a|b]` and fill `{slot}`."""
    text = re.sub(r"\[([^\[\]]*)\]", lambda match: random.choice(match[1].split("|")), text)
    return text.format(**slots)
