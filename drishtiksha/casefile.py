"""A case: evidence, what machines and people say of it, and where it came from. Frozen models that JSON round-trips.

The store keeps them, the desk shows them, a report is made from one `CaseFile` alone.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from drishtiksha.plaintext import readable
from drishtiksha.results import AnalysisResult, FaceBox, Frozen, GapReason, Grade, MediaInfo, Prediction

Seconds = tuple[float, float]
"""At least and at most so long."""


class EvidenceKind(StrEnum):
    """What kind of trace a detector judges. Two detectors of one kind agreeing is one piece of evidence, not two."""

    FACE_TEXTURE = "face texture"
    FACE_COLOUR = "face colour"
    BLINKING = "blinking"
    LIPS = "lips and voice"
    SPECTRUM = "sound spectrum"
    PICTURE = "whole picture"
    MOTION = "whole frames over time"
    EDITS = "local edits"


class LineKind(StrEnum):
    """The lines of an answer: what people ask of a file, each answered by the detectors that look there."""

    HISTORY = "file history"
    FACES = "faces"
    VOICE = "voice"
    LIPS = "lips and voice"
    PICTURE = "whole picture"
    MOTION = "motion over time"
    EDITS = "local edits"


LINE_OF: dict[EvidenceKind, LineKind] = {
    EvidenceKind.FACE_TEXTURE: LineKind.FACES,
    EvidenceKind.FACE_COLOUR: LineKind.FACES,
    EvidenceKind.BLINKING: LineKind.FACES,
    EvidenceKind.LIPS: LineKind.LIPS,
    EvidenceKind.SPECTRUM: LineKind.VOICE,
    EvidenceKind.PICTURE: LineKind.PICTURE,
    EvidenceKind.MOTION: LineKind.MOTION,
    EvidenceKind.EDITS: LineKind.EDITS,
}
"""The line that a kind of evidence belongs to, where a detector's configuration names no other."""


class HumanVerdict(StrEnum):
    GENUINE = "genuine"
    MANIPULATED = "manipulated"
    UNCLEAR = "unclear"


