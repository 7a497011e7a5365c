"""A process that has its imports done and forks a worker for each run folder it reads: many workers, one start.

What a fork does is what `python -m chatgui.runs.worker` does after its imports.
"""

import os
import signal
import sys
from pathlib import Path


def main() -> None:
    from chatgui.runs.worker import import_ahead, train_in_place

    import_ahead()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are collected at once
    print("ready", flush=True)
    for line in sys.stdin:
        if pid := os.fork():
            print(pid, flush=True)
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os._exit(train_in_place(Path(line.strip())))


if __name__ == "__main__":
    main()
