"""`python -m chatgui` is `chatgui`."""

from chatgui.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
