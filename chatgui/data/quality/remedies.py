"""What is done about a finding, as a part of the run's config, and the remedies that look at one row alone."""

from collections.abc import Callable, Iterator
from typing import Annotated, Literal

from chatgui.data.conversation import Item
from chatgui.data.quality import privacy, roles
from chatgui.data.quality.words import texts_of, with_texts
from chatgui.fields import Config, Elsewhere


class Remedies(Config):
    """What is done about each finding of the data report, in the preview and in the run alike."""

    duplicates: Annotated[Literal["keep", "drop"], Elsewhere()] = "keep"
    """Copies of an earlier row; a model learns by heart what it sees often."""
    near_duplicates: Annotated[Literal["keep", "drop"], Elsewhere()] = "keep"
    """Rows that nearly repeat an earlier one."""
    leaked: Annotated[Literal["keep", "drop"], Elsewhere()] = "keep"
    """Training rows that also stand in the test or validation split; with them the score flatters. Dropped ones leave
    the training split."""
    long_rows: Annotated[Literal["cut", "drop"], Elsewhere()] = "cut"
    """Rows longer than the limit: cut at their end, or left out whole."""
    empty_turns: Annotated[Literal["keep", "merge", "drop"], Elsewhere()] = "keep"
    """Conversations with an empty turn; merge takes the empty turns out."""
    one_sided: Annotated[Literal["keep", "drop"], Elsewhere()] = "keep"
    """Conversations in which no user speaks."""
    roles: Annotated[Literal["keep", "merge", "drop"], Elsewhere()] = "keep"
    """Conversations whose roles do not take turns; merge joins neighbours and ends with the last reply."""
    languages: Annotated[Literal["keep", "drop"], Elsewhere()] = "keep"
    """Rows in a language that is not the data's own."""
    private: Annotated[Literal["keep", "mask", "drop"], Elsewhere()] = "keep"
    """Rows with an e-mail address, phone or card number; mask writes [email], [phone] or [card] in its place."""
    special_tokens: Annotated[Literal["keep", "drop"], Elsewhere()] = "keep"
    """Rows in which a control token of the tokenizer was typed; kept, it is spelt like any other text."""


def mends(remedies: Remedies) -> list[Callable[[Item], Item]]:
    """The chosen remedies that change a row, in their order."""
    chosen: list[Callable[[Item], Item]] = []
    if remedies.private == "mask":
        chosen.append(lambda item: with_texts(item, privacy.mask))
    if remedies.empty_turns == "merge":
        chosen.append(roles.without_empty_turns)
    if remedies.roles == "merge":
        chosen.append(roles.merged)
    return chosen


def unwanted(remedies: Remedies) -> Callable[[Item], bool]:
    """Whether one of the chosen remedies drops a row for what stands in it alone."""
    bad = dropped_faults(remedies)

    def is_unwanted(item: Item) -> bool:
        if bad.intersection(roles.FAULTS) and bad.intersection(roles.faults(item)):
            return True
        return bool(bad.intersection(privacy.KINDS) and privacy.kinds(texts_of(item)))

    return is_unwanted


def looks_at_rows(remedies: Remedies) -> bool:
    """Whether a remedy needs every row to be looked at before the data can be divided."""
    return any(getattr(remedies, name) == "drop" for name in NEED_EVERY_ROW)


def dropped_faults(remedies: Remedies) -> set[str]:
    """Faults of `roles` and `privacy` for which a row is dropped."""
    private = privacy.KINDS if remedies.private == "drop" else ()
    return {name for name in roles.FAULTS if getattr(remedies, name) == "drop"}.union(private)


NEED_EVERY_ROW = (
    "duplicates", "near_duplicates", "leaked", "empty_turns", "one_sided", "roles", "languages", "private",
)  # fmt: skip


def chosen(remedies: Remedies) -> Iterator[str]:
    """Names of the remedies that are not as they are by default."""
    default = Remedies()
    return (name for name in Remedies.model_fields if getattr(remedies, name) != getattr(default, name))
