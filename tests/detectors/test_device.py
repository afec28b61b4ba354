"""Freed memory is kept for the next layer, up to a bound; bfloat16 is for processors that compute it."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest
import torch
from detector_kit import ENCODER, stand_in_weights

from drishtiksha.detectors.antideepfake import AntiDeepfakeDetector
from drishtiksha.detectors.device import has_bfloat16
from drishtiksha.settings import load_settings

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


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives freed blocks back at once")
def test_blocks_of_a_layer_stay_and_no_more_than_the_bound():
    assert kept_mib("as it is", block_mib=100, blocks=1) < 20
    assert kept_mib("keep", block_mib=100, blocks=1) > 80
    assert kept_mib("keep", block_mib=100, blocks=5) < 300
    assert kept_mib("keep", block_mib=200, blocks=1) < 20


@pytest.mark.parametrize(
    ("abilities", "computes"),
    [
        ({"avx2": True, "avx512_f": False, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": True, "amx_bf16": False}, True),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": True, "amx_bf16": True}, True),
        ({}, False),
    ],
    ids=["avx2", "avx512", "avx512_bf16", "amx", "unknown"],
)
def test_bfloat16_is_chosen_only_where_the_processor_computes_it(abilities, computes, monkeypatch, tmp_path):
    """Elsewhere it is emulated, 6 to 26 times slower than float32."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: abilities)
    assert has_bfloat16(torch.device("cpu")) is computes
    path = stand_in_weights(AntiDeepfakeDetector, tmp_path / "w.pt", **ENCODER)
    fields = {"class_name": "", "description": "", "model_path": path, "device": "cpu", "dtype": "bfloat16", **ENCODER}
    network = AntiDeepfakeDetector(AntiDeepfakeDetector.Config(**fields)).load().network
    layer = network.encoder.model.encoder.layers[0].feed_forward.intermediate_dense
    assert (layer.weight.dtype is torch.bfloat16) is computes


def test_entries_in_bfloat16_say_what_it_moved():
    """And those where it moved a score by more than 0.01 with stand-in weights stay in float32."""
    chosen = {name for name, entry in load_settings().models.items() if entry.get("dtype") == "bfloat16"}
    assert chosen == {
        "MFF-MOE-V1",
        "GEND-CLIP-L14",
        "GEND-PE-L",
        "GEND-DINOV3-L",
        "ANTIDEEPFAKE-W2V-LARGE",
        "ANTIDEEPFAKE-MMS-300M",
    }
