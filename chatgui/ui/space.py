"""What is different on a Hugging Face Space.

A page that everybody may open is for review only: chat, compare and vote. What is left out of the page cannot be
called; scripts that call the endpoints of the whole page get a sentence. A page behind a login may upload to the hub
in the name of whoever signs in there. What ZeroGPU asks for is in `zero_gpu`.
"""

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from chatgui.runs.workspace import Workspace
from chatgui.text import languages, preferred_language, say
from chatgui.ui.form import Form
from chatgui.ui.session import bind


def here() -> bool:
    """Whether this is a Hugging Face Space."""
    return "SPACE_ID" in os.environ


def open_to_all(auth: str | None) -> bool:
    """Whether the page is for review only because everybody can reach it: a Space without a login."""
    return here() and not (auth or os.environ.get("CHATGUI_AUTH"))


class NoUploads:
    """Answers every upload with the sentence, before a byte of it is read."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].rstrip("/").endswith("/upload"):
            return await self.app(scope, receive, send)
        language = preferred_language(Request(scope).headers.get("accept-language"))
        refusal = JSONResponse({"error": say("space.review_only", language)}, status_code=403)
        return await refusal(scope, receive, send)


CLOSED: dict[str, Any] = {
    "app_kwargs": {"middleware": [Middleware(NoUploads)]},
    "css": "#review-panel :is(.train-on, .open-in, .score-make, .empty > button) { display: none }",
}
"""Options of a launch for review only."""


OAUTH = ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL")
"""What a Space finds in its environment when its README says `hf_oauth: true`."""


def can_sign_in() -> bool:
    """Whether visitors may sign in with their account of the hub. Gradio's routes for it need authlib."""
    on_space = here() and os.environ.get("SYSTEM") == "spaces"
    return on_space and all(os.environ.get(name) for name in OAUTH) and find_spec("authlib") is not None


def sign_in_button() -> gr.LoginButton:
    """Its script compares what stands on it with what stood there, so that it reads the same in every language."""
    enter, leave = (" · ".join(say(key, language) for language in languages()) for key in ("hub.sign_in", "hub.leave"))
    return gr.LoginButton(enter, f"{leave} ({{}})", size="sm", elem_id="hub-sign-in")


def signed_in(listener: Callable[..., Any]) -> Callable[..., Any]:
    """A generator of `bind` that also gets the token of who has signed in, empty without one, as `account`."""

    def stream(request: gr.Request, login: gr.OAuthToken | None, **named: Any) -> Iterator[Any]:
        yield from listener(request, **named, account=login.token if login else "")

    return stream


def draw_refusals(workspace: Workspace) -> None:
    """The endpoints of the whole page that change anything, under their names and parameters, which only refuse."""

    def refuse(language: str, **values: Any) -> None:
        workspace.must_be_whole()

    with gr.Column(visible=False):
        form = Form()
        form.draw(lambda knob: True)
        source: dict[str, Any] = {"source": gr.Textbox(label="source"), "format": gr.Textbox("auto", label="format")}
        run: dict[str, Any] = {"run": gr.Textbox(label="run"), "discard": gr.Checkbox(label="discard")}
        endpoints: dict[str, Any] = {"start_run": form.components, "load_dataset": source, "stop_run": run}
        for name, inputs in endpoints.items():
            gr.Button().click(bind(refuse), inputs_kwargs=inputs, outputs=None, api_name=name)
