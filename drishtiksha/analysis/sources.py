"""What a detector asked to see, as samples: decoded once, faces found once, gaps with their reason."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from drishtiksha.analysis.plans import clip_starts, closer, planned
from drishtiksha.analysis.shared import SharedMedia
from drishtiksha.contract import AudioPlan, ClipPlan, FaceRequest, FramePlan, Sample, SamplingPlan, SequencePlan
from drishtiksha.features.detail import BLOCK, detail_share
from drishtiksha.media.channels import MIXTURE, SoundPart
from drishtiksha.media.sampling import audio_windows, sparse_first
from drishtiksha.media.video import Frame
from drishtiksha.results import FaceBox, GapReason, MediaInfo, MediaKind, SampleScore, fine_clock

SEEK_EVERY_S = 8.0
"""Wanted frames farther apart than this are reached by seeking: keyframes seldom lie farther apart than that."""
TOLERANCE = 1.05
"""How much further apart than asked for frames may lie: they are whole ones."""
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
class RunContext:
    """What the sources of one analysis work with. `check` raises once the user cancelled. `sound`: the part that is heard.
    `spent_s`: seconds spent before. `recipe`: as in the result's provenance."""

    shared: SharedMedia
    check: Callable[[], None]
    clock: Stopwatch = field(default_factory=Stopwatch)
    sound: SoundPart = MIXTURE
    spent_s: float = 0.0
    recipe: str = ""

    @property
    def media(self) -> MediaInfo:
        return self.shared.evidence.media


class Source(Protocol):
    """`passes` holds the sample indices to do first and then; `samples` decodes those of one pass, in order."""

    passes: list[list[int]]

    def samples(self, indices: Sequence[int], later: Sequence[int] = ()) -> Iterator[Sample | SampleScore]:
        """A Sample, or for one that cannot be judged at once a SampleScore with its gap."""
        ...

    def unseen(self, i: int, gap: GapReason) -> SampleScore:
        """The gap of a sample that is not looked at."""
        ...


def open_source(context: RunContext, plan: SamplingPlan) -> Source:
    """The source that serves this plan on this evidence.

    Raises: MediaError and its kinds.
    """
    if isinstance(plan, AudioPlan):
        return SoundSource(context, plan)
    if isinstance(plan, ClipPlan):
        return ClipSource(context, plan)
    if isinstance(plan, FramePlan) and context.media.kind is MediaKind.IMAGE:
        return PictureSource(context, plan)
    return FrameSource(context, plan)


