"""Which process is which, whatever the clock does. Knows nothing of runs."""

import os
from functools import cache
from pathlib import Path

import psutil


def started(pid: int | None = None) -> str | None:
    """A mark of the process (this one by default) that no other process gets; None when there is none alive.

    On Linux the kernel's count of ticks from the start of the machine to the start of the process (proc(5), stat,
    field 22) with the id of that start: a wall clock that is set never touches them, while the start *time* that is
    worked out from them moves with it. Elsewhere the kernel itself keeps the start time.
    """
    number = os.getpid() if pid is None else pid
    boot = _boot()
    if boot is None:
        return _start_time(number)
    try:
        text = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()  # the name before it may hold blanks and brackets
    return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def _start_time(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else repr(process.create_time())
    except psutil.Error:
        return None


@cache
def _boot() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
    except OSError:
        return None
