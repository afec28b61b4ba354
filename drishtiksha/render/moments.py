"""Pictures of the most suspicious moments, made again from the evidence itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from drishtiksha.media.evidence import Evidence
from drishtiksha.render.findings import Finding, compose, findings
from drishtiksha.render.spectrogram import draw_window
from drishtiksha.results import AnalysisResult, MediaKind, TrackScore
from drishtiksha.settings import MediaLimits

QUALITY = 88
"""Of the JPEG files."""
SOUND_RATE = 16_000
"""Hz: pitches up to 8 kHz are drawn, which holds what a voice is made of."""


def write_moments(evidence: Evidence, result: AnalysisResult, folder: Path, limits: MediaLimits) -> list[Path]:
    """One JPEG per moment, as `moment_pictures` draws it.

    Named after the first eight digits of the file's SHA-256, so that several files can share `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = re.sub(r"[^\w.-]", "_", result.model_name)
    paths = []
    for number, (_, picture) in enumerate(moment_pictures(evidence, result, limits), start=1):
        path = folder / f"{result.media.sha256[:8]}-{model}-{number}.jpg"
        Image.fromarray(picture).save(path, quality=QUALITY)
        paths.append(path)
    return paths


def moment_pictures(
    evidence: Evidence, result: AnalysisResult, limits: MediaLimits
) -> Iterator[tuple[Finding, np.ndarray]]:
    """Each moment with its picture, uint8 RGB (H, W, 3), the most suspicious first.

    Of a frame: its faces, beside it one of them and its heatmap. Of sound: its spectrogram, below it its heatmap. What can
    no longer be decoded is left out.
    """
    found = findings(result)
    if any(finding.is_sound for finding in found):
        yield from _sounds(evidence, found, limits, result.decided_by)
        return
    pixels = pixels_of(evidence, found, limits, result.decided_by)
    for finding in found:
        if finding.frame_index in pixels:
            yield finding, compose(pixels[finding.frame_index], finding, result)


def _sounds(
    evidence: Evidence, found: list[Finding], limits: MediaLimits, of: TrackScore | None
) -> Iterator[tuple[Finding, np.ndarray]]:
    waveform = evidence.reader(limits, of=of).sound(SOUND_RATE)
    for finding in found:
        picture = window_of(waveform, finding)
        if picture is not None:
            yield finding, picture


def window_of(waveform: np.ndarray, finding: Finding) -> np.ndarray | None:
    """The sound of a finding as a picture, uint8 RGB (H, W, 3); None where the recording has ended before it.

    waveform: all of the recording at `SOUND_RATE`.
    """
    start_s, end_s = finding.score.time_s or 0.0, finding.score.end_s
    part = waveform[round(start_s * SOUND_RATE) : None if end_s is None else round(end_s * SOUND_RATE)]
    return draw_window(part, SOUND_RATE, start_s, finding.heatmap) if part.size else None


def pixels_of(
    evidence: Evidence, found: Sequence[Finding], limits: MediaLimits, of: TrackScore | None = None
) -> dict[int, np.ndarray]:
    """Frame index (0 for a picture) to uint8 RGB (H, W, 3); frames that can no longer be decoded are left out. of: the track
    whose frames they are; None: the main one."""
    if not found:
        return {}
    if evidence.media.kind is MediaKind.IMAGE:
        return {0: evidence.reader(limits).picture()}
    wanted = sorted({finding.frame_index for finding in found})
    with evidence.reader(limits, of=of).frames_at(wanted) as stream:
        return {frame.index: frame.image for frame in stream}
