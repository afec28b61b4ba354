"""Hand-made results for tests of pictures, words and panels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from drishtiksha import scoring
from drishtiksha.casefile import CredentialState, Provenance, ProvenanceFinding
from drishtiksha.results import (
    AnalysisResult,
    FaceScore,
    GapReason,
    Grade,
    Heatmap,
    MediaInfo,
    MediaKind,
    PersonScore,
    Prediction,
    RunProvenance,
    SampleScore,
    Thresholds,
)

SHA = "ab" * 32


def media(**changes: Any) -> MediaInfo:
    facts: dict[str, Any] = {
        "name": "clip.mp4",
        "sha256": SHA,
        "size_bytes": 2_411_585,
        "kind": MediaKind.VIDEO,
        "container": "mp4",
        "duration_s": 9.2,
        "width": 640,
        "height": 360,
        "fps": 29.97,
        "video_codec": "h264",
        "audio_codec": "aac",
        "sample_rate": 48_000,
        "channels": 2,
    }
    return MediaInfo(**(facts | changes))


def provenance() -> RunProvenance:
    return RunProvenance(
        started_utc="2026-11-23T12:00:00Z",
        versions={"drishtiksha": "0.1.0", "torch": "2.14.1"},
        device="cpu",
        dtype="float32",
        checkpoint_sha256="cd" * 32,
        config={"class_name": "FaceBlendDetector"},
    )


def sample(index: int, p: float | None = None, gap: GapReason | None = None, **fields: Any) -> SampleScore:
    fields.setdefault("time_s", index * 0.5)
    fields.setdefault("frame_index", index * 15)
    return SampleScore(index=index, p_fake=p, gap=gap, **fields)


def heatmap(index: int, **fields: Any) -> Heatmap:
    rows, columns = np.mgrid[0:14, 0:14]
    values = np.exp(-((rows - 9) ** 2 + (columns - 6) ** 2) / 12)
    fields = {"face_box": (100.0, 60.0, 260.0, 240.0), "p_fake": 0.9, "method": "gradcam", "caption": "Face"} | fields
    return Heatmap.from_array(values, sample_index=index, frame_index=index * 15, time_s=index * 0.5, **fields)


def result(**changes: Any) -> AnalysisResult:
    """A clip of two people, the first suspicious, with a gap in the middle."""
    scores = []
    for index in range(18):
        if 7 <= index <= 10:
            scores.append(sample(index, gap=GapReason.NO_FACE))
            continue
        p = 0.7 + 0.2 * np.sin(index)
        faces = [FaceScore(face_box=(100, 60, 260, 240), p_fake=p, person=1)]
        if index > 10:
            faces.append(FaceScore(face_box=(380, 80, 500, 220), p_fake=0.2 + 0.02 * index / 18, person=2))
        scores.append(sample(index, p=max(face.p_fake for face in faces), faces=tuple(faces)))
    fields: dict[str, Any] = {
        "model_name": "FACE-BLEND-LITE-V1",
        "media": media(),
        "prediction": Prediction.FAKE,
        "grade": Grade.MODERATE,
        "p_fake": 0.78,
        "confidence": 0.78,
        "reason": "The score 0.78 is at or above 0.65, this detector's threshold for manipulation.",
        "coverage": 14 / 18,
        "thresholds": Thresholds(),
        "calibrated": True,
        "scores": tuple(scores),
        "people": (
            PersonScore(
                person=1, first_s=0, last_s=8.5, samples=14, p_fake=0.78, highest_p_fake=0.9, grade=Grade.MODERATE
            ),
            PersonScore(
                person=2, first_s=5.5, last_s=8.5, samples=7, p_fake=0.21, highest_p_fake=0.22, grade=Grade.NONE_FOUND
            ),
        ),
        "heatmaps": (heatmap(2), heatmap(14, person=1)),
        "processing_time": 4.2,
        "stage_seconds": {"decode": 1.0, "forward": 3.0},
        "provenance": provenance(),
    }
    made = AnalysisResult(**(fields | changes))
    return made if "odds" in changes else made.model_copy(update={"odds": odds(made)})


def odds(made: AnalysisResult) -> tuple[str, ...]:
    """What an analysis would say of the score's worth."""
    return scoring.odds(made.p_fake, made, made.error_rates, made.media.kind, calibrated=made.calibrated)


def no_face() -> AnalysisResult:
    return result(
        prediction=Prediction.INCONCLUSIVE,
        grade=Grade.INCONCLUSIVE,
        p_fake=None,
        confidence=None,
        gap=GapReason.NO_FACE,
        reason="No face was found, so there was nothing for this detector to judge.",
        coverage=0.0,
        scores=tuple(sample(index, gap=GapReason.NO_FACE) for index in range(18)),
        people=(),
        heatmaps=(),
    )


def clean_picture() -> AnalysisResult:
    return result(
        media=media(
            name="portrait.jpg",
            kind=MediaKind.IMAGE,
            container="jpeg",
            duration_s=None,
            fps=None,
            video_codec=None,
            audio_codec=None,
        ),
        prediction=Prediction.REAL,
        grade=Grade.NONE_FOUND,
        p_fake=0.12,
        confidence=0.88,
        reason="The score 0.12 is at or below 0.35: nothing this detector looks for was found.",
        coverage=1.0,
        scores=(
            sample(
                0,
                p=0.12,
                time_s=None,
                frame_index=None,
                faces=(FaceScore(face_box=(100, 60, 260, 240), p_fake=0.12),),
            ),
        ),
        people=(),
        heatmaps=(),
    )


def recording() -> AnalysisResult:
    """14 s of sound in windows of 4 s, with no speech in the middle."""
    scores = tuple(
        sample(
            index,
            p=None if index in (1, 2) else (0.5, 0.0, 0.0, 0.9, 0.7, 0.2)[index],
            gap=GapReason.NO_SPEECH if index in (1, 2) else None,
            time_s=index * 2.0,
            end_s=index * 2.0 + 4,
            frame_index=None,
        )
        for index in range(6)
    )
    values = np.zeros((32, 40))
    values[24:, 30:] = 1.0
    warm = Heatmap.from_array(
        values,
        sample_index=3,
        time_s=6.0,
        end_s=10.0,
        top_hz=8000,
        p_fake=0.9,
        method="time-frequency",
        caption="Bright.",
    )
    facts = {"name": "call.wav", "kind": MediaKind.AUDIO, "container": "wav", "duration_s": 14.0, "video_codec": None}
    return result(
        model_name="VOICE-SPOOF-LITE-V1",
        media=media(**facts, width=None, height=None, fps=None),
        coverage=4 / 6,
        scores=scores,
        people=(),
        heatmaps=(warm,),
    )


def finding(title: str, *, notable: bool = False) -> ProvenanceFinding:
    return ProvenanceFinding(
        kind="metadata",
        title=title,
        detail=f"Detail of {title}",
        tells="tells this",
        does_not_tell="does not tell that",
        notable=notable,
    )


def file_history(
    state: CredentialState = CredentialState.ABSENT, fields: Mapping[str, str] | None = None
) -> Provenance:
    """What a file says of itself: one ordinary finding and one that is notable."""
    return Provenance(
        credentials=state,
        findings=(finding("An ordinary note"), finding("A generator", notable=True)),
        fields=dict(fields or {"EXIF Make": "Maker"}),
    )
