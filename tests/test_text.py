import pytest

from chatgui.errors import ConfigError, DataError
from chatgui.text import duration, duration_range, languages, preferred_language, say


def test_english_and_chinese_are_there_english_first() -> None:
    assert languages()[0] == "en"
    assert "zh" in languages()


def test_values_fill_the_sentence() -> None:
    assert say("run.stop_asked", run="r1") == "r1 stops after its current step."
    assert say("run.stop_asked", "zh", run="r1").startswith("r1 ")


def test_an_unknown_key_is_said_as_it_is() -> None:
    assert say("no.such_key", "zh", value=1) == "no.such_key"


def test_a_value_that_is_missing_does_not_hide_the_sentence() -> None:
    assert say("run.not_running", run="r1", other=1) == (
        "r1 is not running (state: {state}), so there is nothing to stop."
    )


def test_an_error_inside_an_error_speaks_the_same_language() -> None:
    error = DataError(
        "data.nothing_usable", source="a.jsonl", rows=2, line=1, reason=DataError("data.nothing_to_learn")
    )
    assert "里面没有可以学习的回复" in error.text("zh")
    assert "there is no reply in it" in str(error)


def test_braces_in_a_value_are_only_text() -> None:
    error = ConfigError("config.bad_value", field="data.source", found="'{x}'", rule="it must be text")
    assert "'{x}'" in str(error)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("fr,zh;q=0.5", "zh"),
        ("fr-FR, *;q=0.1", "en"),
        ("en; q=0.2, zh; q=0.9", "zh"),
        ("zh;q=0, fr", "en"),
        ("zh;q=often, en", "en"),
        ("ZH-Hant", "zh"),
    ],
)
def test_the_language_is_the_readers_best_that_we_have(header: str | None, language: str) -> None:
    assert preferred_language(header) == language


def test_a_sentence_read_from_a_file_may_hold_another_one() -> None:
    inner = DataError("data.role_unknown", role="bot", allowed="user")
    plain = DataError("data.nothing_usable", source="a.jsonl", rows=2, line=1, reason=inner).plain()
    assert '不认识角色 "bot"' in say(plain["key"], "zh", **plain["values"])


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")]
)
def test_a_duration_is_told_in_units_a_person_uses(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("low", "high", "text"), [(20, 31, "20 s to 31 s"), (61.2, 60.9, "1 min 01 s")])
def test_a_range_that_reads_the_same_at_both_ends_is_told_once(low: float, high: float, text: str) -> None:
    assert duration_range(low, high) == text
