"""What the tabs share: the workspace, the selection of one browser tab, and how handlers are bound to events."""

import inspect
import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from chatgui.config import ModelConfig, RunConfig
from chatgui.data.load import DataConfig
from chatgui.errors import ChatGuiError
from chatgui.export.options import ExportConfig, FusionConfig
from chatgui.fields import knobs
from chatgui.runs.search import SearchConfig
from chatgui.runs.workspace import Workspace
from chatgui.tasks import Task
from chatgui.tasks.chat import Chat
from chatgui.text import DEFAULT_LANGUAGE, languages, preferred_language, say, sentences
from chatgui.ui.theme import LANGUAGE_COOKIE, gradio_name

log = logging.getLogger(__name__)

QUIET: dict[str, Any] = {"show_progress": "hidden", "show_progress_on": [], "api_visibility": "private"}
"""For listeners that only keep the page in step.

No component shows their progress: Gradio's page tells every component that ever did of every step of every event, and
searches the whole page for each, which took seconds as a page opened.
"""
PRIVATE: dict[str, Any] = {"api_visibility": "private"}


@dataclass(frozen=True)
class Teaching:
    """What of the Train form decides which tokens teach: the Dataset tab shows rows under the same rules."""

    model: ModelConfig
    task: Task
    max_length_tokens: int | None


DEFAULT_DATA = DataConfig()
DEFAULT_TEACHING = Teaching(ModelConfig(), Chat(), None)


@dataclass(frozen=True)
class Selection:
    """What one browser tab looks at. Small and frozen: Gradio copies it, and notices a change by its hash."""

    data: DataConfig = DEFAULT_DATA
    run: str | None = None
    teaching: Teaching = DEFAULT_TEACHING
    wish: tuple[tuple[str, Any], ...] = ()
    """Values another tab proposes for the Train form, by dotted name; the form takes each new wish once."""
    beside: tuple[str, ...] = ()
    """Ids of runs whose curves are laid over that of `run`."""
    opened: bool = False
    """Whether the page has recalled what it looks at: as it opens the selection always changes, so whoever listens to
    it needs no `page.load` beside."""


@dataclass(frozen=True)
class Session:
    """Passed to every tab's `build`. A tab writes by returning a new Selection and listens to `selection.change`."""

    workspace: Workspace
    selection: gr.State
    tabs: gr.Tabs
    page: gr.Blocks


LABEL_MARK = re.compile(r'"translation_metadata\\*", *\\*"key\\*": *\\*"(\w[^"\\]*)')
"""A `label` in the JSON of a page; within a text its quotation marks are escaped."""


def translations(page: gr.Blocks) -> gr.I18n:
    """Every label drawn on the page in every language, for the browser to choose from.

    All of it travels with the page, so what only the server says (by `say`) is left out.
    """
    drawn = set(LABEL_MARK.findall(json.dumps(page.config["components"], default=str)))
    tables = {language: _table(language) for language in languages()}
    return gr.I18n(**{gradio_name(name): {key: table[key] for key in sorted(drawn)} for name, table in tables.items()})


def _table(language: str) -> dict[str, str]:
    table = {**sentences(DEFAULT_LANGUAGE), **sentences(language)}
    own = (*knobs(ExportConfig, "export."), *knobs(FusionConfig, "fusion."), *knobs(SearchConfig, "search."))
    for knob in (*knobs(RunConfig), *own):
        table[knob.name] = knob.label(language)
        table[f"{knob.name}.help"] = knob.info(language)
        table |= {
            f"{knob.name}={choice}": knob.choice_label(choice, language)
            for choice in (*knob.choices, *knob.suggestions)
        }
    return {_flat(key): text for key, text in table.items()}


def _flat(key: str) -> str:
    return key.replace(".", "__")  # the browser's library reads a dot as a step into a nested table


def label(key: str) -> Any:
    """A text of the page that the browser shows in its own language; for what is drawn before the page is served."""
    return gr.i18n.I18nData(_flat(key))


def language_of(request: gr.Request | None) -> str:
    """The language of a reader: the choice kept in a cookie, else what the browser asks for."""
    if request is None:
        return DEFAULT_LANGUAGE
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    return chosen if chosen in languages() else preferred_language(request.headers.get("accept-language"))


def bind(handler: Callable[..., Any], *fixed: Any) -> Callable[..., Any]:
    """`handler(*fixed, language, *values)` as an event listener.

    A ChatGuiError becomes a toast with its sentence; anything else is logged with its traceback and told in one plain
    sentence: the page's boundary. Generators stay generators. A handler with a parameter `reader` gets the name of who
    is logged in, empty without a login.
    """
    wants_reader = "reader" in inspect.signature(handler).parameters

    def more(request: gr.Request) -> dict[str, str]:
        return {"reader": getattr(request, "username", None) or ""} if wants_reader else {}

    if inspect.isgeneratorfunction(handler):

        def stream(request: gr.Request, *values: Any, **named: Any) -> Iterator[Any]:
            language = language_of(request)
            try:
                yield from handler(*fixed, language, *values, **named, **more(request))
            except ChatGuiError as error:
                raise toast(error.text(language)) from error
            except gr.Error:
                raise
            except Exception as error:
                raise _unexpected(handler, language) from error

        return stream

    def call(request: gr.Request, *values: Any, **named: Any) -> Any:
        language = language_of(request)
        try:
            return handler(*fixed, language, *values, **named, **more(request))
        except ChatGuiError as error:
            raise toast(error.text(language)) from error
        except gr.Error:
            raise
        except Exception as error:
            raise _unexpected(handler, language) from error

    return call


def toast(sentence: str) -> gr.Error:
    """What the page shows of an error."""
    return gr.Error(sentence, print_exception=False, title="ChatGUI")


def _unexpected(handler: Callable[..., Any], language: str) -> gr.Error:
    log.exception("%s failed", getattr(handler, "__name__", handler))
    return toast(say("page.unexpected", language))
