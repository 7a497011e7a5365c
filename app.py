"""Start the page: `python app.py` is `chatgui ui`. Spaces and `gradio app.py` look for `demo`."""

import sys
from pathlib import Path

from chatgui.cli import home_of, main
from chatgui.export.space import RUNS, take_in
from chatgui.ui.app import make_demo

home = home_of(sys.argv[1:])
take_in(Path(__file__).with_name(RUNS), home)
demo = make_demo(home)

if __name__ == "__main__":
    raise SystemExit(main(["ui", *sys.argv[1:]]))
