"""Files with bytes changed here and there: they are examined, or refused in words, and nothing else happens."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from media_factory import coded_frames, tone, write_audio, write_video
from PIL import Image

from drishtiksha.errors import MediaError
from drishtiksha.media.image import read_image
from drishtiksha.media.probe import probe
from drishtiksha.results import MediaKind
from drishtiksha.settings import MediaLimits

LIMITS = MediaLimits(stall_s=5)
TURNED = 6
"""EXIF orientation: a quarter turn clockwise."""


def picture(path: Path) -> Path:
    exif = Image.Exif()
    exif[0x0112], exif[0x0131] = TURNED, "a program"
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8))
    image.save(path, exif=exif)
    return path


def sample(kind: str, folder: Path) -> Path:
    path = folder / f"sample.{kind}"
    if kind == "wav":
        return write_audio(path, tone(0.5), 16_000)
    return write_video(path, coded_frames(8)) if kind == "mp4" else picture(path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tiff", "wav", "mp4"])
def test_whatever_is_changed_the_answer_is_a_file_or_a_sentence(kind, tmp_path):
    content, rng, path = sample(kind, tmp_path).read_bytes(), random.Random(kind), tmp_path / f"changed.{kind}"
    refused = []
    for turn in range(60):
        damaged = bytearray(content)
        reach = len(content) if turn % 2 else min(len(content), 3000)
        for _ in range(rng.choice([1, 3, 10, 60])):
            damaged[rng.randrange(reach)] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            info = probe(path, path.name, "0" * 64, LIMITS)
            if info.kind is MediaKind.IMAGE:
                read_image(path, limits=LIMITS)
        except MediaError as error:
            refused.append(str(error))
    assert refused or kind == "wav", "something was damaged"
    assert all(path.name in sentence for sentence in refused)


def test_a_picture_is_examined_without_its_damaged_camera_block(tmp_path):
    whole = picture(tmp_path / "whole.webp")
    assert (probe(whole, "whole.webp", "0" * 64, LIMITS).width, probe(whole, "w", "0" * 64, LIMITS).height) == (90, 120)
    content = whole.read_bytes()
    at = content.index(b"EXIF") + 8
    damaged = tmp_path / "damaged.webp"
    damaged.write_bytes(content[:at] + b"XX" + content[at + 2 :])
    info = probe(damaged, "damaged.webp", "0" * 64, LIMITS)
    assert (info.width, info.height, info.rotation_deg, info.encoder) == (120, 90, 0, None)
    assert read_image(damaged, limits=LIMITS).shape == (90, 120, 3)
