"""Cases for the tests of reports: hand-made ones in every respect, and a real one with its evidence."""

from __future__ import annotations

from typing import Any

import sample_results

from drishtiksha.casefile import (
    CaseFile,
    Confidence,
    CredentialState,
    HumanVerdict,
    PinnedNote,
    Provenance,
    ProvenanceFinding,
    Review,
    StressPoint,
    StressResult,
)
from drishtiksha.results import AnalysisResult, Grade, Prediction, RunProvenance

CASE_ID = "0123456789abcdef" * 2
HINDI, ARABIC, EMOJI = "दृष्टिक्षा", "تحقق من الفيديو", "🎭🧐"
QUESTION = "Is the minister in this clip really the minister? It came by a messenger at 9 in the morning."


def provenance(result: AnalysisResult, evidence: str, **card: str) -> RunProvenance:
    config = result.provenance.config | {"evidence": evidence, "batch_size": 16} | card
    return result.provenance.model_copy(update={"config": config})


def blend() -> AnalysisResult:
    result = sample_results.result()
    card = {
        "description": "Finds faces that were blended into another picture.",
        "looks_at": "texture of faces",
        "limits": "Faces that were made whole.",
        "trained_on": "Self-blended portraits.",
        "measured": "AUC 0.81 on faces kept out.",
        "paper": "Shiohara & Yamasaki, CVPR 2022",
    }
    return result.model_copy(update={"provenance": provenance(result, "face texture", **card)})


def spectrum(media: Any) -> AnalysisResult:
    """A second detector, of another kind of evidence, that finds nothing in the same file."""
    scores = tuple(
        sample_results.sample(i, p=0.1 + 0.01 * i, time_s=i * 2.0, end_s=i * 2.0 + 2.0, frame_index=None)
        for i in range(4)
    )
    result = sample_results.result(
        model_name="VOICE-SPOOF-LITE-V1",
        media=media,
        prediction=Prediction.REAL,
        grade=Grade.NONE_FOUND,
        p_fake=0.12,
        confidence=0.88,
        reason="The score 0.12 is at or below 0.35: nothing this detector looks for was found.",
        coverage=1.0,
        scores=scores,
        people=(),
        heatmaps=(),
    )
    return result.model_copy(update={"provenance": provenance(result, "sound spectrum")})


def review(number: int, reviewer: str, verdict: HumanVerdict, **fields: Any) -> Review:
    fields = {"confidence": Confidence.HIGH, "made_utc": f"2026-11-23T13:0{number}:00+00:00"} | fields
    return Review(review_id=number, case_id=CASE_ID, reviewer=reviewer, verdict=verdict, **fields)


def stress(baseline: AnalysisResult) -> StressResult:
    def point(label: str, strength: float, p_fake: float, prediction: Prediction, grade: Grade) -> StressPoint:
        flips = prediction is not baseline.prediction
        facts = {"prediction": prediction, "grade": grade, "p_fake": p_fake, "coverage": 1.0, "flips": flips}
        return StressPoint(kind="h264", label=label, strength=strength, **facts)

    points = (
        point("H.264 CRF 23", 23, 0.75, Prediction.FAKE, Grade.MODERATE),
        point("H.264 CRF 35", 35, 0.41, Prediction.INCONCLUSIVE, Grade.INCONCLUSIVE),
    )
    return StressResult(
        model_name=baseline.model_name,
        sha256=baseline.media.sha256,
        baseline=baseline,
        points=points,
        low=0.41,
        high=0.78,
        sentences=("The verdict 'evidence of manipulation' held under 1 of 2 changes.", "It turns under H.264 CRF 35."),
        seconds=4.0,
    )


def origin() -> Provenance:
    def finding(title: str, notable: bool) -> ProvenanceFinding:
        return ProvenanceFinding(
            kind="encoder",
            title=title,
            detail="The encoder names itself as Lavf61.1.100.",
            tells="The file went through FFmpeg after it was recorded.",
            does_not_tell="Whether anything in it was changed: messengers and editors do the same.",
            notable=notable,
        )

    return Provenance(
        credentials=CredentialState.ABSENT,
        findings=(finding("No thumbnail", False), finding("Re-encoded", True)),
        fields={"Exif.Model": "SM-G991B", "handler_name": f"VideoHandler <b>{HINDI}</b>"},
    )


def case(**changes: Any) -> CaseFile:
    """Everything that a case can have, with names and notes in several scripts."""
    first = blend()
    media = first.media
    notes = (
        PinnedNote(text=f"The jaw <script>alert(1)</script> jumps & blurs. {ARABIC} {EMOJI}", time_s=1.5, end_s=2.25),
        PinnedNote(text=HINDI, region=(10.0, 20.0, 30.0, 40.0)),
    )
    fields: dict[str, Any] = {
        "case_id": CASE_ID,
        "opened_utc": "2026-11-23T11:59:00+00:00",
        "question": QUESTION,
        "media": media,
        "provenance": origin(),
        "results": (first, spectrum(media)),
        "stress": (stress(first),),
        "reviews": (
            review(1, "Asha", HumanVerdict.UNCLEAR, confidence=Confidence.LOW),
            review(2, f"{HINDI} & Co", HumanVerdict.MANIPULATED, notes=notes, tags=("lips", ARABIC)),
            review(3, "Asha", HumanVerdict.MANIPULATED),
        ),
    }
    return CaseFile(**(fields | changes))
