"""Who may answer in a pane: the base of a run, its result, or one of its checkpoints. Names only; loads nothing."""

import re
from dataclasses import dataclass
from typing import Literal

from chatgui.errors import RunError

FORM = re.compile(r"([^/]+)/(base|result|\d+)")


@dataclass(frozen=True)
class Speaker:
    """`str` gives `RUN/base`, `RUN/result` or `RUN/40`, which `parse` reads."""

    run: str
    at: Literal["base", "result"] | int
    """A number is the optimizer step of a checkpoint."""

    def __str__(self) -> str:
        return f"{self.run}/{self.at}"

    @classmethod
    def parse(cls, text: str) -> "Speaker":
        """Raises RunError for what names nobody."""
        found = FORM.fullmatch(text)
        if found is None:
            raise RunError("chat.no_speaker", found=text)
        run, at = found.groups()
        return cls(run, int(at) if at.isdigit() else "base" if at == "base" else "result")

    @property
    def tuned(self) -> bool:
        """Whether a run has changed these weights."""
        return self.at != "base"


def default_speakers(run: str) -> tuple[Speaker, Speaker]:
    """What a run began with and what it made."""
    return Speaker(run, "base"), Speaker(run, "result")
