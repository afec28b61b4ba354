"""The pixels of the most suspicious moments, decoded again from the evidence itself."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image

from drishtiksha.media.evidence import Evidence
from drishtiksha.media.image import read_image
from drishtiksha.media.video import frames_at
from drishtiksha.render.findings import Finding, compose, findings
from drishtiksha.results import AnalysisResult, MediaKind
from drishtiksha.settings import MediaLimits

QUALITY = 88
"""Of the JPEG files."""


def write_moments(evidence: Evidence, result: AnalysisResult, folder: Path, limits: MediaLimits) -> list[Path]:
    """One JPEG per moment, most suspicious first: the frame with boxes, beside it the face and its heatmap.

    Named after the first eight digits of the file's SHA-256, so that several files can share `folder`.
    """
    found = findings(result)
    pixels = moment_pixels(evidence, found, limits)
    folder.mkdir(parents=True, exist_ok=True)
    model = re.sub(r"[^\w.-]", "_", result.model_name)
    paths = []
    for number, finding in enumerate(f for f in found if f.frame_index in pixels):
        path = folder / f"{result.media.sha256[:8]}-{model}-{number + 1}.jpg"
        Image.fromarray(compose(pixels[finding.frame_index], finding, result)).save(path, quality=QUALITY)
        paths.append(path)
    return paths


def moment_pixels(evidence: Evidence, found: list[Finding], limits: MediaLimits) -> dict[int, np.ndarray]:
    """Frame index (0 for a picture) to uint8 RGB (H, W, 3); frames that can no longer be decoded are left out."""
    if not found:
        return {}
    if evidence.media.kind is MediaKind.IMAGE:
        return {0: read_image(evidence.path, limits=limits, name=evidence.media.name)}
    wanted = sorted({finding.frame_index for finding in found})
    with frames_at(evidence.path, wanted, limits=limits, name=evidence.media.name) as stream:
        return {frame.index: frame.image for frame in stream}
