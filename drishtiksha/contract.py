"""What the analysis asks of any detector, and what it hands to one. No torch is imported here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from drishtiksha.results import FaceBox, Heatmap, MediaInfo, MediaKind, SampleScore, Thresholds

if TYPE_CHECKING:
    import torch


class WeightsSource(BaseModel):
    """Where a checkpoint comes from: exactly what `drishtiksha weights pull` and a person need."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str | None = Field(default=None, description="http(s) address of the file")
    hf_repo: str | None = Field(default=None, description="Hugging Face repository, owner/name")
    hf_file: str | None = None
    hf_files: tuple[str, ...] = Field(default=(), description="several files that make up one model folder")
    revision: str = "main"
    by_hand: str | None = Field(default=None, description="what a person must do where no program may fetch it")
    sha256: str | None = None
    licence: str = "not stated"


class Companion(BaseModel):
    """A further file that a detector needs, or uses where it is there, beside its checkpoint.

    Where its tensors become part of the network, they do so under `<name of the companion>.`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path = Field(description="relative to the models folder's parent or absolute")
    optional: bool = Field(default=False, description="the detector works without it, and says what differs")
    weights: WeightsSource = WeightsSource()


class DetectorConfig(BaseModel):
    """The fields that every entry of `models:` in config.yaml has; a detector's own `Config` adds to them."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    class_name: str
    description: str
    model_path: Path = Field(description="checkpoint, relative to the models folder's parent or absolute")
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:N or mps")
    isAudio: bool = False
    isVideo: bool = False
    isImage: bool = False
    isMultiModal: bool = False
    looks_at: str = Field(default="", description="what it looks at, in a few words for the model list")
    limits: str = Field(default="", description="what it is known not to see, in plain words")
    trained_on: str = Field(default="", description="which data its checkpoint learned from, as published")
    measured: str = Field(default="", description="what others measured on it, with the source; empty: nothing is known")
    paper: str = Field(default="", description="where the method was published")
    experimental: bool = False
    retired: bool = Field(default=False, description="kept for comparison with old results only")
    batch_size: int = Field(default=16, gt=0)
    dtype: Literal["float32", "bfloat16"] = Field(
        default="float32", description="bfloat16: on processors that have it, float32 elsewhere"
    )
    explain: Literal["auto", "occlusion"] = Field(
        default="auto", description="auto: the detector's own kind of heatmap"
    )
    thresholds: Thresholds | None = Field(
        default=None, description="None: those of the checkpoint's sidecar, else the defaults"
    )
    min_coverage: float = Field(default=0.2, ge=0, le=1, description="below it the verdict is INCONCLUSIVE")
    weights: WeightsSource = WeightsSource()
    companions: dict[str, Companion] = Field(default={}, description="further files, by the names the detector knows")
    model_name: str = Field(default="", description="set by the manager, not in YAML")

    def accepts(self, media: MediaInfo) -> bool:
        """Whether this detector can look at such a file; an audio detector also takes a video's sound track."""
        if media.kind is MediaKind.IMAGE:
            return self.isImage
        if media.kind is MediaKind.AUDIO:
            return self.isAudio
        return self.isVideo or self.isMultiModal or (self.isAudio and media.has_audio)

    def only_hears(self, media: MediaInfo) -> bool:
        """Whether it would judge the sound of this video alone, and nothing in its picture."""
        return media.kind is MediaKind.VIDEO and self.accepts(media) and not (self.isVideo or self.isMultiModal)