class Confidence(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class PinnedNote(Frozen):
    """A reviewer's remark, pinned to a time and, where given, to a region (xyxy px of the upright frame)."""

    text: Annotated[str, AfterValidator(readable)] = Field(min_length=1, max_length=4000)
    time_s: float | None = Field(default=None, ge=0)
    end_s: float | None = Field(default=None, ge=0)
    region: FaceBox | None = None


class Review(Frozen):
    """One reviewer's word at one moment. Reviews are only ever added; a reviewer's newest one counts."""

    review_id: int
    case_id: str
    reviewer: Annotated[str, AfterValidator(readable)]
    verdict: HumanVerdict
    confidence: Confidence
    notes: tuple[PinnedNote, ...] = ()
    tags: tuple[Annotated[str, AfterValidator(readable)], ...] = ()
    made_utc: str


class CredentialState(StrEnum):
    """Content Credentials (C2PA) of a file."""

    ABSENT = "absent"
    TRUSTED = "present and trusted"
    UNKNOWN_SIGNER = "present, signer unknown"
    BROKEN = "broken"


class ProvenanceFinding(Frozen):
    """One thing that the file says of itself, what that tells, and what it does not tell."""

    kind: Literal["credentials", "metadata", "encoder", "recompression", "structure", "thumbnail"]
    title: str
    detail: str
    tells: str
    does_not_tell: str
    notable: bool = Field(default=False, description="an examiner should look at this")
    sign: Grade | None = Field(
        default=None,
        description="weak, moderate or strong evidence that the file was generated or changed; None: nothing of the kind",
    )


class Provenance(Frozen):
    """Where a file says that it comes from. Nothing of it is proof by itself: anyone can change metadata."""

    credentials: CredentialState
    findings: tuple[ProvenanceFinding, ...] = ()
    fields: dict[str, str] = Field(default={}, description="EXIF, XMP and container fields as they stand in the file")


class StressPoint(Frozen):
    """The same evidence after one change, scored again."""

    kind: str = Field(description="jpeg, h264, downscale, crop, mirror, noise, audio codec, band limit, ...")
    label: str = Field(description="the change in words: 'JPEG quality 50'")
    strength: float = Field(description="ascending within a kind: from mild to strong")
    prediction: Prediction
    grade: Grade
    p_fake: float | None
    coverage: float
    gap: GapReason | None = None
    flips: bool = Field(description="the prediction differs from that of the untouched file")


class StressResult(Frozen):
    """Would this verdict survive? The band of scores over all changes, and in words what flips the verdict."""

    model_name: str
    sha256: str = Field(description="of the untouched evidence")
    baseline: AnalysisResult
    points: tuple[StressPoint, ...]
    low: float | None = Field(description="lowest p_fake of all points and the baseline")
    high: float | None
    sentences: tuple[str, ...]
    seconds: float


class CaseFile(Frozen):
    """Everything known of one case, newest result of each model; what a report or a bundle is made from."""

    case_id: str
    opened_utc: str
    owner: str = ""
    question: str = Field(default="", description="what was asked, in the words of whoever asked")
    media: MediaInfo
    provenance: Provenance | None = None
    results: tuple[AnalysisResult, ...] = ()
    stress: tuple[StressResult, ...] = ()
    reviews: tuple[Review, ...] = Field(default=(), description="all of them, oldest first")

    @property
    def current_reviews(self) -> tuple[Review, ...]:
        """The newest word of each reviewer, oldest first."""
        newest: dict[str, Review] = {}
        for review in sorted(self.reviews, key=lambda review: (review.made_utc, review.review_id)):
            newest.pop(review.reviewer, None)  # a newer word stands where it was said, not where the first was
            newest[review.reviewer] = review
        return tuple(newest.values())

    @property
    def human_verdict(self) -> HumanVerdict | None:
        """What people conclude; None while nobody said a word, UNCLEAR while reviewers differ."""
        said = {review.verdict for review in self.current_reviews}
        if not said:
            return None
        return said.pop() if len(said) == 1 else HumanVerdict.UNCLEAR


class Right(StrEnum):
    """What somebody may want to do with a case."""

    READ = "read"
    REVIEW = "review"
    RUN = "run"
    """Start an analysis or a stress test of it."""
    CHANGE = "change"
    """Delete it; stop or repeat its jobs."""


class Role(StrEnum):
    """What somebody may do beside what they may do with cases of their own."""

    LOCAL = "local"
    """The person at this machine, where nobody else uses it: everything."""
    REVIEWER = "reviewer"
    """Reads, reviews and runs detectors on everybody's cases."""
    MEMBER = "member"
    """Has a login or an API key: somebody else's case is as gone as a deleted one."""
    VISITOR = "visitor"
    """A stranger on a public server: reads a case whose link they have."""


_BEYOND_OWN: dict[Role, frozenset[Right]] = {
    Role.LOCAL: frozenset(Right),
    Role.REVIEWER: frozenset({Right.READ, Right.REVIEW, Right.RUN}),
    Role.MEMBER: frozenset(),
    Role.VISITOR: frozenset({Right.READ}),
}


SESSION = "session:"
"""Begins the mark of an owner who is known by a session alone; no name of a login or a key has a colon."""


class Viewer(Frozen):
    """Who is asking. `Viewer()` is nobody: it may do nothing."""

    name: str = Field(default="", description="of a login or an API key")
    session: str = Field(default="", description="names the browser of somebody who has neither")
    role: Role = Role.MEMBER

    @property
    def owner(self) -> str:
        """The mark of this viewer's own cases; "" for those of the person at this machine."""
        return self.name or self.session

    @property
    def reviewer(self) -> bool:
        """Whether everybody's cases may be listed and reviewed."""
        return self.role in (Role.LOCAL, Role.REVIEWER)

    def may(self, right: Right, owner: str) -> bool:
        """Whether this may be done with a case of that owner."""
        own = self.owner != "" and self.owner == owner
        return own or right in _BEYOND_OWN[self.role]


LOCAL = Viewer(role=Role.LOCAL)


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


Kind = Literal["analyze", "stress"]
"""What a job asks of its models."""
Outcome = AnalysisResult | StressResult
"""What one model has to show for a job."""


class JobView(Frozen):
    """A job as it stands now: what a page that watches its id shows."""

    job_id: str
    case_id: str
    kind: Kind = "analyze"
    models: tuple[str, ...] = Field(min_length=1)
    track: int | None = Field(default=None, description="number of the only track to examine; None: all")
    state: JobState
    batch: bool = False
    model_name: str = Field(default="", description="the model at work now")
    phase: str = ""
    message: str = ""
    progress: int = 0
    total: int | None = None
    position: int | None = Field(default=None, description="jobs that go first; None once it runs")
    estimate_s: float | None = Field(default=None, description="until it is done; None where nothing is known")
    estimate_range_s: Seconds | None = Field(
        default=None, description="the same as a range: at least and at most so long"
    )
    preview: AnalysisResult | None = Field(default=None, description="the answer of the quick first pass")
    results: tuple[AnalysisResult, ...] = ()
    stress: StressResult | None = None
    errors: dict[str, str] = Field(default={}, description="model name -> why it has no result, for the user to read")
    created_utc: str
    started_utc: str | None = None
    ended_utc: str | None = None
