"""Control tokens that somebody typed: text of the data that reads like `<|end|>` must stay text.

A tokenizer turns such text into the real control token, wherever it stands; a message could then end its own turn or
open another role's. Knows no template.
"""

import copy
import re
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from chatgui.tokens.example import Span

SHORTEST = 3
"""Characters of a control token that is looked for; some tokenizers call a line break one."""
PRIVATE_USE = range(0xE000, 0xF8FF)


class Literals:
    """The control tokens of one tokenizer: finds them in text, and encodes text so that it holds none."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Any control token, the longest first; matches nothing when the tokenizer has none that could be typed."""
        special = (token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special)
        names = sorted({name for name in special if len(name.strip()) >= SHORTEST}, key=lambda name: (-len(name), name))
        return re.compile("|".join(map(re.escape, names)) or r"(?!)")

    @cached_property
    def _splitting(self) -> Any:
        # a copy: the switch for it is a state of the tokenizer, which other threads use meanwhile
        return copy.deepcopy(self.tokenizer)

    def found(self, text: str) -> bool:
        """Whether the text holds what reads like a control token."""
        return self.pattern.search(text) is not None

    def hide(self, texts: Iterable[str]) -> tuple[list[str], "Hidden"]:
        """The texts with a placeholder for each control token in them, to be rendered and then given to `reveal`."""
        texts = list(texts)
        used = set().union(*texts) if texts else set()
        mark = next(chr(code) for code in PRIVATE_USE if chr(code) not in used)
        hidden: list[str] = []

        def replace(match: re.Match[str]) -> str:
            hidden.append(match[0])
            return f"{mark}{len(hidden) - 1}{mark}"

        return [self.pattern.sub(replace, text) for text in texts], Hidden(mark, tuple(hidden))

    def encode(self, text: str, literals: Iterable[Span]) -> tuple[list[int], list[int]]:
        """Ids (T) and the character each begins at (T) of a rendered text.

        Control tokens are control tokens, except those that `literals` cover: they are spelt.
        """
        ids: list[int] = []
        starts: list[int] = []
        covered = list(literals)
        position = 0
        for match in [*self.pattern.finditer(text), None]:
            if match and any(span.start <= match.start() < span.stop for span in covered):
                continue
            stop = match.start() if match else len(text)
            spelt, places = self.spell(text[position:stop])
            ids += spelt
            starts += [position + place for place in places]
            if match:
                ids.append(self.tokenizer.convert_tokens_to_ids(match[0]))
                starts.append(match.start())
                position = match.end()
        return ids, starts

    def spell(self, text: str) -> tuple[list[int], list[int]]:
        """Ids and places of a text in which nothing is a control token."""
        if not text:
            return [], []
        encoded = self._splitting(
            text, add_special_tokens=False, return_offsets_mapping=True, split_special_tokens=True, verbose=False
        )
        return list(encoded["input_ids"]), [start for start, _ in encoded["offset_mapping"]]


class Hidden:
    """What the placeholders of some texts stand for."""

    def __init__(self, mark: str, texts: tuple[str, ...]) -> None:
        self.texts = texts
        self._pattern = re.compile(f"{mark}(\\d+){mark}")

    def reveal(self, text: str, spans: Iterable[Span]) -> tuple[str, list[Span], list[Span]]:
        """The text with what was hidden, `spans` at their new places, and the places of what was hidden."""
        parts: list[str] = []
        literals: list[Span] = []
        shifts: list[tuple[int, int]] = []  # (end of a placeholder, how far what follows has moved)
        position = moved = 0
        for match in self._pattern.finditer(text):
            original = self.texts[int(match[1])]
            parts += [text[position : match.start()], original]
            literals.append(Span(match.start() + moved, match.start() + moved + len(original)))
            moved += len(original) - len(match[0])
            shifts.append((match.end(), moved))
            position = match.end()

        def new_place(old: int) -> int:
            return old + next((by for end, by in reversed(shifts) if end <= old), 0)

        placed = [Span(new_place(span.start), new_place(span.stop)) for span in spans]
        return "".join([*parts, text[position:]]), placed, literals
