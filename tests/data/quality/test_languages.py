import pytest

from chatgui.data.quality.languages import UNKNOWN, language_of, strangers


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("I would like to book a table for two this evening.", "en"),
        ("我想预订今晚两个人的位子，最好靠窗。", "zh"),
        ("Ich möchte heute Abend einen Tisch für zwei Personen reservieren.", "de"),
        ("¿Puedo reservar una mesa para dos personas esta noche, por favor?", "es"),
        ("今晩二人で食事をしたいのですが、予約できますか。", "ja"),
    ],
)
def test_common_languages_are_told_apart(text: str, code: str) -> None:
    assert language_of(text) == code


@pytest.mark.parametrize("text", ["ok", "12 + 30 = 42", "", "```python\ndef main(): return compute(value)\n```"])
def test_what_cannot_be_told_is_not_guessed(text: str) -> None:
    assert language_of(text) == UNKNOWN


def test_one_row_among_many_is_a_stranger() -> None:
    assert strangers(["en"] * 50 + ["de"] + [UNKNOWN] * 10) == {"de"}


def test_a_file_of_two_languages_has_no_stranger() -> None:
    assert strangers(["en"] * 30 + ["zh"] * 20) == set()


def test_a_file_without_a_language_of_its_own_accuses_nobody() -> None:
    assert strangers([UNKNOWN] * 9) == set()
