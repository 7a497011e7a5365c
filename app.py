"""Start the page: `python app.py` is `chatgui ui`. Spaces and `gradio app.py` look for `demo`."""

import sys

from chatgui.cli import main
from chatgui.ui.app import make_demo

demo = make_demo()

if __name__ == "__main__":
    raise SystemExit(main(["ui", *sys.argv[1:]]))