def _sorted(scores: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(sorted(scores))


Scores = Annotated[
    tuple[Annotated[float, Field(ge=0, le=1)], ...],
    AfterValidator(_sorted),
    Field(description="p_fake in [0, 1] of one media file each, ascending"),
]


class Reference(BaseModel):
    """How held-out media of one kind scored, so that a score can be set against them. Nothing of it was trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str = Field(description="what the genuine media were, to end a sentence: 'portraits of 111 people'")
    fake_data: str = Field(default="", description="the same for the fakes: 'faces blended into those portraits'")
    p_fake: Scores = Field(default=(), description="of the genuine media")
    fake_p_fake: Scores = Field(default=(), description="of the fakes")
    sources: int | None = Field(
        default=None,
        gt=0,
        description="people or speakers among the genuine media. Files of one person err alike, so that bounds of error "
        "rates count people. None: as many as files",
    )
    fake_sources: int | None = Field(default=None, gt=0, description="the same of the fakes")


@dataclass(frozen=True)
class Face:
    """One face: box xyxy px in the upright frame, detector score in [0, 1], and (K, 2) keypoints px where known.

    landmarks: (68, 2) px in the order of iBUG 300-W, where the plan asked for them.
    """

    box: FaceBox
    score: float
    keypoints: np.ndarray | None = field(default=None, compare=False)
    landmarks: np.ndarray | None = field(default=None, compare=False)

    @property
    def size(self) -> float:
        """The shorter side of the box, px."""
        return min(self.box[2] - self.box[0], self.box[3] - self.box[1])


@dataclass(frozen=True)
class FaceRequest:
    """Asks the analysis to find faces before `preprocess`. Left out are faces smaller than `min_size` px, and with
    `facing` those that are turned away from the camera.

    thresholds: of MTCNN's three networks; None = its defaults. halve_from: frames whose longer side has at least so many
    px are searched at half size (MTCNN). landmarks: `Face.landmarks` is filled in; faces that have none are left out.
    """

    finder: Literal["blazeface", "mtcnn", "dlib"] = "blazeface"
    min_size: int = 40
    facing: bool = False
    thresholds: tuple[float, float, float] | None = None
    halve_from: int | None = None
    landmarks: bool = False


@dataclass(frozen=True)
class FramePlan:
    """Evenly spaced frames of a video (or the one picture of an image).

    count: how many frames (None = all). sparse: how many of them the first quick answer of a long video uses.
    """

    count: int | None = 32
    sparse: int = 8
    faces: FaceRequest | None = None


@dataclass(frozen=True)
class AudioPlan:
    """Windows over the sound, resampled to mono float32 at `sample_rate` Hz. The last window is zero-padded when
    at least `min_s` seconds of it exist; a file shorter than `min_s` is too short. `count`: only the first so many
    windows."""

    sample_rate: int = 16_000
    window_s: float = 4.0
    hop_s: float = 2.0
    min_s: float = 1.0
    count: int | None = None


@dataclass(frozen=True)
class SequencePlan:
    """Frames of a video that are encoded one by one, each once, and judged as sequences of them.

    choose: from the number of frames of the file to the frame indices to look at, in passes: the first is answered from
    alone before the others are done. A frame named in several passes is looked at in the first.
    """

    choose: Callable[[int], list[list[int]]]
    faces: FaceRequest | None = None


@dataclass(frozen=True)
class ClipPlan:
    """Short runs of consecutive frames of a video, evenly spread, each with what is heard meanwhile.

    count: how many runs (None = as many as fit one after the other). length: frames of one.
    listen: applied once to the whole sound track (float32 (n,), `sample_rate` Hz); the last axis of what it returns is
    time over the whole track, and each sample gets its part of it. None: the picture alone. faces: to be found in the
    middle frame of each run.
    """

    count: int | None
    length: int
    sparse: int = 8
    sample_rate: int = 16_000
    listen: Callable[[np.ndarray], np.ndarray] | None = None
    faces: FaceRequest | None = None


SamplingPlan = FramePlan | SequencePlan | ClipPlan | AudioPlan


@dataclass(frozen=True)
class Sample:
    """What `preprocess` gets: one frame (RGB uint8 (H, W, 3)) with its faces, one waveform (float32 (n,), [-1, 1]), or a
    run of frames with its part of what `ClipPlan.listen` made of the sound track.

    frame: of a run, the middle one. measures: what `preprocess` measured on the way, for it to fill in; it is shown next
    to the sample's score.
    """

    index: int
    time_s: float | None = None
    end_s: float | None = None
    frame_index: int | None = None
    frame: np.ndarray | None = None
    faces: tuple[Face, ...] = ()
    waveform: np.ndarray | None = None
    sample_rate: int | None = None
    frames: tuple[np.ndarray, ...] = ()
    sound: np.ndarray | None = None
    measures: dict[str, float] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class EncodedFrame:
    """A frame of a `SequencePlan` that could be encoded. measures: as `preprocess` left them."""

    frame_index: int
    time_s: float
    measures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Window:
    """A sequence to judge: positions in the list of encoded frames, in order; one may stand there more than once.

    whole: it stands for the whole file. It is no part of the time line; its p_fake goes to `aggregate`.
    """

    members: tuple[int, ...]
    whole: bool = False


@dataclass(frozen=True)
class Aggregate:
    """A detector's own way from sample scores to one: p_fake (None: cannot say), metrics to show, and notes: sentences
    on how this file was examined that a reader must know."""

    p_fake: float | None
    metrics: Mapping[str, float | int | str | None] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Detector(Protocol):
    """Everything `analysis.analyze` needs. `detectors.base.Detector` implements the general part once."""

    config: Any

    @property
    def model_name(self) -> str: ...

    def thresholds(self, media: MediaInfo) -> Thresholds:
        """Where REAL ends and FAKE begins for such a file."""
        ...

    def calibrated(self, media: MediaInfo) -> bool:
        """Whether p_fake was calibrated on held-out media of this kind."""
        ...

    def reference(self, media: MediaInfo) -> Reference | None:
        """How held-out media of this kind scored; None where nobody measured it."""
        ...

    def sampling(self, media: MediaInfo) -> SamplingPlan:
        """Which frames or windows to decode."""
        ...

    def preprocess(self, sample: Sample) -> list[torch.Tensor]:
        """One tensor per face of the sample (same order), or exactly one for a whole frame or window.

        Raises: SkipSample with a GapReason when the sample cannot be scored.
        """
        ...

    def encode(self, batch: torch.Tensor) -> torch.Tensor:
        """Features (B, ...) of a stacked batch of preprocessed frames, float32 on the CPU; for a `SequencePlan` only."""
        ...

    def windows(self, frames: Sequence[EncodedFrame]) -> list[Window]:
        """Which sequences of the encoded frames, in time order, are judged; for a `SequencePlan` only."""
        ...

    def score(self, batch: torch.Tensor) -> np.ndarray:
        """Calibrated p_fake (B,) of a stacked batch: of preprocessed tensors, or of sequences of features (B, L, ...)."""
        ...

    def judge(self, batch: torch.Tensor) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """As `score`, and what else was measured for each of the batch, by name (B,)."""
        ...

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        """One p_fake from the samples' scores; gaps are among them. whole: p_fake of the `Window` that stands for the
        whole file, where there was one."""
        ...

    def explain(self, sample: Sample, score: SampleScore) -> list[Heatmap]:
        """Heatmaps for one suspicious sample: of its highest face, or of the whole frame or window."""
        ...

    def run_facts(self) -> dict[str, Any]:
        """device, dtype, checkpoint_sha256 for the run's provenance."""
        ...
