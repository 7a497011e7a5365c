import inspect
import logging
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest

from chatgui.config import RunConfig
from chatgui.data.load import DataConfig
from chatgui.errors import RunError
from chatgui.fields import knobs
from chatgui.text import languages
from chatgui.ui.session import Selection, bind, language_of, translations
from chatgui.ui.theme import LANGUAGE_COOKIE


class Request:
    """As much of a request as is read from one."""

    def __init__(self, accept: str = "", **cookies: str) -> None:
        self.cookies = cookies
        self.headers = {"accept-language": accept}


ENGLISH, CHINESE = Request("en"), Request("zh-CN,zh;q=0.9")


def refuse(language: str) -> None:
    raise RunError("run.still_running", run="r1")


def break_down(language: str) -> None:
    raise ZeroDivisionError("secret")


def count(first: int, language: str, last: int) -> Iterator[int]:
    yield from range(first, last)
    raise RunError("run.still_running", run="r1")


def toast(handler: Any, request: Request) -> gr.Error:
    with pytest.raises(gr.Error) as caught:
        bind(handler)(request)
    return caught.value


def test_a_handler_gets_what_is_fixed_then_the_language_then_the_values() -> None:
    def handler(*values: Any, **named: Any) -> Any:
        return values, named

    assert bind(handler, "fixed")(CHINESE, 1, 2, epochs=3) == (("fixed", "zh", 1, 2), {"epochs": 3})


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [(ENGLISH, "r1 is still running; stop it first (chatgui stop r1)."), (CHINESE, "r1 ")],
)
def test_an_error_with_a_sentence_becomes_a_toast_in_the_readers_language(request_: Request, sentence: str) -> None:
    error = toast(refuse, request_)
    assert error.message.startswith(sentence)
    assert ("is still running" in error.message) == (request_ is ENGLISH)
    assert error.print_exception is False


def test_an_unexpected_error_is_logged_and_told_plainly(caplog: pytest.LogCaptureFixture) -> None:
    error = toast(break_down, ENGLISH)
    assert "Something went wrong" in error.message
    assert "secret" not in error.message
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "break_down failed")
    assert "ZeroDivisionError: secret" in caplog.text


def test_a_toast_of_the_handler_itself_passes(caplog: pytest.LogCaptureFixture) -> None:
    def handler(language: str) -> None:
        raise gr.Error("as it is")

    assert toast(handler, ENGLISH).message == "as it is"
    assert not caplog.records


def test_a_generator_stays_a_generator_and_its_end_can_be_a_toast() -> None:
    bound = bind(count, 1)
    assert inspect.isgeneratorfunction(bound)
    stream = bound(ENGLISH, 3)
    assert [next(stream), next(stream)] == [1, 2]
    with pytest.raises(gr.Error, match="is still running"):
        next(stream)


def test_gradio_sees_a_request_in_the_bound_handler() -> None:
    for handler in (refuse, count):
        assert inspect.signature(bind(handler)).parameters["request"].annotation is gr.Request


@pytest.mark.parametrize(
    ("accept", "cookie", "language"),
    [
        ("zh-CN", None, "zh"), ("de", None, "en"), ("", None, "en"), ("zh-CN", "en", "en"), ("en", "zh", "zh"),
        ("zh-CN", "xx", "zh"),
    ],
)  # fmt: skip
def test_the_chosen_language_outweighs_the_browsers(accept: str, cookie: str | None, language: str) -> None:
    request = Request(accept, **({LANGUAGE_COOKIE: cookie} if cookie else {}))
    assert language_of(request) == language  # type: ignore[arg-type]


def test_without_a_request_it_is_english() -> None:
    assert language_of(None) == "en"


def test_the_page_has_every_label_in_every_language() -> None:
    tables = translations().translations_dict
    assert set(languages()) | {"zh-CN", "zh-TW"} <= set(tables)
    for knob in knobs(RunConfig):
        name = knob.name.replace(".", "__")
        for table in tables.values():
            assert {name, f"{name}__help"} <= table.keys()
    assert len({frozenset(table) for table in tables.values()}) == 1


def test_a_selection_is_a_plain_value() -> None:
    assert Selection() == Selection(DataConfig(), None)
    assert hash(Selection(run="a")) == hash(Selection(run="a")) != hash(Selection(run="b"))
