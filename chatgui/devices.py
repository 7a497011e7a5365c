"""What this machine has to compute with, told without importing torch, which takes seconds."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import psutil

GROUP = Path("/sys/fs/cgroup")
GROUP_FILES = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)
"""Where Linux says what a container may use and uses, control groups of version 2 and 1."""
THREADS = {"GOMP_SPINCOUNT": "1000"}
"""For torch on Linux, in every process that computes: threads that wait let go of their core soon, so that chat and
training do not stop each other where they share the cores (3.6 and 3.8 times as fast beside each other on two, and as
fast alone: tests/bench/spinning.py). Heard only by a process that has not yet loaded torch."""
LENT = "CHATGUI_GPU_IS_LENT"
"""In the environment of a process that ZeroGPU has lent its GPU to."""


def is_zero_gpu() -> bool:
    """Whether this is a Space whose GPU is lent by the call, and hidden from all processes that have not got it."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "true")


@dataclass(frozen=True)
class Device:
    """Name of the processor that trains, and the memory it has."""

    name: str
    total_memory_bytes: int
    free_memory_bytes: int


def device() -> Device:
    """The first NVIDIA GPU by nvidia-smi, else the CPU with the machine's memory, as they are now."""
    return _gpu() or Device(f"CPU ({_cores()})", *memory())


def memory() -> tuple[int, int]:
    """Bytes in all and free: the machine's, or those of the container where it has less (a Space, say)."""
    machine = psutil.virtual_memory()
    limit, used = _container()
    return min(machine.total, limit), max(0, min(machine.available, limit - used))


def _container() -> tuple[int, int]:
    """Bytes this container may use and uses, cached files that can be dropped not counted; no limit without one."""
    for limit, used, statistics, droppable in GROUP_FILES:
        try:
            most, now = (int((GROUP / name).read_text()) for name in (limit, used))
            rows = dict(line.split(maxsplit=1) for line in (GROUP / statistics).read_text().splitlines())
            return most, now - int(rows.get(droppable, 0))
        except (OSError, ValueError):  # the other version, or "max"
            continue
    return sys.maxsize, 0


def _gpu() -> Device | None:
    if not _nvidia_smi():
        return None
    query = ["--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    try:
        output = subprocess.run([_nvidia_smi(), *query], capture_output=True, text=True, timeout=5, check=True).stdout
        name, total, free = output.splitlines()[0].split(", ")
        return Device(name, int(total) * 2**20, int(free) * 2**20)
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


@lru_cache
def _nvidia_smi() -> str:
    return shutil.which("nvidia-smi") or ""


def _cores() -> int:
    return psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
