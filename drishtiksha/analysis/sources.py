"""What a detector asked to see, as samples: decoded once, faces found once, gaps with their reason."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from drishtiksha.analysis.plans import planned
from drishtiksha.analysis.shared import SharedMedia
from drishtiksha.contract import AudioPlan, ClipPlan, FaceRequest, FramePlan, Sample, SamplingPlan, SequencePlan
from drishtiksha.media.sampling import audio_windows, sparse_first
from drishtiksha.media.video import Frame
from drishtiksha.results import GapReason, MediaInfo, MediaKind, SampleScore, fine_clock

SEEK_EVERY_S = 8.0
"""Wanted frames farther apart than this are reached by seeking: keyframes seldom lie farther apart than that."""
SPARSE_WINDOWS = 8
"""Windows of sound in the quick first answer."""


class Stopwatch:
    """Seconds spent per stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start


@dataclass(frozen=True)
class Job:
    """What the sources of one analysis work with. `check` raises once the user cancelled."""

    shared: SharedMedia
    check: Callable[[], None]
    clock: Stopwatch = field(default_factory=Stopwatch)

    @property
    def media(self) -> MediaInfo:
        return self.shared.evidence.media


class Source(Protocol):
    """`passes` holds the sample indices to do first and then; `samples` decodes those of one pass, in order."""

    passes: list[list[int]]

    def samples(self, indices: Sequence[int], later: Sequence[int] = ()) -> Iterator[Sample | SampleScore]:
        """A Sample, or for one that cannot be judged at once a SampleScore with its gap."""
        ...


def open_source(job: Job, plan: SamplingPlan) -> Source:
    """The source that serves this plan on this evidence.

    Raises: MediaError and its kinds.
    """
    if isinstance(plan, AudioPlan):
        return SoundSource(job, plan)
    if isinstance(plan, ClipPlan):
        from drishtiksha.analysis.clips import ClipSource

        return ClipSource(job, plan)
    if isinstance(plan, FramePlan) and job.media.kind is MediaKind.IMAGE:
        return PictureSource(job, plan)
    return FrameSource(job, plan)


class PictureSource:
    """The one picture of an image file."""

    def __init__(self, job: Job, plan: FramePlan) -> None:
        self.job, self.plan = job, plan
        self.passes = [[0]]

    def samples(self, indices: Sequence[int], later: Sequence[int] = ()) -> Iterator[Sample | SampleScore]:
        with self.job.clock("decode"):
            picture = self.job.shared.picture(self.job.check)
        yield with_faces(self.job, Sample(index=0, frame=picture), self.plan.faces)


class FrameSource:
    """The frames of a video that a plan names: sequentially, or by seeking when they lie far apart."""

    def __init__(self, job: Job, plan: FramePlan | SequencePlan) -> None:
        self.job, self.plan = job, plan
        with job.clock("decode"):
            self.index = job.shared.index(job.check)
        self.frames, self.passes = planned(self.index.declared, plan)

    def samples(self, indices: Sequence[int], later: Sequence[int] = ()) -> Iterator[Sample | SampleScore]:
        for i, frame in self._decode(indices, later):
            yield self._sample(i, frame)

    def _decode(self, indices: Sequence[int], later: Sequence[int]) -> Iterator[tuple[int, Frame | None]]:
        """Sample index and frame in order; None for a frame that the decoder could not give."""
        pending = list(indices)
        wanted = [self.frames[i] for i in pending]
        far_apart = (self.job.media.duration_s or 0.0) / max(len(wanted), 1) > SEEK_EVERY_S
        ahead = [self.frames[i] for i in later]
        with closing(self.job.shared.frames(wanted, ahead, far_apart=far_apart, check=self.job.check)) as stream:
            while (frame := self._next(stream)) is not None:
                while len(pending) > 1 and self.frames[pending[1]] <= frame.index:
                    yield pending.pop(0), None
                if pending:
                    yield pending.pop(0), frame
        yield from ((i, None) for i in pending)

    def _next(self, stream: Iterator[Frame]) -> Frame | None:
        with self.job.clock("decode"):
            return next(stream, None)

    def _sample(self, i: int, frame: Frame | None) -> Sample | SampleScore:
        if frame is None:
            at = self.frames[i]
            return SampleScore(index=i, time_s=self.index.time_s(at), frame_index=at, gap=GapReason.DAMAGED)
        sample = Sample(i, frame.time_s, None, frame.index, frame.image)
        return with_faces(self.job, sample, self.plan.faces)


class SoundSource:
    """Windows over a recording or over a video's sound track."""

    def __init__(self, job: Job, plan: AudioPlan) -> None:
        self.job, self.plan = job, plan
        with job.clock("decode"):
            self.waveform = job.shared.sound(plan.sample_rate, job.check)
        windows = audio_windows(len(self.waveform), plan.sample_rate, plan.window_s, plan.hop_s, plan.min_s)
        self.windows = windows[: plan.count]
        everything = list(range(len(self.windows)))
        long = len(everything) > 4 * SPARSE_WINDOWS
        self.passes = list(sparse_first(everything, SPARSE_WINDOWS)) if long else [everything]

    def samples(self, indices: Sequence[int], later: Sequence[int] = ()) -> Iterator[Sample | SampleScore]:
        rate, length = self.plan.sample_rate, round(self.plan.window_s * self.plan.sample_rate)
        for i in indices:
            start, stop = self.windows[i]
            part = self.waveform[start:stop]
            padded = np.pad(part, (0, max(length - len(part), 0)))
            yield Sample(i, start / rate, stop / rate, waveform=padded, sample_rate=rate)


def with_faces(job: Job, sample: Sample, request: FaceRequest | None) -> Sample | SampleScore:
    """The sample with the faces that meet the request, or a gap where there are none."""
    if request is None or sample.frame is None:
        return sample
    job.check()
    with job.clock("faces"):
        faces, reason = job.shared.faces(sample.frame, sample.frame_index, request)
    if faces:
        return replace(sample, faces=faces)
    return SampleScore(
        index=sample.index, time_s=sample.time_s, end_s=sample.end_s, frame_index=sample.frame_index, gap=reason
    )


def where(sample: Sample) -> dict[str, Any]:
    """The fields of a score that say what was scored."""
    return {
        "index": sample.index,
        "time_s": sample.time_s,
        "end_s": sample.end_s,
        "frame_index": sample.frame_index,
    }


def place(sample: Sample | SampleScore) -> str:
    """The same in words."""
    if sample.time_s is None:
        return "The picture"
    kind = "The sound" if sample.frame_index is None else "The frame"
    return f"{kind} at {fine_clock(sample.time_s)}"
