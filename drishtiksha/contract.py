"""What the analysis asks of any detector, and what it hands to one. No torch is imported here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from drishtiksha.detector_config import Companion, DetectorConfig, Reference, WeightsSource
from drishtiksha.results import FaceBox, GapReason, Heatmap, MediaInfo, SampleScore, Thresholds

if TYPE_CHECKING:
    import torch

__all__ = [
    "CURVE",
    "Aggregate",
    "AudioPlan",
    "ClipPlan",
    "Companion",
    "Detector",
    "DetectorConfig",
    "EncodedFrame",
    "Explain",
    "Face",
    "FaceRequest",
    "FramePlan",
    "Reference",
    "Resampling",
    "Sample",
    "SamplingPlan",
    "SequencePlan",
    "WeightsSource",
    "Window",
]

Explain = bool | Literal["suspicious"]
"""Whether heatmaps are made: always, never, or only of a file that the detector suspects."""
Resampling = Literal["filtered", "reference"]
"""How sound is brought to another rate: with a low-pass filter before, or as the reference server does, without one, so that
what lies above the new band folds down into it."""
CURVE = "curve"
"""Name of what a detector measures at every moment of a window: see `Detector.judge`."""


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

    landmarks_file: dlib's, which that finder needs. thresholds: of MTCNN's three networks; None = its defaults. MTCNN does
    not look for faces far below `min_size`. halve_from: frames whose longer side has at least so many px are searched at
    half size. landmarks: `Face.landmarks` is filled in; faces that have none are left out. most: no more than so many faces
    are handed over, the largest; landmarks are looked for in no others.
    """

    finder: Literal["blazeface", "mtcnn", "dlib"] = "blazeface"
    min_size: int = 40
    landmarks_file: Path | None = None
    facing: bool = False
    thresholds: tuple[float, float, float] | None = None
    halve_from: int | None = None
    landmarks: bool = False
    most: int | None = None


@dataclass(frozen=True)
class FramePlan:
    """Evenly spaced frames of a video (or the one picture of an image).

    count: how many frames of a short video (None = all). sparse: how many of them the first quick answer of a long video
    uses. every_s: a longer video gets more of them, so that they lie no further apart than this, s; None: `count` whatever
    the length. most: but never more than so many; beyond that they lie further apart again. Where frames lie
    more than half of `every_s` apart, up to `count` further ones are looked at: beside suspicious ones, and where a face was
    lost.
    """

    count: int | None = 32
    sparse: int = 8
    faces: FaceRequest | None = None
    every_s: float | None = None
    most: int | None = None


@dataclass(frozen=True)
class AudioPlan:
    """Windows over the sound, resampled to mono float32 at `sample_rate` Hz. The last window is zero-padded when
    at least `min_s` seconds of it exist; a file shorter than `min_s` is too short. `count`: only the first so many
    windows. last: "shifted" has the last window end with the sound instead, and overlap the one before it; a file shorter
    than one window is zero-padded all the same. further: from the number of samples of a file longer than one window to where
    one more window begins. The first window begins with the sound, in a video too: who only listens is not shifted by the
    moment at which a picture begins; times are those of the file all the same."""

    sample_rate: int = 16_000
    window_s: float = 4.0
    hop_s: float = 2.0
    min_s: float = 1.0
    count: int | None = None
    last: Literal["padded", "shifted"] = "padded"
    further: Callable[[int], int] | None = None
    resampling: Resampling = "filtered"


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
    time over the whole track, and each sample gets its part of it. None: the picture alone.
    silent: whether nothing is heard in a sample's part, so that it need not be judged. faces: looked for in the middle frame
    of each run; a run without any is not judged. offsets: only these of its frames are decoded and handed over, the last of
    them `length` - 1; empty: all. around_s: seconds of sound before and after a run that its sample gets too, as far as there
    is any. spared: so many frames at the end of the video are in no run, as far as that leaves one run. whole: makes a whole
    number of a place on the time axis of what `listen` returned, where a sample's part of it begins or ends.
    """

    count: int | None
    length: int
    sparse: int = 8
    sample_rate: int = 16_000
    listen: Callable[[np.ndarray], np.ndarray] | None = None
    silent: Callable[[np.ndarray], bool] | None = None
    faces: FaceRequest | None = None
    offsets: tuple[int, ...] = ()
    around_s: float = 0.0
    spared: int = 0
    whole: Callable[[float], int] = round

    @property
    def places(self) -> Sequence[int]:
        """Of the frames of a run that are handed over, counted from its first."""
        return self.offsets or range(self.length)


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

    @property
    def nbytes(self) -> int:
        """Bytes of its pixels and sound."""
        arrays = (self.frame, self.waveform, self.sound, *self.frames)
        return sum(array.nbytes for array in arrays if array is not None)

    @property
    def heard(self) -> np.ndarray:
        """The waveform without the zeros that fill up a window at the end of a recording."""
        if self.waveform is None:
            raise ValueError("this sample is no sound")
        if self.end_s is None or self.sample_rate is None:
            return self.waveform
        return self.waveform[: round((self.end_s - (self.time_s or 0.0)) * self.sample_rate)]


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

    def frame_metrics(self, frames: Sequence[EncodedFrame]) -> Mapping[str, float | int | str | None]:
        """Metrics of the encoded frames themselves, in a sequence or not; for a `SequencePlan` only."""
        ...

    def score(self, batch: torch.Tensor) -> np.ndarray:
        """Calibrated p_fake (B,) of a stacked batch: of preprocessed tensors, or of sequences of features (B, L, ...)."""
        ...

    def judge(self, batch: torch.Tensor) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """As `score`, and what else was measured for each of the batch, by name (B,). What is called `CURVE` is p_fake over
        the time of each, (B, n)."""
        ...

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        """One p_fake from the samples' scores; gaps are among them. whole: p_fake of the `Window` that stands for the
        whole file, where there was one."""
        ...

    def explain(self, sample: Sample, score: SampleScore) -> list[Heatmap]:
        """Heatmaps for one suspicious sample: of its highest face, or of the whole frame or window."""
        ...

    def elsewhere(self, error: Exception) -> Detector | None:
        """This detector on the CPU, where `error` says that its own device has not enough memory for one sample; None for
        another error, and on the CPU."""
        ...

    def batch_size_after(self, judged: int) -> int:
        """How many samples at a time are best, now that a batch of `judged` is done: more on a GPU with room for them."""
        ...

    @property
    def remark(self) -> str:
        """What a reader of its results must know of where it runs; empty: nothing."""
        ...

    def run_facts(self) -> dict[str, Any]:
        """device, dtype, engine, checkpoint_sha256 for the run's provenance."""
        ...

    def foremost(self, p_fakes: Sequence[float], measures: Sequence[Mapping[str, float]]) -> int:
        """Which of the faces of a sample its score and measures are those of."""
        ...

    def unjudged(self) -> GapReason | None:
        """Why what it measures must not be read as a score; None: it may. Then its samples are gaps, with their measures."""
        ...

    def recipe(self) -> dict[str, Any]:
        """All that a score depends on beside the file and the code, as JSON."""
        ...
