"""How things are timed: medians in this process, or in fresh ones for start-up and peak memory."""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[1]


def median_s(work: Callable[[], object], repeats: int) -> float:
    """Median wall seconds of `work()` after one run that does not count."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def timed(work: Callable[[], T]) -> tuple[T, float, float]:
    """What `work()` gives, its wall seconds, and the processor seconds of all threads of this process meanwhile."""
    started, used = time.perf_counter(), time.process_time()
    given = work()
    return given, time.perf_counter() - started, time.process_time() - used


def fresh_process(code: str, repeats: int) -> float:
    """Median of the number that `code` prints last, each time in a new Python process, after one that warms the disk."""
    numbers = []
    for _ in range(repeats + 1):
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        numbers.append(float(done.stdout.split()[-1]))
    return statistics.median(numbers[1:])


def machine() -> str:
    """Processor, cores and memory of this machine, in a line."""
    import os

    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
        amx = "amx_bf16" in next((line for line in lines if line.startswith("flags")), "")
        model += " with AMX" if amx else ""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, no GPU used, Python {platform.python_version()}"


def alone(table: Callable[[int], str], about: str | None) -> None:
    """What a file of the bench does when it is run by itself: print its table; `--repeats N` counts."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--repeats", type=int, default=3)
    print(table(parser.parse_args().repeats))
