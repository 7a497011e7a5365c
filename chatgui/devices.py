"""What this machine has to compute with, told without importing torch, which takes seconds."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache

import psutil

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
    memory = psutil.virtual_memory()
    return _gpu() or Device(f"CPU ({_cores()})", memory.total, memory.available)


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
