import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from chatgui import devices
from tests.conftest import ROOT


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name which prints what the file beside it holds, and fails without one."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nexec /bin/cat {tmp_path}/answer\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    devices._nvidia_smi.cache_clear()
    return tmp_path / "answer"


@pytest.fixture(autouse=True)
def look_again() -> None:
    devices._nvidia_smi.cache_clear()


def test_without_a_gpu_it_is_the_cpu_with_the_machines_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    device = devices.device()
    assert device.name.startswith("CPU (")
    assert device.total_memory_bytes == psutil.virtual_memory().total
    assert 0 < device.free_memory_bytes <= device.total_memory_bytes


@pytest.mark.parametrize(
    "files",
    [
        {"memory.max": "1000000", "memory.current": "700000", "memory.stat": "anon 500000\ninactive_file 100000\n"},
        {"memory/memory.limit_in_bytes": "1000000", "memory/memory.usage_in_bytes": "700000",
         "memory/memory.stat": "cache 5\ntotal_inactive_file 100000\n"},
    ],
)  # fmt: skip
def test_a_container_has_what_its_group_leaves_it(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(devices, "GROUP", tmp_path)
    assert devices.memory() == (1_000_000, 400_000)


@pytest.mark.parametrize("limit", ["max", "9223372036854771712"])
def test_a_group_without_a_limit_has_the_machines_memory(
    limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("memory.max", limit), ("memory.current", "5"), ("memory.stat", "anon 5\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(devices, "GROUP", tmp_path)
    total, free = devices.memory()
    assert total == psutil.virtual_memory().total and 0 < free < total


def test_the_first_gpu_is_named_with_its_memory(nvidia_smi: Path) -> None:
    nvidia_smi.write_text("NVIDIA H100, 81559, 81000\nNVIDIA T4, 15360, 15000\n", encoding="utf-8")
    assert devices.device() == devices.Device("NVIDIA H100", 81559 * 2**20, 81000 * 2**20)


@pytest.mark.parametrize("answer", [None, "", "No devices were found\n", "Tesla, [N/A], [N/A]\n"])
def test_a_driver_without_a_usable_gpu_leaves_the_cpu(nvidia_smi: Path, answer: str | None) -> None:
    if answer is not None:
        nvidia_smi.write_text(answer, encoding="utf-8")
    assert devices.device().name.startswith("CPU (")


def test_the_device_is_known_without_importing_torch() -> None:
    code = "import sys; from chatgui.devices import device; device(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
