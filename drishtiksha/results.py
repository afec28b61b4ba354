"""What an analysis answers: frozen models that every surface (UI, CLI, REST, report) reads, and that JSON round-trips."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

import numpy as np
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, computed_field, model_validator

DISCLAIMER = "No evidence found is not proof that the media is authentic."


class Frozen(BaseModel):
    """The base of what is kept, compared and sent: never changed, no unknown fields, and NaN comes back from JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class MediaKind(StrEnum):
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"


class Prediction(StrEnum):
    REAL = "REAL"
    FAKE = "FAKE"
    INCONCLUSIVE = "INCONCLUSIVE"


class Grade(StrEnum):
    """The verdict in words, as shown to a journalist."""

    STRONG = "strong evidence of manipulation"
    MODERATE = "moderate evidence of manipulation"
    WEAK = "weak evidence of manipulation"
    NONE_FOUND = "no evidence found"
    INCONCLUSIVE = "inconclusive"


class GapReason(StrEnum):
    """Why a sample, or a whole file, could not be judged."""

    NO_FACE = "no_face"
    FACE_TOO_SMALL = "face_too_small"
    FACE_TURNED = "face_turned"
    NO_SPEECH = "no_speech"
    SILENT = "silent"
    PICTURE_TOO_SMALL = "picture_too_small"
    TOO_SHORT = "too_short"
    TOO_FEW = "too_few"
    NOT_CALIBRATED = "not_calibrated"
    DAMAGED = "damaged"
    OUT_OF_TIME = "out_of_time"
    LOW_COVERAGE = "low_coverage"
    BETWEEN_THRESHOLDS = "between_thresholds"
    ONE_SIDED = "one_sided"


GAP_TEXT: dict[GapReason, str] = {
    GapReason.NO_FACE: "No face was found, so there was nothing for this detector to judge.",
    GapReason.FACE_TOO_SMALL: "A face was found, but it has too few pixels to be judged.",
    GapReason.FACE_TURNED: "A face was found, but it is turned too far away to be judged.",
    GapReason.NO_SPEECH: "No speech was found in the sound.",
    GapReason.SILENT: "Nothing is heard in it.",
    GapReason.PICTURE_TOO_SMALL: "The picture has too few pixels for this detector.",
    GapReason.TOO_SHORT: "It is too short for this detector.",
    GapReason.TOO_FEW: "Too few of its frames could be used: this detector looks at sequences of them.",
    GapReason.NOT_CALIBRATED: "It was measured, but from which value on the number of this detector speaks for a fake is not known.",
    GapReason.DAMAGED: "The file is damaged from here on and could not be decoded.",
    GapReason.OUT_OF_TIME: "There was no time left to judge it.",
    GapReason.LOW_COVERAGE: "Too little of it could be judged for a verdict.",
    GapReason.BETWEEN_THRESHOLDS: "The score lies between the two thresholds: too high to find nothing, too low to suspect manipulation.",
    GapReason.ONE_SIDED: "It found nothing of what this detector looks for, and there are kinds of forgery that it does not see.",
}


