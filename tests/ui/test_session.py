import ast
import inspect
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from chatgui.data.load import DataConfig
from chatgui.errors import RunError
from chatgui.ui import session
from chatgui.ui.session import Selection, bind, label, language_of, translations
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


def test_the_page_brings_what_it_draws_in_every_language_and_nothing_else() -> None:
    with gr.Blocks() as page:
        gr.Number(label=label("training.epochs"), info=label("training.epochs.help"))
        gr.Markdown(label("space.review_only"))
        gr.Dropdown([(label("training.optimizer=adamw"), "adamw")])
    tables = translations(page).translations_dict
    assert set(tables) == {"en", "zh-CN"}
    for table in tables.values():
        assert set(table) == {
            "training__epochs", "training__epochs__help", "space__review_only", "training__optimizer=adamw",
        }  # fmt: skip
    assert tables["en"]["training__epochs"] != tables["zh-CN"]["training__epochs"]


@pytest.mark.parametrize("file", sorted(Path(session.__file__).parent.rglob("*.py")), ids=lambda file: file.stem)
def test_nothing_that_answers_a_request_speaks_in_labels(file: Path) -> None:
    """The browser knows only the labels that were drawn before it came."""
    for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef) and {"language", "request"} & {it.arg for it in function.args.args}:
            calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
            assert not [call.lineno for call in calls if getattr(call.func, "id", "") == "label"]


def test_a_selection_is_a_plain_value() -> None:
    assert Selection() == Selection(DataConfig(), None)
    assert hash(Selection(run="a")) == hash(Selection(run="a")) != hash(Selection(run="b"))
