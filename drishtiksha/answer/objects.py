"""The parts of an answer: frozen models that every surface reads, and that JSON round-trips. All texts are finished."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, model_validator

from drishtiksha.casefile import LineKind
from drishtiksha.results import FaceBox, Frozen, Grade, MediaInfo

GRADES = (Grade.WEAK, Grade.MODERATE, Grade.STRONG)
"""Of signs, ascending."""


class State(StrEnum):
    """What is told of a line and of the whole answer, the strongest first."""

    SIGNS = "signs"
    UNCLEAR = "unclear"
    NOTHING_FOUND = "nothing_found"
    NOTHING_TO_JUDGE = "nothing_to_judge"


class Glance(Frozen):
    """What was seen and heard of a file before any detector ran. None: nobody looked, or listened."""

    faces: int | None = Field(default=None, description="the most at once in the frames looked at")
    largest_face_px: float = 0.0
    frames: int = Field(default=0, description="how many frames were looked at; 1 of a picture, which is all of it")
    speech_s: float | None = None
    sound_s: float = 0.0
    silent: bool = False


class Span(Frozen):
    """A stretch of the file in which samples were judged, seconds."""

    start_s: float
    end_s: float


class Place(Frozen):
    """Where a person should look or listen."""

    text: str = Field(description="'00:12-00:15, person 2'; 'the face at the left' in a picture")
    time_s: float | None = Field(default=None, description="where to set the player: the highest score of the stretch")
    start_s: float | None = None
    end_s: float | None = None
    person: int | None = Field(default=None, description="as all results of the case number them")
    region: FaceBox | None = None
    frame_index: int | None = None
    model_name: str
    p_fake: float = Field(ge=0, le=1)


class Behind(Frozen):
    """What one detector contributes to a line."""

    model_name: str
    text: str = Field(description="one sentence: its name, what it says, and whether that counts")
    state: State
    grade: Grade | None = None
    p_fake: float | None = Field(default=None, ge=0, le=1)
    counted: bool = Field(description="False: experimental or retired, so that it never decides")
    decides: bool = Field(default=False, description="the line is what this detector says")
    family: str


class Line(Frozen):
    """One kind of evidence."""

    kind: LineKind
    title: str
    state: State
    grade: Grade | None = Field(default=None, description="of `signs`, and of nothing else")
    says: str = Field(description="state and grade in words")
    why: str
    misses: str = Field(default="", description="one sentence on what this check does not see")
    error_rate: str = Field(default="", description="miss rate or false-alarm rate; empty where none bears on this")
    judged: str = Field(default="", description="which part of the file was judged, in words; empty for a picture")
    spans: tuple[Span, ...] = ()
    look: tuple[Place, ...] = Field(default=(), description="the most suspicious first")
    notes: tuple[str, ...] = Field(default=(), description="what else must be known to read this line")
    detectors: tuple[Behind, ...] = ()

    @model_validator(mode="after")
    def _graded_signs(self) -> Line:
        _check_grade(self.state, self.grade)
        return self


class Pending(Frozen):
    """A line that detectors still work on."""

    kind: LineKind
    title: str
    text: str
    models: tuple[str, ...]


class LeftOut(Frozen):
    """A detector that could look at the file and was not asked."""

    model_name: str
    kind: LineKind
    title: str = Field(description="of the line that it counts in")
    text: str
    seconds: tuple[float, float] | None = Field(
        default=None, description="it takes at least and at most so long here; null where nothing is known"
    )


class Answer(Frozen):
    """What is told of a file: the strongest line, every line, and what to do next."""

    media: MediaInfo
    state: State | None = Field(description="None: no check has ended, and nothing is known of the file yet")
    grade: Grade | None = None
    headline: str = Field(description="state and grade in words")
    why: str = Field(description="one sentence")
    scale: str = Field(default="", description="of signs what their grade means, on the scale of three")
    disclaimer: str = Field(default="", description="what the answer does not prove; empty where nothing was judged")
    lines: tuple[Line, ...] = ()
    pending: tuple[Pending, ...] = Field(default=(), description="lines that are not complete yet")
    left_out: tuple[LeftOut, ...] = Field(
        default=(), description="detectors that have not run: slow ones wait until somebody asks for them"
    )
    disagreements: tuple[str, ...] = ()
    not_judged: tuple[str, ...] = Field(
        default=(), description="what was left out beside the lines with nothing to judge, and why"
    )
    advised: tuple[str, ...] = Field(
        default=(), description="names of detectors that are not here and would look at what was not judged"
    )
    asides: tuple[str, ...] = Field(default=(), description="what experimental detectors say; it decides nothing")
    next: tuple[str, ...] = Field(default=(), description="what to do now")
    sentence: str = Field(description="to quote: 25 words at most; empty while nothing is known")
    technical: str = Field(description="to quote, with file, hash, detectors, scores and times")
    language: str = "en"

    @property
    def strongest(self) -> Line | None:
        """The line that the whole answer rests on; None where nothing could be judged."""
        if not self.judged:
            return None
        decide = [one for one in self.lines if one.kind is not LineKind.HISTORY or one.state is State.SIGNS]
        return next((one for one in decide if (one.state, one.grade) == (self.state, self.grade)), None)

    @property
    def complete(self) -> bool:
        """Whether no detector is still at work."""
        return not self.pending

    @property
    def judged(self) -> bool:
        """Whether anything could be judged: else there is no disclaimer."""
        return self.state not in (None, State.NOTHING_TO_JUDGE)

    @property
    def heatmaps(self) -> bool:
        """Whether heatmaps are shown: only where a detector found signs, since elsewhere they show nothing but the brightest spot."""
        return any(line.state is State.SIGNS and line.kind is not LineKind.HISTORY for line in self.lines)

    @property
    def stress(self) -> bool:
        """Whether a stress test is offered: only where a detector could judge something."""
        states = [line.state for line in self.lines if line.kind is not LineKind.HISTORY]
        return any(state is not State.NOTHING_TO_JUDGE for state in states)

    def line(self, kind: LineKind) -> Line | None:
        return next((one for one in self.lines if one.kind is kind), None)

    @model_validator(mode="after")
    def _graded_signs(self) -> Answer:
        _check_grade(self.state, self.grade)
        return self


def _check_grade(state: State | None, grade: Grade | None) -> None:
    if (state is State.SIGNS) != (grade in GRADES):
        raise ValueError("a grade of evidence stands next to `signs`, and only there")
    if state is not State.SIGNS and grade is not None:
        raise ValueError("only `signs` has a grade")


def rank(state: State, grade: Grade | None) -> int:
    """The stronger, the higher."""
    strength = GRADES.index(grade) if grade in GRADES else 0
    return (len(State) - list(State).index(state)) * len(GRADES) + strength