def clock(seconds: float) -> str:
    """3.2 -> "00:03"; from an hour on "1:02:03"."""
    whole = max(0, int(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


def fine_clock(seconds: float) -> str:
    """3.24 -> "00:03.2": a moment that a player can be set to."""
    tenths = max(0, round(seconds * 10))
    return f"{clock(tenths // 10)}.{tenths % 10}"


class TrackKind(StrEnum):
    """What a track of a file is. Embedded: a whole file behind a picture, as phones store moving photos."""

    PICTURE = "picture"
    SOUND = "sound"
    COVER = "cover"
    EMBEDDED = "embedded"


class TrackInfo(Frozen):
    """A track of a file, or a picture or video that it carries along."""

    number: int = Field(description="from 1, in the order of the file")
    kind: TrackKind
    codec: str | None = None
    language: str | None = None
    title: str | None = None
    channels: int | None = None
    duration_s: float | None = Field(default=None, description="as the file states it; None where it states none")
    main: bool = Field(default=False, description="the one that players take")


class MediaInfo(Frozen):
    """Facts of one file, from its bytes and its probe; sizes are those on screen, with square pixels, after rotation."""

    name: str = Field(description="the file's own name, without any folder")
    sha256: str
    size_bytes: int
    kind: MediaKind
    container: str = Field(description="container or picture format, e.g. mp4, webm, jpeg, flac")
    duration_s: float | None = None
    width: int | None = Field(default=None, description="px, after rotation")
    height: int | None = Field(default=None, description="px, after rotation")
    stored_size: tuple[int, int] | None = Field(
        default=None,
        description="width and height in px as stored, before rotation, where the pixels are not square or only a part is shown",
    )
    shown_box: tuple[int, int, int, int] | None = Field(
        default=None, description="left, top, right, bottom in px of the stored picture, where only that part is shown"
    )
    fps: float | None = Field(default=None, description="average frames per second")
    frame_count: int | None = Field(
        default=None, description="as the container declares or the duration implies: an estimate"
    )
    variable_frame_rate: bool | None = None
    interlaced: bool = Field(
        default=False,
        description="its pictures, as flagged or as the first ones show, hold two moments; they are deinterlaced",
    )
    rotation_deg: int = Field(
        default=0, description="clockwise turn that the metadata asks for, already applied to width and height"
    )
    video_codec: str | None = None
    pixel_format: str | None = None
    audio_codec: str | None = None
    sample_rate: int | None = Field(default=None, description="Hz")
    channels: int | None = None
    bit_rate: int | None = Field(default=None, description="bits per second, of the whole file")
    encoder: str | None = Field(default=None, description="software named in the metadata")
    created: str | None = Field(
        default=None, description="creation time as the metadata states it; anyone can change it"
    )
    time_breaks: int = Field(
        default=0, description="how often its time stamps restart or jump; times given here run on through the file"
    )
    decoded_share: float = Field(
        default=1.0, gt=0, le=1, description="of a picture that is cut off or damaged: how much of it could be decoded"
    )
    damaged: bool = Field(default=False, description="of a picture: parts of what decodes are not what was stored")
    notes: tuple[str, ...] = Field(default=(), description="sentences on what is odd about the file")
    tracks: tuple[TrackInfo, ...] = Field(
        default=(), description="all, where there are several of a kind or something is carried along; else none"
    )

    def several(self, kind: TrackKind) -> tuple[TrackInfo, ...]:
        """The tracks of that kind, where there are several; else none."""
        found = tuple(track for track in self.tracks if track.kind is kind)
        return found if len(found) > 1 else ()

    def is_sound(self, track: int | None) -> bool:
        """Whether the track of that number is a sound track."""
        return any(one.number == track and one.kind is TrackKind.SOUND for one in self.tracks)

    @property
    def pictures(self) -> int:
        """How many pictures an image file holds, of which the first is examined; 1 for other files."""
        return self.frame_count or 1 if self.kind is MediaKind.IMAGE else 1

    @property
    def has_video(self) -> bool:
        return self.kind is not MediaKind.AUDIO

    @property
    def has_audio(self) -> bool:
        return self.audio_codec is not None


FaceBox = tuple[float, float, float, float]
"""xyxy in pixels of the upright frame."""


class FaceScore(Frozen):
    """One face in one sample. In a video `person` numbers whose it is, and `track` the piece in which that person was
    followed without a break, both from 1."""

    face_box: FaceBox
    p_fake: float = Field(ge=0, le=1)
    person: int | None = None
    track: int | None = None


class SampleScore(Frozen):
    """One frame, window or picture: either a score or a gap, never both and never neither."""

    index: int
    time_s: float | None = Field(default=None, description="presentation time of the first frame or sample of it")
    end_s: float | None = Field(default=None, description="where a window ends; None for a single frame")
    frame_index: int | None = Field(default=None, description="0-based in the source")
    p_fake: float | None = Field(default=None, ge=0, le=1)
    gap: GapReason | None = None
    faces: tuple[FaceScore, ...] = ()
    measures: dict[str, float] = Field(default={}, description="what else the detector measured here, by its own names")
    curve: tuple[float, ...] = Field(
        default=(), description="of a window that was judged at every moment: p_fake, evenly from time_s to end_s"
    )
    closer: bool = Field(
        default=False,
        description="looked at beside the evenly spaced ones, since a neighbour was suspicious or a face lost",
    )

    @model_validator(mode="after")
    def _score_or_gap(self) -> SampleScore:
        if (self.p_fake is None) == (self.gap is None):
            raise ValueError("a sample has either p_fake or a gap reason")
        return self


MIN_PERSON_SAMPLES = 3
"""A person seen in fewer samples has no grade and decides nothing: single frames err."""


class PersonScore(Frozen):
    """One person followed through a video, judged separately; without a grade below `MIN_PERSON_SAMPLES` samples."""

    person: int
    first_s: float
    last_s: float
    samples: int = Field(description="how many samples of this person were scored")
    p_fake: float = Field(ge=0, le=1)
    highest_p_fake: float = Field(ge=0, le=1)
    grade: Grade
    cuts: int = Field(
        default=0, description="how often their face was lost and found again: probably, not surely, the same person"
    )

    @property
    def seen_enough(self) -> bool:
        """Whether they were seen in samples enough for a grade."""
        return self.samples >= MIN_PERSON_SAMPLES

    @model_validator(mode="before")
    @classmethod
    def _no_grade_for_a_glimpse(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("samples", 0) < MIN_PERSON_SAMPLES:
            return data | {"grade": Grade.INCONCLUSIVE}
        return data


class Heatmap(Frozen):
    """Where a network's score came from, over one sample or one face of it. Not proof of manipulation."""

    sample_index: int
    frame_index: int | None = None
    time_s: float | None = None
    face_box: FaceBox | None = Field(
        default=None, description="the region that the map covers; None = the whole picture"
    )
    person: int | None = None
    p_fake: float = Field(ge=0, le=1)
    method: Literal["gradcam", "occlusion", "attention", "time-frequency", "edits", "reliability"]
    caption: str
    end_s: float | None = Field(default=None, description="of sound: the columns run from time_s to here")
    top_hz: float | None = Field(
        default=None, description="of sound: the rows run from 0 Hz (the first row) up to here, evenly"
    )
    height: int
    width: int
    data: Base64Bytes = Field(description="height x width bytes, row by row; value / 255 is in [0, 1]")

    @model_validator(mode="after")
    def _size_matches(self) -> Heatmap:
        if len(self.data) != self.height * self.width:
            raise ValueError(f"{len(self.data)} bytes are not {self.height} x {self.width}")
        return self

    @classmethod
    def from_array(cls, values: np.ndarray, **fields: Any) -> Heatmap:
        """`values`: float (H, W) in [0, 1]; kept with 8 bits a pixel."""
        import base64

        quantised = np.round(np.clip(values, 0.0, 1.0) * 255).astype(np.uint8)
        height, width = quantised.shape
        return cls(height=height, width=width, data=base64.b64encode(quantised.tobytes()), **fields)

    def array(self) -> np.ndarray:
        """float32 (H, W) in [0, 1]."""
        return np.frombuffer(self.data, dtype=np.uint8).reshape(self.height, self.width).astype(np.float32) / 255


class Thresholds(Frozen):
    """p_fake at or above `fake` is FAKE, at or below `real` is REAL (or, without `clears`, nothing found), between them
    INCONCLUSIVE."""

    real: float = Field(default=0.35, ge=0, le=1)
    fake: float = Field(default=0.65, ge=0, le=1)
    clears: bool = Field(
        default=True, description="False: at or below `real` nothing was found, and the prediction is INCONCLUSIVE"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Thresholds:
        if self.real > self.fake:
            raise ValueError(f"real ({self.real}) must not lie above fake ({self.fake})")
        return self


class FalseAlarms(Frozen):
    """How often one kind of genuine media was wrongly suspected in a detector's test."""

    group: str = Field(description="how the media had been treated, by the name that the test gave it: 'jpeg_70'")
    n: int = Field(gt=0, description="how many were scored")
    share: float = Field(ge=0, le=1)
    share_95: float | None = Field(default=None, description="upper end of its 95 % interval")


class ErrorRates(Frozen):
    """How often held-out media of this kind scored like this file. Shares in [0, 1]; None where none were measured.

    Each `..._95` is the upper end of the one-sided 95 % Clopper-Pearson interval of the share before it, where people and
    speakers are counted rather than files.
    """

    data: str = Field(description="what the genuine media were, to end a sentence")
    fake_data: str = Field(default="", description="what the fakes were")
    n_genuine: int = Field(ge=0)
    genuine_as_high: float | None = Field(description="share of the genuine media that scored at least this p_fake")
    genuine_as_high_95: float | None
    n_fake: int = Field(ge=0)
    fake_as_low: float | None = Field(description="share of the fakes that scored at most this p_fake")
    fake_as_low_95: float | None
    missed: float | None = Field(
        default=None, description="share of the fakes below the `fake` threshold, whatever this p_fake: the miss rate"
    )
    missed_95: float | None = None
    groups: tuple[FalseAlarms, ...] = Field(
        default=(), description="false alarms by the treatment of the genuine media"
    )


TORCH = "torch"
"""What computes networks unless another engine was asked for and proven."""


class RunProvenance(Frozen):
    """What it takes to repeat the run."""

    started_utc: str
    versions: dict[str, str] = Field(description="of the tool, Python and the libraries that touch the pixels")
    device: str
    dtype: str
    engine: str = Field(default=TORCH, description="what computed the network: torch, or onnxruntime with its version")
    engine_note: str = Field(default="", description="why another engine than torch was asked for and not used")
    checkpoint_sha256: str | None
    config: dict[str, Any]
    recipe: str = Field(
        default="", description="hex digits that change with whatever the scores depend on beside the file"
    )
    licence: str = Field(default="", description="of the weights, in words; empty in results before 0.3")
    licence_class: str = Field(default="", description="open, non-commercial, nonprofit or not stated")


class TrackScore(Frozen):
    """What was found in a track, or in some channels of a sound track, that was judged by itself."""

    label: str = Field(description="such as left, centre, sound track 2")
    track: int | None = Field(default=None, description="number of the track; None: the only or main one")
    weights: tuple[float, ...] | None = Field(
        default=None, description="what each channel was multiplied with; None: the usual mixture"
    )
    p_fake: float | None = Field(default=None, ge=0, le=1)
    prediction: Prediction
    grade: Grade
    gap: GapReason | None = None
    coverage: float = Field(ge=0, le=1)
    decides: bool = Field(default=False, description="the result is that of this one")


class AnalysisResult(Frozen):
    """One detector's answer about one file."""

    model_name: str
    path: str | None = Field(default=None, description="the file as the command line was given it; None elsewhere")
    media: MediaInfo
    prediction: Prediction
    grade: Grade
    p_fake: float | None = Field(default=None, ge=0, le=1)
    confidence: float | None = Field(default=None, description="max(p, 1 - p); None when inconclusive")
    reason: str = Field(default="", description="the sentence that the verdict rests on")
    caveats: tuple[str, ...] = Field(default=(), description="sentences on how little the score may be worth")
    odds: tuple[str, ...] = Field(
        default=(), description="sentences on how often genuine media score as high, or fakes as low"
    )
    gap: GapReason | None = Field(default=None, description="why it is inconclusive; None otherwise")
    coverage: float = Field(ge=0, le=1, description="scored samples / planned samples; of sequences, their frames")
    thresholds: Thresholds
    calibrated: bool
    error_rates: ErrorRates | None = Field(
        default=None, description="None: not measured for such media, or too little was judged"
    )
    experimental: bool = Field(default=False, description="the detector did not prove itself; never graded `strong`")
    scores: tuple[SampleScore, ...] = ()
    people: tuple[PersonScore, ...] = ()
    step_s: float | None = Field(
        default=None,
        description="seconds from one sample to the next, where the length of the file made them lie further apart",
    )
    closer: tuple[tuple[float, float], ...] = Field(
        default=(),
        description="stretches (start, end; s) in which more samples were taken, since some were suspicious or a face was lost",
    )
    tracks: tuple[TrackScore, ...] = Field(
        default=(), description="tracks and channels that were judged by themselves; `scores` are those of one of them"
    )
    heatmaps: tuple[Heatmap, ...] = ()
    metrics: dict[str, float | int | str | None] = {}
    notes: tuple[str, ...] = ()
    processing_time: float = Field(description="seconds, without loading the model")
    stage_seconds: dict[str, float] = Field(default={}, description="decode, faces, preprocess, forward, explain")
    provenance: RunProvenance

    @property
    def seen_enough(self) -> tuple[PersonScore, ...]:
        """The people who were seen in samples enough to be judged."""
        return tuple(row for row in self.people if row.seen_enough)

    @property
    def decided_by(self) -> TrackScore | None:
        """The track or channels whose scores these are; None: the main track as a whole."""
        return next((track for track in self.tracks if track.decides), None)

    @computed_field(description="all sentences on the verdict; the first is the main one")  # type: ignore[prop-decorator]
    @property
    def reasons(self) -> tuple[str, ...]:
        return (*self.grounds, *self.odds)

    @property
    def grounds(self) -> tuple[str, ...]:
        """The sentences on the verdict itself: all but the odds."""
        if not self.reason:
            return self.caveats
        disclaimer = () if self.prediction is Prediction.FAKE else (DISCLAIMER,)
        return (self.reason, *disclaimer, *self.caveats)

    @model_validator(mode="before")
    @classmethod
    def _sentences_of_version_0_1(cls, data: Any) -> Any:
        """JSON has `reasons` as well; that of version 0.1 has nothing else, and its last ones are the odds."""
        if not isinstance(data, dict) or not isinstance(data.get("reasons"), list | tuple):
            return data
        fields = {name: value for name, value in data.items() if name != "reasons"}
        if "reason" in fields or not data["reasons"]:
            return fields
        main, *others = data["reasons"]
        others = [sentence for sentence in others if sentence != DISCLAIMER]
        caveats = max(0, len(others) - _odds_told(fields))
        return fields | {"reason": main, "caveats": others[:caveats], "odds": others[caveats:]}

    @model_validator(mode="after")
    def _no_invented_verdict(self) -> AnalysisResult:
        if self.prediction is not Prediction.INCONCLUSIVE and self.p_fake is None:
            raise ValueError("a verdict needs a score")
        if (self.prediction is Prediction.INCONCLUSIVE) != (self.confidence is None):
            raise ValueError("confidence stands next to REAL and FAKE, and only there")
        return self


def _odds_told(result: Mapping[str, Any]) -> int:
    """How many sentences of a result of version 0.1 were its odds."""
    if result.get("p_fake") is None:
        return 0
    if result.get("gap") == GapReason.LOW_COVERAGE or (rates := result.get("error_rates")) is None:
        return 1
    rates = ErrorRates.model_validate(rates)
    high = rates.genuine_as_high is not None and result.get("prediction") != Prediction.REAL
    low = rates.fake_as_low is not None and result.get("prediction") != Prediction.FAKE
    return max(1, high + low)
