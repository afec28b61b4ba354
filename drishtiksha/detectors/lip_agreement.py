"""What measured agreement of lips and voice says, in words. It never says that something is forged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drishtiksha.results import SampleScore, clock

AGREES, DISAGREES = 3.0, 1.5
"""Confidence from which lips and voice belong together, and under which they do not; proposals, nobody measured them."""
IN_STEP_MS = 80.0
"""By which they may be apart without being called shifted: two frames."""
LEAST_S = 4.0
"""Of stretches with speech and a face, before anything is said of disagreement."""
LIMITS = (
    "This measures and concludes nothing: it learned from genuine talking heads alone, and tools that make lips fit a voice are "
    "made to pass it."
)
TOGETHER = "The mouth moves with this voice. A lip-synced fake is made to look so too."
SHIFTED = (
    "The mouth moves with this voice, but the sound comes {:.0f} ms {} the lips: usually from cutting or recoding."
)
APART = (
    "No agreement between mouth and voice was found: dubbing, a voice-over, another speaker, or a replaced sound track. Genuine "
    "recordings of low quality can look so as well."
)
BREAKS = "Mouth and voice agree in some parts and not in others ({}): look and listen there."
UNCLEAR = "Whether the mouth moves with this voice is not clear."


def agreement_in_words(scores: Sequence[SampleScore]) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Metrics and sentences from stretches whose `measures` hold confidence, offset_ms and distance; none without any."""
    measured = [score for score in scores if "confidence" in score.measures]
    if not measured:
        return {}, ()
    values = {
        name: np.array([score.measures[name] for score in measured]) for name in ("confidence", "offset_ms", "distance")
    }
    sure = values["confidence"] >= AGREES
    offset_ms = float(np.median(values["offset_ms"][sure] if sure.any() else values["offset_ms"]))
    seconds = sum((score.end_s or 0.0) - (score.time_s or 0.0) for score in measured)
    metrics = {
        "stretches_measured": len(measured),
        "seconds_measured": round(seconds, 2),
        "sync_confidence": float(np.median(values["confidence"])),
        "sync_offset_ms": offset_ms,
        "sync_distance": float(np.median(values["distance"])),
    }
    return metrics, (_sentence(measured, values["confidence"], offset_ms, seconds), LIMITS)


def _sentence(measured: Sequence[SampleScore], confidence: np.ndarray, offset_ms: float, seconds: float) -> str:
    apart = confidence < DISAGREES
    if (confidence >= AGREES).any() and apart.any():
        spans = [
            f"{clock(score.time_s or 0.0)}-{clock(score.end_s or 0.0)}"
            for score, disagrees in zip(measured, apart, strict=True)
            if disagrees
        ]
        return BREAKS.format(", ".join(spans))
    if np.median(confidence) >= AGREES:
        way = "before" if offset_ms > 0 else "after"
        return TOGETHER if abs(offset_ms) <= IN_STEP_MS else SHIFTED.format(abs(offset_ms), way)
    return APART if apart.all() and seconds >= LEAST_S else UNCLEAR
