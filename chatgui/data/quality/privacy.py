"""Text that looks like an e-mail address, a phone number or a card number: found, and masked."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

KINDS = ("email", "phone", "card")
EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w@-])", re.ASCII)
CARD = re.compile(r"(?<![\d.,-])[3-6]\d{3}(?:[ -]?\d){9,15}(?![\d-]|[.,]\d)")
"""13 to 19 digits that begin as the cards of the large networks do (ISO/IEC 7812)."""
DIGITS = re.compile(r"\d(?:[\s().-]{0,3}\d){6}")
"""Seven digits near each other: without them there is no phone number, and no need to look closer."""
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@dataclass(frozen=True)
class Private:
    """A place in a text; `kind` is one of KINDS."""

    kind: str
    start: int
    stop: int


def kinds(texts: Iterable[str]) -> set[str]:
    """Those of KINDS that stand in some texts. After the first phone number none is looked for: that takes longest."""
    found: set[str] = set()
    for text in texts:
        found.update(private.kind for private in find(text, phones="phone" not in found))
    return found


def find(text: str, *, phones: bool = True) -> list[Private]:
    """All of a text, in order, none overlapping another."""
    found: list[Private] = []
    if "@" in text:
        found += (Private("email", *match.span()) for match in EMAIL.finditer(text))
    if DIGITS.search(text):
        found += _cards(text)
        found += _phones(text) if phones else ()
    kept: list[Private] = []
    for private in sorted(found, key=lambda private: (private.start, KINDS.index(private.kind) != 2)):
        if not kept or kept[-1].stop <= private.start:
            kept.append(private)
    return kept


def mask(text: str) -> str:
    """The text with each of them replaced by what it was: `[email]`, `[phone]`, `[card]`."""
    for private in reversed(find(text)):
        text = f"{text[: private.start]}[{private.kind}]{text[private.stop :]}"
    return text


def _cards(text: str) -> Iterator[Private]:
    for match in CARD.finditer(text):
        if has_check_digit([int(character) for character in match[0] if character.isdigit()]):
            yield Private("card", *match.span())


def has_check_digit(digits: list[int]) -> bool:
    """Luhn's test (ISO/IEC 7812-1, annex B): nine of ten numbers that only look like a card fail it."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total += digit if place % 2 == 0 else 2 * digit - 9 * (digit > 4)
    return total % 10 == 0 and len(set(digits)) > 1


def _phones(text: str) -> Iterator[Private]:
    import phonenumbers

    # numbers without a country are read as local ones: Chinese where there is Chinese around, else North American
    region = "CN" if CHINESE.search(text) else "US"
    for match in phonenumbers.PhoneNumberMatcher(text, region, phonenumbers.Leniency.STRICT_GROUPING):
        yield Private("phone", match.start, match.end)
