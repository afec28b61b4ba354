"""From an array of importance to a captioned `Heatmap`."""

from __future__ import annotations

from typing import Literal

import numpy as np

from drishtiksha.contract import Sample
from drishtiksha.results import FaceBox, Heatmap, SampleScore

Method = Literal["gradcam", "occlusion", "attention", "time-frequency", "edits", "reliability"]

CAPTIONS: dict[Method, str] = {
    "gradcam": "Bright: the parts whose features raised this score most (Grad-CAM). Not a map of what was altered, and no proof.",
    "occlusion": "Bright: the parts whose covering lowers this score most (occlusion). Not a map of what was altered, and no proof.",
    "attention": "Bright: the parts that the network attended to. Not a map of what was altered, and no proof.",
    "edits": "Bright: where the picture differs from the rest as after an edit, as far as that is reliable. No proof.",
    "reliability": "Bright: where the map of edits can be relied on; dark: where it says nothing.",
    "time-frequency": "Bright: the times and pitches that raised this score most. Not a map of what was altered, and no proof.",
}


def to_heatmap(
    values: np.ndarray, sample: Sample, score: SampleScore, method: Method, *, face: int | None, region: FaceBox | None
) -> Heatmap:
    """`values`: (H, W) in [0, 1] over `region` (None: the whole picture) of the sample; `face` indexes `score.faces`."""
    shown = score.faces[face] if face is not None else None
    p_fake = shown.p_fake if shown else score.p_fake
    if p_fake is None:
        raise ValueError("a gap has no heatmap")
    return Heatmap.from_array(
        values,
        sample_index=sample.index,
        frame_index=sample.frame_index,
        time_s=sample.time_s,
        face_box=region,
        person=shown.person if shown else None,
        p_fake=p_fake,
        method=method,
        caption=CAPTIONS[method],
    )


def to_sound_heatmap(
    values: np.ndarray,
    sample: Sample,
    score: SampleScore,
    method: Method,
    *,
    span_s: tuple[float, float],
    top_hz: float,
) -> Heatmap:
    """`values`: (bins, frames) in [0, 1]; bins run from 0 Hz up to `top_hz`, frames over `span_s` of the recording."""
    if score.p_fake is None:
        raise ValueError("a gap has no heatmap")
    return Heatmap.from_array(
        values,
        sample_index=sample.index,
        time_s=span_s[0],
        end_s=span_s[1],
        top_hz=top_hz,
        p_fake=score.p_fake,
        method=method,
        caption=CAPTIONS[method],
    )


def normalise(values: np.ndarray) -> np.ndarray:
    """Cut at 0 and scaled to a maximum of 1; all zeros stay zeros. float32, same shape."""
    positive = np.maximum(values, 0.0).astype(np.float32)
    highest = float(positive.max(initial=0.0))
    return positive / highest if highest > 0 else positive
