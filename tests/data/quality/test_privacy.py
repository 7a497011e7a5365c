from itertools import pairwise

import pytest

from chatgui.data.quality.privacy import find, has_check_digit, mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Write to ann.lee+x@mail.example.co.uk, please.", "Write to [email], please."),
        ("可以写信到help@example.com，请附上订单号", "可以写信到[email]，请附上订单号"),
        ("Call 415-775-7644 or +44 20 7946 0958.", "Call [phone] or [phone]."),
        ("你记一下，电话是010-63553377。手机13812345678", "你记一下，电话是[phone]。手机[phone]"),
        ("Card 4111 1111 1111 1111 was refused", "Card [card] was refused"),
        ("5500-0000-0000-0004", "[card]"),
    ],
)
def test_what_is_private_is_masked_by_its_kind(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "order 113542617735902", "from 2024-05-01 to 2024-06-30", "version 1.2.3.4 of 10", "@decorator and user@host",
        "3.14159265358979", "4111 1111 1111 1112", "between 1,000,000 and 2,500,000 rows", "0000 0000 0000 0000",
        "12:30:45 on 03/04/2021",
    ],
)  # fmt: skip
def test_other_numbers_raise_no_alarm(text: str) -> None:
    assert find(text) == []


def test_places_are_in_order_and_do_not_overlap() -> None:
    found = find("a@b.org 4111111111111111 c@d.org")
    assert [private.kind for private in found] == ["email", "card", "email"]
    assert all(one.stop <= other.start for one, other in pairwise(found))


def test_masking_twice_changes_nothing_more() -> None:
    once = mask("ann@example.org, 415-775-7644")
    assert mask(once) == once == "[email], [phone]"


@pytest.mark.parametrize(("number", "right"), [("79927398713", True), ("79927398710", False)])
def test_the_check_digit_is_luhns(number: str, right: bool) -> None:
    assert has_check_digit([int(digit) for digit in number]) is right
