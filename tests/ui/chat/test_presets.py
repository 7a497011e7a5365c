import pytest

from chatgui.ui.chat import presets


@pytest.fixture(autouse=True)
def toasts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(presets.gr, "Info", lambda text, **named: said.append(text))
    return said


def test_own_prompts_stand_before_those_that_come_along() -> None:
    for language in ("en", "zh"):
        offered = presets.choices(language, ["Be a pirate.\nAlways."])["choices"]
        assert offered[0] == ("Be a pirate. Always.", "Be a pirate.\nAlways.")
        assert len(offered) == 1 + len(presets.BUNDLED)


def test_a_prompt_is_kept_once_and_the_newest_first() -> None:
    assert presets.kept("en", ["a", "b"], " b ") == ["b", "a"]


def test_only_an_own_prompt_can_be_forgotten(toasts: list[str]) -> None:
    assert presets.forgotten("en", ["a", "b"], "b") == (["a"], "")
    presets.forgotten("en", ["a"], "another")
    assert "none of your own" in toasts[-1]


def test_what_a_browser_holds_instead_of_prompts_is_passed_over() -> None:
    assert len(presets.choices("en", {"a": 1})["choices"]) == len(presets.BUNDLED)  # type: ignore[arg-type]
