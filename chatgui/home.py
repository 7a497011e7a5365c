"""Where runs, uploads and caches lie."""

import os
from pathlib import Path


def home_folder(option: str | None = None) -> Path:
    """`--home`, else `$CHATGUI_HOME`, else the persistent disk of a Space, else `~/.chatgui`."""
    chosen = option or os.environ.get("CHATGUI_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path("/data/chatgui") if os.access("/data", os.W_OK) else Path.home() / ".chatgui"
