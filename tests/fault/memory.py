"""Read how much memory a process holds, from Linux's /proc: no sampling, the kernel keeps peaks."""

import re
from pathlib import Path

import pytest

MIB = 1_048_576


def rss_bytes(pid: int) -> int:
    """Return what a process holds now."""
    return _status(pid, "VmRSS")


def peak_rss_bytes(pid: int) -> int:
    """Return the most it held since it began, or since `forget_peak`."""
    return _status(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Let the peak begin anew at what is held now."""
    (_proc(pid) / "clear_refs").write_text("5")


def _status(pid: int, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", (_proc(pid) / "status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def _proc(pid: int) -> Path:
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("memory is measured by Linux's /proc")
    return Path(f"/proc/{pid}")


class Flatness:
    """How much several processes grow from one moment on."""

    def __init__(self, pids: dict[str, int]) -> None:
        """Begin now."""
        self._pids = pids
        self._before = {name: rss_bytes(pid) for name, pid in pids.items()}
        for pid in pids.values():
            forget_peak(pid)

    def growth_mib(self) -> dict[str, float]:
        """Return by how much each one's peak lies above what it held in the beginning."""
        return {
            name: round(max(0, peak_rss_bytes(pid) - self._before[name]) / MIB, 1)
            for name, pid in self._pids.items()
        }
