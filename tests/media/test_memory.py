"""Small files that unfold to a great deal: what decoding takes, measured in a process of its own.

Each is a share of the largest that is taken, and must stay within that share of 1.5 GB.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.attack import MOST_BYTES
from bench.bombs import BOMBS, PIXELS, SECONDS
from drishtiksha.settings import ROOT

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs the memory figures of Linux")

SHARE = 0.03
"""Of the limits: 1.5 megapixels, and video of 1312 x 736."""

MEASURE = """
import ctypes, gc, json, sys
from pathlib import Path
from bench.attack import memory, reset_peak
from drishtiksha.media.audio import read_audio
from drishtiksha.media.evidence import Evidence
from drishtiksha.media.image import read_image
from drishtiksha.media.video import iter_frames
from drishtiksha.provenance import examine
from drishtiksha.settings import MediaLimits

limits = MediaLimits()
ctypes.CDLL(None).mallopt(-3, 65536)  # M_MMAP_THRESHOLD: what is freed goes back at once, and is not counted with what follows

def unfold(path):
    evidence = Evidence.open(path, limits)
    examine(evidence, limits)
    if evidence.media.kind == "image":
        read_image(path, limits=limits)
    elif evidence.media.kind == "audio":
        read_audio(path, 48_000, limits=limits)
    else:
        with iter_frames(path, limits=limits) as frames:
            assert sum(1 for _ in frames) == 60

paths = [Path(name) for name in sys.argv[1:]]
took = {}
for path in [*paths, *paths]:  # the first time around, libraries are loaded
    gc.collect()
    before = reset_peak()
    unfold(path)
    took[path.name] = memory("VmHWM") - before
print(json.dumps(took))
"""


@pytest.mark.slow
def test_no_bomb_takes_more_than_its_share(tmp_path: Path) -> None:
    for name, write in BOMBS.items():
        write(tmp_path / name, SHARE)
        assert (tmp_path / name).stat().st_size < 11_000_000
    paths = sorted(map(str, tmp_path.iterdir()))
    told = subprocess.run([sys.executable, "-c", MEASURE, *paths], cwd=ROOT, capture_output=True, check=True)
    took = json.loads(told.stdout)
    assert took.keys() == BOMBS.keys()
    assert {name: value for name, value in took.items() if value > SHARE * MOST_BYTES} == {}
    assert took["picture.webp"] < 26 * SHARE * PIXELS, "the second look for damage keeps no decoder of the first"
    assert took["silence.flac"] < 2.3 * SHARE * SECONDS * 48_000 * 4, "joined once, and clipped in place"