class PictureSource:
    """The one picture of an image file."""

    def __init__(self, context: RunContext, plan: FramePlan) -> None:
        self.context, self.plan = context, plan
        self.passes = [[0]]

    def detail(self, box: FaceBox | None = None) -> float:
        """As `features.detail.detail_share`, of what lies in the box; None: of all."""
        with self.context.clock("decode"):
            picture = self.context.shared.picture(self.context.check)
        with self.context.clock("preprocess"):
            if box is not None:
                # By the blocks of the file, which begin in its corner.
                left, top, right, bottom = (max(int(value), 0) // BLOCK * BLOCK for value in box)
                picture = picture[top:bottom, left:right]
            return detail_share(picture)

    def samples(self, indices: Sequence[int], later: Sequence[int] = ()) -> Iterator[Sample | SampleScore]:
        with self.context.clock("decode"):
            picture = self.context.shared.picture(self.context.check)
        yield with_faces(self.context, Sample(index=0, frame=picture), self.plan.faces)

    def unseen(self, i: int, gap: GapReason) -> SampleScore:
        return SampleScore(index=i, gap=gap)


class FrameSource:
    """The frames of a video that a plan names: sequentially, or by seeking when they lie far apart."""

    def __init__(self, context: RunContext, plan: FramePlan | SequencePlan) -> None:
        self.context, self.plan = context, plan
        with context.clock("decode"):
            self.index = context.shared.index(context.check)
        self.frames, self.passes = planned(self.index, plan)

    def closer(self, suspicious: Sequence[int], lost: Sequence[int]) -> list[int]:
        """Samples in no pass that are to be looked at after those: see `plans.closer`."""
        return closer(self.passes, suspicious, self.plan, lost) if isinstance(self.plan, FramePlan) else []

    def step_s(self) -> float | None:
        """Seconds between two evenly spaced frames where they lie further apart than the plan asks for; else None."""
        if not isinstance(self.plan, FramePlan) or self.plan.every_s is None:
            return None
        even = sorted(place for part in self.passes for place in part)
        times = [self.index.time_s(self.frames[place]) for place in even]
        step_s = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0
        return step_s if step_s > TOLERANCE * self.plan.every_s else None

    def samples(self, indices: Sequence[int], later: Sequence[int] = ()) -> Iterator[Sample | SampleScore]:
        for i, frame in self._decode(indices, later):
            yield self._sample(i, frame)

    def _decode(self, indices: Sequence[int], later: Sequence[int]) -> Iterator[tuple[int, Frame | None]]:
        """Sample index and frame in order; None for a frame that the decoder could not give."""
        pending = list(indices)
        wanted = [self.frames[i] for i in pending]
        far_apart = (self.context.media.duration_s or 0.0) / max(len(wanted), 1) > SEEK_EVERY_S
        ahead = [self.frames[i] for i in later]
        with closing(
            self.context.shared.frames(wanted, ahead, far_apart=far_apart, check=self.context.check)
        ) as stream:
            while (frame := self._next(stream)) is not None:
                while len(pending) > 1 and self.frames[pending[1]] <= frame.index:
                    yield pending.pop(0), None
                if pending:
                    yield pending.pop(0), frame
        yield from ((i, None) for i in pending)

    def _next(self, stream: Iterator[Frame]) -> Frame | None:
        with self.context.clock("decode"):
            return next(stream, None)

    def _sample(self, i: int, frame: Frame | None) -> Sample | SampleScore:
        if frame is None:
            return self.unseen(i, GapReason.DAMAGED)
        sample = Sample(i, frame.time_s, None, frame.index, frame.image)
        return with_faces(self.context, sample, self.plan.faces)

    def unseen(self, i: int, gap: GapReason) -> SampleScore:
        at = self.frames[i]
        return SampleScore(index=i, time_s=self.index.time_s(at), frame_index=at, gap=gap)


class SoundSource:
    """Windows over a recording or over a video's sound track."""

    def __init__(self, context: RunContext, plan: AudioPlan) -> None:
        self.context, self.plan = context, plan
        with context.clock("decode"):
            sound = context.shared.heard(plan.sample_rate, context.sound, context.check, plan.resampling)
        self.waveform = sound.waveform
        begin = round(sound.begins_s * plan.sample_rate)
        samples = len(self.waveform) - begin
        windows = audio_windows(
            samples,
            plan.sample_rate,
            plan.window_s,
            plan.hop_s,
            plan.min_s,
            shifted=plan.last == "shifted",
        )
        length = round(plan.window_s * plan.sample_rate)
        if plan.further is not None and samples > length:
            start = plan.further(samples)
            windows = sorted({*windows, (start, start + length)})
        windows = [(begin + start, begin + stop) for start, stop in windows]
        # Silence that stands for a hole in the time stamps is nothing that could be judged.
        holes = [(start * plan.sample_rate, stop * plan.sample_rate) for start, stop in sound.filled]
        stored = [one for one in windows if not any(start <= one[0] and one[1] <= stop for start, stop in holes)]
        self.windows = stored[: plan.count]
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

    def unseen(self, i: int, gap: GapReason) -> SampleScore:
        start, stop = self.windows[i]
        return SampleScore(index=i, time_s=start / self.plan.sample_rate, end_s=stop / self.plan.sample_rate, gap=gap)


class ClipSource:
    """Runs of frames over `plan.length` of the file's, evenly spread over the video. A video shorter than one run has none."""

    def __init__(self, context: RunContext, plan: ClipPlan) -> None:
        self.context, self.plan = context, plan
        with context.clock("decode"):
            self.index = context.shared.index(context.check)
            self.heard, self.sound_s = None, 0.0
            if plan.listen is not None:
                waveform = context.shared.sound(plan.sample_rate, context.check)
        if plan.listen is not None:
            with context.clock("preprocess"):
                self.heard, self.sound_s = plan.listen(waveform), len(waveform) / plan.sample_rate
        self.starts = clip_starts(self.index.declared, plan)
        everything = list(range(len(self.starts)))
        sparse = len(everything) > 2 * plan.sparse
        self.passes = list(sparse_first(everything, plan.sparse)) if sparse else [everything]

    def samples(self, indices: Sequence[int], later: Sequence[int] = ()) -> Iterator[Sample | SampleScore]:
        """Frames are let go as soon as no later run needs them."""
        held: dict[int, Frame] = {}
        reached = -1
        with closing(self._decoded(indices, later)) as stream:
            for i in indices:
                first = self.starts[i]
                wanted = [first + place for place in self.plan.places]
                held = {at: frame for at, frame in held.items() if at >= first}
                while reached < wanted[-1] and (frame := self._next(stream)) is not None:
                    reached = frame.index
                    if reached >= first:
                        held[reached] = frame
                yield self._sample(i, [held[at] for at in wanted if at in held])

    def _decoded(self, indices: Sequence[int], later: Sequence[int]) -> Generator[Frame, None, None]:
        frames, ahead = self._frames_of(indices), self._frames_of(later)
        far_apart = (self.context.media.duration_s or 0.0) / max(len(indices), 1) > SEEK_EVERY_S
        return self.context.shared.frames(frames, ahead, far_apart=far_apart, check=self.context.check)

    def _frames_of(self, indices: Sequence[int]) -> list[int]:
        return sorted({self.starts[i] + place for i in indices for place in self.plan.places})

    def _next(self, stream: Iterator[Frame]) -> Frame | None:
        with self.context.clock("decode"):
            return next(stream, None)

    def _sample(self, i: int, run: list[Frame]) -> Sample | SampleScore:
        if len(run) < len(self.plan.places):
            return self.unseen(i, GapReason.DAMAGED)
        middle = self.starts[i] + self.plan.places[len(self.plan.places) // 2]
        start, end = run[0].time_s, run[-1].time_s + (run[-1].time_s - run[0].time_s) / max(len(run) - 1, 1)
        sound = self._heard_between(max(start - self.plan.around_s, 0.0), end + self.plan.around_s)
        silent = self.plan.silent or (lambda _: False)
        if sound is not None and (not sound.size or silent(sound)):
            return SampleScore(index=i, time_s=start, end_s=end, frame_index=middle, gap=GapReason.NO_SPEECH)
        frame = run[len(run) // 2]
        sample = Sample(i, start, end, frame.index, frame.image, frames=tuple(one.image for one in run), sound=sound)
        return with_faces(self.context, sample, self.plan.faces)

    def unseen(self, i: int, gap: GapReason) -> SampleScore:
        first = self.starts[i]
        middle = first + self.plan.places[len(self.plan.places) // 2]
        return SampleScore(index=i, time_s=self.index.time_s(first), frame_index=middle, gap=gap)

    def _heard_between(self, start_s: float, end_s: float) -> np.ndarray | None:
        """The part of the sound from `start_s` to `end_s`; empty where the track has ended before."""
        if self.heard is None:
            return None
        a_second = self.heard.shape[-1] / self.sound_s if self.sound_s else 0.0
        return self.heard[..., self.plan.whole(start_s * a_second) : self.plan.whole(end_s * a_second)]


def with_faces(context: RunContext, sample: Sample, request: FaceRequest | None) -> Sample | SampleScore:
    """The sample with the faces that meet the request, or a gap where there are none."""
    if request is None or sample.frame is None:
        return sample
    context.check()
    with context.clock("faces"):
        faces, reason = context.shared.faces(sample.frame, sample.frame_index, request)
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
