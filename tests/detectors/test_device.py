"""Freed memory is kept for the next layer, up to a bound."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

MEASURE = """
import sys
import numpy as np
from drishtiksha.detectors.device import keep_freed_memory

def resident_mib():
    return int(open("/proc/self/status").read().split("VmRSS:")[1].split()[0]) / 1024

if sys.argv[1] == "keep":
    keep_freed_memory()
    keep_freed_memory()
before = resident_mib()
blocks = [np.ones(int(sys.argv[2]) << 17) for _ in range(int(sys.argv[3]))]
del blocks
print(resident_mib() - before)
"""


def kept_mib(how: str, block_mib: int, blocks: int) -> float:
    command = [sys.executable, "-c", MEASURE, how, str(block_mib), str(blocks)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives freed blocks back at once")
def test_blocks_of_a_layer_stay_and_no_more_than_the_bound():
    assert kept_mib("as it is", block_mib=100, blocks=1) < 20
    assert kept_mib("keep", block_mib=100, blocks=1) > 80
    assert kept_mib("keep", block_mib=100, blocks=5) < 300
    assert kept_mib("keep", block_mib=200, blocks=1) < 20
