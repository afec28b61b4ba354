"""Pictures of smooth texture, and the way to the examination of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from drishtiksha.casefile import Provenance
from drishtiksha.media.evidence import Evidence
from drishtiksha.provenance import examine
from drishtiksha.settings import MediaLimits


@pytest.fixture
def look(limits: MediaLimits) -> Callable[..., Provenance]:
    """look(path, anchors=None): what is found in the file."""

    def examined(path: Path, anchors: Path | None = None) -> Provenance:
        return examine(Evidence.open(path, limits), limits, anchors)

    return examined


@pytest.fixture(scope="session")
def scene() -> Image.Image:
    """640 x 512, RGB: noise of several grain sizes, which has the spectrum of a photograph and was never compressed."""
    random = np.random.default_rng(5)
    image = np.zeros((512, 640, 3))
    for grain in (2, 4, 8, 16, 32, 64):
        coarse = random.normal(0, grain**0.9, (512 // grain, 640 // grain, 3)).astype(np.float32)
        image += cv2.resize(coarse, (640, 512), interpolation=cv2.INTER_CUBIC)
    return Image.fromarray(np.clip(128 + image, 20, 235).astype(np.uint8))
