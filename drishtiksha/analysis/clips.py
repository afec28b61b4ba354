"""Short runs of consecutive frames, each with its part of what a detector hears in the sound track."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

import numpy as np

from drishtiksha.analysis.plans import clip_starts
from drishtiksha.analysis.sources import SEEK_EVERY_S, Job
from drishtiksha.contract import ClipPlan, Sample
from drishtiksha.media.sampling import sparse_first
from drishtiksha.media.video import Frame
from drishtiksha.results import GapReason, SampleScore


class ClipSource:
    """Runs of `plan.length` frames, evenly spread over the video. A video shorter than one run has none."""

    def __init__(self, job: Job, plan: ClipPlan) -> None:
        self.job, self.plan = job, plan
        with job.clock("decode"):
            self.index = job.shared.index(job.check)
            self.heard, self.sound_s = None, 0.0
            if plan.listen is not None:
                waveform = job.shared.sound(plan.sample_rate, job.check)
        if plan.listen is not None:
            with job.clock("preprocess"):
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
                wanted = range(first, first + self.plan.length)
                held = {at: frame for at, frame in held.items() if at >= first}
                while reached < wanted[-1] and (frame := self._next(stream)) is not None:
                    reached = frame.index
                    if reached >= first:
                        held[reached] = frame
                yield self._sample(i, [held[at] for at in wanted if at in held])

    def _decoded(self, indices: Sequence[int], later: Sequence[int]) -> Generator[Frame, None, None]:
        frames, ahead = self._frames_of(indices), self._frames_of(later)
        far_apart = (self.job.media.duration_s or 0.0) / max(len(indices), 1) > SEEK_EVERY_S
        return self.job.shared.frames(frames, ahead, far_apart=far_apart, check=self.job.check)

    def _frames_of(self, indices: Sequence[int]) -> list[int]:
        return sorted({at for i in indices for at in range(self.starts[i], self.starts[i] + self.plan.length)})

    def _next(self, stream: Iterator[Frame]) -> Frame | None:
        with self.job.clock("decode"):
            return next(stream, None)

    def _sample(self, i: int, run: list[Frame]) -> Sample | SampleScore:
        first = self.starts[i]
        middle = first + self.plan.length // 2
        if len(run) < self.plan.length:
            return SampleScore(index=i, time_s=self.index.time_s(first), frame_index=middle, gap=GapReason.DAMAGED)
        start, end = run[0].time_s, run[-1].time_s + (run[-1].time_s - run[0].time_s) / max(len(run) - 1, 1)
        sound = self._heard_between(start, end)
        if sound is not None and not sound.size:
            return SampleScore(index=i, time_s=start, end_s=end, frame_index=middle, gap=GapReason.NO_SPEECH)
        frame = run[len(run) // 2]
        return Sample(i, start, end, frame.index, frame.image, frames=tuple(one.image for one in run), sound=sound)

    def _heard_between(self, start_s: float, end_s: float) -> np.ndarray | None:
        """The part of the sound from `start_s` to `end_s`; empty where the track has ended before."""
        if self.heard is None:
            return None
        a_second = self.heard.shape[-1] / self.sound_s if self.sound_s else 0.0
        return self.heard[..., round(start_s * a_second) : round(end_s * a_second)]
