"""The page: TABS, the status line above them, and the server around it."""

import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import gradio as gr

from chatgui.config import RunConfig
from chatgui.data.load import DataConfig
from chatgui.errors import ChatGuiError, ConfigError
from chatgui.fields import build as build_config
from chatgui.fields import knobs
from chatgui.runs.store import home_folder
from chatgui.runs.workspace import Workspace
from chatgui.server import LOOPBACK, may_serve, router
from chatgui.ui import live, space, zero_gpu
from chatgui.ui.moving import PLOTLY
from chatgui.ui.session import QUIET, Selection, Session, bind, label, translations
from chatgui.ui.tabs import apply, chat, dataset, review, runs, train, trial
from chatgui.ui.theme import STYLE, head, theme

TABS: tuple[ModuleType, ...] = (dataset, train, chat, trial, review, apply, runs)
OPEN_TABS: tuple[ModuleType, ...] = (chat, review)
"""Those of a page that is for review only: what is not there can be called by nobody."""
UPLOAD_LIMIT = "500mb"


class Page(gr.Blocks):
    """Lets a script leave out what the form may leave empty; Gradio calls a field without a value required."""

    def get_api_info(self, *arguments: Any, **named: Any) -> Any:
        """Gradio's description of the endpoints, as `gradio_client` reads it."""
        info: Any = super().get_api_info(*arguments, **named)
        optional = {knob.name for knob in knobs(RunConfig) if knob.optional}
        for endpoint in info["named_endpoints"].values():
            for parameter in endpoint["parameters"]:
                parameter["parameter_has_default"] |= parameter["parameter_name"] in optional
        return info


def build(workspace: Workspace) -> gr.Blocks:
    """The whole page over one workspace."""
    with Page(title="ChatGUI", analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400)) as page:
        page.space_id = None  # Gradio's header of a Space asks huggingface.co and Google's fonts; nobody is asked here
        selection = gr.State(Selection())
        remembered = gr.BrowserState({}, storage_key="chatgui", secret="chatgui")  # both fixed, or a restart forgets
        status = live.status_line(workspace)
        shown = OPEN_TABS if workspace.review_only else TABS
        if workspace.review_only:
            gr.Markdown(label("space.review_only"), elem_id="review-only")
            space.draw_refusals(workspace)
        with gr.Tabs(selected=shown[0].__name__.rpartition(".")[2], elem_id="tabs") as tabs:
            session = Session(workspace, selection, tabs, page)
            for tab in shown:
                name = tab.__name__.rpartition(".")[2]
                with gr.Tab(label(tab.TITLE), id=name, elem_id=f"tab-{name}", render_children=True):
                    tab.build(session)
        status.open_run(bind(_open_live_run, workspace), selection, [selection, tabs], **QUIET)
        page.load(bind(_restore, workspace), [selection, remembered], selection, **QUIET)
        selection.change(_remember, selection, remembered, **QUIET)
    return page


def _restore(workspace: Workspace, language: str, selection: Selection, remembered: Any) -> Selection:
    """A page that opens, or opens again: the data it had, and the run that is live, else the newest one."""
    runs = workspace.runs()
    run = workspace.live_run() or (runs[0] if runs else None)
    try:
        data = build_config(DataConfig, (remembered or {}).get("data") or {})
        workspace.check_source(data)
    except ChatGuiError:  # written by another version, or the file is gone
        data = selection.data
    return replace(selection, data=data, run=run.id if run else None, opened=True)


def _remember(selection: Selection) -> dict[str, Any]:
    return {"data": selection.data.model_dump(mode="json")}


def _open_live_run(workspace: Workspace, language: str, selection: Selection) -> tuple[Selection, Any]:
    run = workspace.live_run()
    return replace(selection, run=run.id) if run else selection, gr.Tabs(selected="train")


def make_demo(home: Path | None = None) -> gr.Blocks:
    """The page over a home (the usual one by default), not yet served."""
    return _open(home or home_folder(), space.open_to_all(None))[1]


@lru_cache
def _open(home: Path, review_only: bool) -> tuple[Workspace, gr.Blocks]:
    workspace = Workspace(
        home, data_folders=() if space.here() else None, review_only=review_only, trainer=zero_gpu.trainer()
    )
    return workspace, build(workspace)


def launch_options(page: gr.Blocks) -> dict[str, Any]:
    """What every launch of the page has in common."""
    return {
        "theme": theme(), "css_paths": STYLE, "head": head(), "i18n": translations(page), "footer_links": [],
        "run_history": False, "enable_monitoring": False, "ssr_mode": False, "quiet": True,
        "max_file_size": UPLOAD_LIMIT, "allowed_paths": [str(PLOTLY)],
    }  # fmt: skip


def serve(
    home: Path, host: str = "127.0.0.1", port: int = 7860, auth: str | None = None, data_folders: Sequence[Path] = (),
    review_only: bool = False,
) -> None:  # fmt: skip
    """Open the workspace and serve its page until interrupted.

    With a login, as on a Space, the page reads only samples, uploads and `data_folders`; so it does when these are
    given. Without, it is for whoever sits at the machine and may read all of their files. With `review_only`, and on a
    Space without a login, everybody may chat, compare and vote, and nothing else.

    Raises ConfigError for an address that others can reach without a login, and RunError for a home that cannot be
    written.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    on_space = space.here()
    auth = auth or os.environ.get("CHATGUI_AUTH")  # a Space keeps it as a secret
    review_only = review_only or space.open_to_all(auth)
    if host not in LOOPBACK and not (auth or review_only):
        raise ConfigError("page.needs_auth", host=host)
    if auth and ":" not in auth:
        raise ConfigError("page.bad_auth")
    workspace, page = _open(home, review_only)
    if auth or on_space or review_only or data_folders:
        workspace.data_folders = tuple(data_folders)
    if not review_only:
        workspace.training.start()
    try:
        web, _, _ = page.queue(max_size=64, default_concurrency_limit=4).launch(
            server_name="0.0.0.0" if on_space else host, server_port=port,
            auth=tuple(auth.split(":", 1)) if auth else None, prevent_thread_lock=True, **launch_options(page),
            **(space.CLOSED if review_only else {}),
        )  # fmt: skip
    except OSError as error:
        workspace.training.close()
        raise ConfigError("page.port_taken", port=port) from error
    keys = [key for key in (os.environ.get("CHATGUI_API_KEY"),) if key]
    if may_serve("0.0.0.0" if on_space else host, keys):  # Gradio's login does not cover it: off loopback, only by key
        web.include_router(router(workspace, keys))
    print(f"ChatGUI: {page.local_url}   ({home})", flush=True)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    try:
        page.block_thread()
    finally:
        workspace.training.close()
