"""How many processes this machine bears."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_GROUP = Path("/sys/fs/cgroup")


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_bytes(group: Path = _GROUP, system: Path = Path("/proc/meminfo")) -> int | None:
    """Memory that can still be taken here, within the bounds of a container; None where that is not told."""
    known = [found for found in (_free_of_group(group), _free_of_system(system)) if found is not None]
    return min(known, default=None)


def peak_bytes(status: Path = Path("/proc/self/status")) -> int:
    """The most memory that this process has taken so far. `getrusage` would count what the process that started it took, too."""
    try:
        lines = status.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _free_of_system(system: Path) -> int | None:
    try:
        lines = system.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _free_of_group(group: Path) -> int | None:
    """None without a bound."""
    try:
        most, used = ((group / f"memory.{name}").read_text(encoding="ascii").strip() for name in ("max", "current"))
    except OSError:
        return None
    return max(0, int(most) - int(used)) if most.isdecimal() else None
