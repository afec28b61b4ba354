"""What a detector asked to see, as samples: decoded once, faces found once, gaps with their reason."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from drishtiksha.analysis.faces import find_faces
from drishtiksha.contract import AudioPlan, ClipPlan, FaceRequest, FramePlan, Sample, SamplingPlan, SequencePlan
from drishtiksha.media.audio import read_audio
from drishtiksha.media.evidence import Evidence
from drishtiksha.media.image import read_image
from drishtiksha.media.sampling import audio_windows, evenly_spaced, sparse_first
from drishtiksha.media.video import Frame, frames_at, iter_frames, read_index
from drishtiksha.results import GapReason, MediaKind, SampleScore
from drishtiksha.settings import MediaLimits

HOLD_BYTES = 256_000_000
"""Wanted frames of a clip are kept in memory up to this, so that the quick first answer does not decode it twice."""
HOLD_BELOW_S = 30.0
"""A longer video gets its first answer by seeking: decoding all of it first would take too long."""
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
    """What the sources of one analysis share. `check` raises once the user cancelled."""

    evidence: Evidence
    limits: MediaLimits
    check: Callable[[], None]
    clock: Stopwatch = field(default_factory=Stopwatch)


class Source(Protocol):
    """`passes` holds the sample indices to do first and then; `samples` decodes those of one pass, in order."""

    passes: list[list[int]]

    def samples(self, indices: Sequence[int]) -> Iterator[Sample | SampleScore]:
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
    if isinstance(plan, FramePlan) and job.evidence.media.kind is MediaKind.IMAGE:
        return PictureSource(job, plan)
    return FrameSource(job, plan)


class PictureSource:
    """The one picture of an image file."""

    def __init__(self, job: Job, plan: FramePlan) -> None:
        self.job, self.plan = job, plan
        self.passes = [[0]]

    def samples(self, indices: Sequence[int]) -> Iterator[Sample | SampleScore]:
        evidence = self.job.evidence
        with self.job.clock("decode"):
            picture = read_image(evidence.path, limits=self.job.limits, check=self.job.check, name=evidence.media.name)
        yield with_faces(self.job, Sample(index=0, frame=picture), self.plan.faces)


class FrameSource:
    """The frames of a video that a plan names: sequentially, or by seeking when they lie far apart."""

    def __init__(self, job: Job, plan: FramePlan | SequencePlan) -> None:
        self.job, self.plan = job, plan
        media = job.evidence.media
        with job.clock("decode"):
            self.index = read_index(job.evidence.path, limits=job.limits, check=job.check, name=media.name)
        self.frames, self.passes = planned(self.index.declared, plan)
        needed = len(self.frames) * (media.width or 0) * (media.height or 0) * 3
        self._hold = needed <= HOLD_BYTES and (media.duration_s or 0.0) <= HOLD_BELOW_S
        self._held: dict[int, Frame | None] = {}

    def samples(self, indices: Sequence[int]) -> Iterator[Sample | SampleScore]:
        wanted = set(indices)
        if self._held:
            decoded: Iterable[tuple[int, Frame | None]] = ((i, self._held.pop(i)) for i in indices)
        else:
            decoded = self._decode(range(len(self.frames)) if self._hold else indices)
        for i, frame in decoded:
            if i in wanted:
                yield self._sample(i, frame)
            else:
                self._held[i] = frame

    def _decode(self, indices: Sequence[int]) -> Iterator[tuple[int, Frame | None]]:
        """Sample index and frame in order; None for a frame that the decoder could not give."""
        pending = list(indices)
        wanted = [self.frames[i] for i in pending]
        media = self.job.evidence.media
        spacing = (media.duration_s or 0.0) / max(len(wanted), 1)
        read = frames_at if spacing > SEEK_EVERY_S else iter_frames
        path, check = self.job.evidence.path, self.job.check
        with read(path, wanted, limits=self.job.limits, check=check, index=self.index, name=media.name) as stream:
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


def planned(total: int, plan: FramePlan | SequencePlan) -> tuple[list[int], list[list[int]]]:
    """The frame indices of a plan in order, and its passes as places in that list."""
    if isinstance(plan, FramePlan):
        frames = evenly_spaced(total, plan.count)
        everything = list(range(len(frames)))
        sparse = len(everything) > 2 * plan.sparse
        return frames, list(sparse_first(everything, plan.sparse)) if sparse else [everything]
    named = plan.choose(total)
    frames = sorted({frame for part in named for frame in part})
    place, done, passes = {frame: i for i, frame in enumerate(frames)}, set[int](), []
    for part in named:
        fresh = sorted({place[frame] for frame in part} - done)
        done.update(fresh)
        passes.append(fresh)
    return frames, [part for part in passes if part] or [[]]


class SoundSource:
    """Windows over a recording or over a video's sound track."""

    def __init__(self, job: Job, plan: AudioPlan) -> None:
        self.job, self.plan = job, plan
        with job.clock("decode"):
            self.waveform = read_audio(
                job.evidence.path, plan.sample_rate, limits=job.limits, check=job.check, name=job.evidence.media.name
            )
        windows = audio_windows(len(self.waveform), plan.sample_rate, plan.window_s, plan.hop_s, plan.min_s)
        self.windows = windows[: plan.count]
        everything = list(range(len(self.windows)))
        long = len(everything) > 4 * SPARSE_WINDOWS
        self.passes = list(sparse_first(everything, SPARSE_WINDOWS)) if long else [everything]

    def samples(self, indices: Sequence[int]) -> Iterator[Sample | SampleScore]:
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
        faces, reason = find_faces(sample.frame, request)
    if faces:
        return replace(sample, faces=faces)
    return SampleScore(
        index=sample.index, time_s=sample.time_s, end_s=sample.end_s, frame_index=sample.frame_index, gap=reason
    )
