"""What the server answers beside the shared models: errors, lists, readiness."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from drishtiksha.casefile import CaseFile, EvidenceKind, HumanVerdict
from drishtiksha.detector_config import LicenceClass
from drishtiksha.errors import without_server_paths
from drishtiksha.registry import ModelStatus, State
from drishtiksha.results import Grade, MediaInfo, Prediction

Responses = dict[int | str, dict[str, Any]]
"""Status -> how the OpenAPI document describes it."""


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ErrorBody(_Body):
    """Every refusal and failure."""

    error: str = Field(description="the kind, for programs: `media_limit`, `case_gone`, ...")
    message: str = Field(description="what happened and what to do, for people")


class ModelCard(_Body):
    """A configured model and whether it can be used."""

    name: str
    state: State
    embedded: bool = Field(description="it ships with the project")
    evidence: EvidenceKind
    description: str
    picture: bool
    video: bool
    sound: bool
    video_with_sound: bool
    looks_at: str
    limits: str
    trained_on: str
    measured: str
    paper: str
    licence: str
    licence_class: LicenceClass
    experimental: bool
    retired: bool
    remedy: str | None = Field(description="what to do when it is missing or broken")

    @classmethod
    def of(cls, status: ModelStatus) -> ModelCard:
        config = status.config
        same = ("evidence", "description", "looks_at", "limits", "trained_on", "measured", "paper")
        return cls(
            name=status.name,
            state=status.state,
            embedded=status.embedded,
            picture=config.isImage,
            video=config.isVideo,
            sound=config.isAudio,
            video_with_sound=config.isMultiModal,
            licence=status.licence,
            licence_class=status.licence_class,
            experimental=config.experimental,
            retired=config.retired,
            remedy=without_server_paths(status.remedy) if status.remedy else None,
            **{name: getattr(config, name) for name in same},
        )


class ModelAnswer(_Body):
    """What one model says of a case, in short."""

    model_name: str
    prediction: Prediction
    grade: Grade
    p_fake: float | None
    coverage: float


class CaseSummary(_Body):
    """A case in a list; `/api/cases/{case_id}` has everything."""

    case_id: str
    opened_utc: str
    owner: str
    question: str
    media: MediaInfo
    answers: tuple[ModelAnswer, ...]
    human_verdict: HumanVerdict | None = Field(description="overrides what the models say")
    reviews: int

    @classmethod
    def of(cls, case: CaseFile) -> CaseSummary:
        return cls(
            case_id=case.case_id,
            opened_utc=case.opened_utc,
            owner=case.owner,
            question=case.question,
            media=case.media,
            answers=tuple(
                ModelAnswer(
                    model_name=r.model_name,
                    prediction=r.prediction,
                    grade=r.grade,
                    p_fake=r.p_fake,
                    coverage=r.coverage,
                )
                for r in case.results
            ),
            human_verdict=case.human_verdict,
            reviews=len(case.reviews),
        )


class Alive(_Body):
    """The process answers, and how its workers are."""

    alive: bool = True
    version: str
    workers: str = Field(description="`ok`, or what is wrong; jobs wait meanwhile")


class Readiness(_Body):
    """Whether an analysis can be done now, and if not, why."""

    ready: bool
    database: str = Field(description="`ok`, or what is wrong")
    workers: str = Field(description="`ok`, or what is wrong")


def gone(what: str) -> Responses:
    """404 for a case or job."""
    return {404: {"model": ErrorBody, "description": f"no such {what}, or it is somebody else's"}}
