"""An analysis by sequences: every frame is encoded once, however many sequences it belongs to.

Chunks keep what the encoder made of each frame and the score of each sequence. Repeated after an interruption are: the batch
at work, and decoding and encoding those frames whose features exceed what is kept of a run (`chunks.FEATURE_BYTES`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drishtiksha.analysis.chunks import KeptFrame, Log, Piece
from drishtiksha.analysis.run import MAX_HEATMAPS, Run
from drishtiksha.analysis.sources import RunContext
from drishtiksha.contract import Detector, EncodedFrame, Sample, SequencePlan, Window
from drishtiksha.events import Reporter
from drishtiksha.results import FaceBox, FaceScore, GapReason, Heatmap, SampleScore

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class _Encoded:
    """A frame that is done with, all but its pixels. index: of its sample."""

    index: int
    frame: EncodedFrame
    face_box: FaceBox | None
    features: Tensor


class SequenceRun(Run):
    """The state of one analysis by sequences."""

    def __init__(
        self, context: RunContext, detector: Detector, reporter: Reporter, plan: SequencePlan, log: Log, before: Piece
    ) -> None:
        super().__init__(context, detector, reporter, plan, log, before)
        self.encoded = {frame.index: _from_chunk(frame) for frame in before.frames}
        self.windows = dict(before.windows)
        """p_fake by the samples of a sequence."""
        self.used: set[int] = set()
        self.shown_at: dict[int, int] = {}
        """Number of a sequence's score to the sample whose frame stands for it."""

    def _is_done(self, index: int) -> bool:
        return index in self.scores or index in self.encoded

    def _forward(self, waiting: list[tuple[Sample, list[Tensor]]]) -> None:
        import torch

        if not waiting:
            return
        self.context.check()
        with self.context.clock("forward"):
            batch = torch.stack([tensors[0] for _, tensors in waiting])
            features = self._at_work(lambda detector, these: detector.encode(these), batch)
        self.batch_size = self.detector.batch_size_after(len(batch))
        for (sample, _), own in zip(waiting, features, strict=True):
            assert sample.frame_index is not None
            box = sample.faces[0].box if sample.faces else None
            measures = {name: float(value) for name, value in sample.measures.items()}
            frame = EncodedFrame(sample.frame_index, sample.time_s or 0.0, measures)
            self.encoded[sample.index] = _Encoded(sample.index, frame, box, own)
            self.log.add_frame(KeptFrame(sample.index, sample.frame_index, frame.time_s, measures, box, own.numpy()))

    def _finish_scores(self) -> list[SampleScore]:
        """Run the network on the sequences of the frames so far; they and the gaps outside of them, in time order."""
        frames = [self.encoded[index] for index in sorted(self.encoded)]
        windows = self.detector.windows([one.frame for one in frames])
        p_fakes = self._judge_windows(frames, windows)
        self.used = {frames[i].index for window in windows for i in window.members}
        self.shown_at, self.whole = {}, None
        self.measured = dict(self.detector.frame_metrics([one.frame for one in frames]))
        scores: list[tuple[SampleScore, int]] = []
        for window, p_fake in zip(windows, p_fakes, strict=True):
            if window.whole:
                self.whole = p_fake
            else:
                scores.append((self._window_score(frames, window, p_fake), frames[_middle(window)].index))
        spans = [(score.time_s or 0.0, score.end_s or 0.0) for score, _ in scores]
        gaps = [
            (gap, -1)
            for gap in self.scores.values()
            if not any(start <= (gap.time_s or 0.0) <= end for start, end in spans)
        ]
        merged = sorted([*scores, *gaps], key=lambda pair: pair[0].time_s or 0.0)
        ordered = []
        for number, (score, shown) in enumerate(merged):
            ordered.append(score.model_copy(update={"index": number}))
            if shown >= 0:
                self.shown_at[number] = shown
        return ordered

    def _judge_windows(self, frames: list[_Encoded], windows: Sequence[Window]) -> list[float]:
        import torch

        size = self.detector.config.batch_size
        names = [tuple(frames[m].index for m in window.members) for window in windows]
        left = sorted(
            (i for i, name in enumerate(names) if name not in self.windows), key=lambda i: len(windows[i].members)
        )
        while left:
            length = len(windows[left[0]].members)
            group = [i for i in left[:size] if len(windows[i].members) == length]
            left = left[len(group) :]
            self.context.check()
            with self.context.clock("forward"):
                batch = torch.stack([torch.stack([frames[m].features for m in windows[i].members]) for i in group])
                p_fakes = self._at_work(lambda detector, these: detector.score(these), batch).tolist()
            fresh = {names[i]: p_fake for i, p_fake in zip(group, p_fakes, strict=True)}
            self.windows |= fresh
            self.log.piece.windows |= fresh
            if self.log.due():
                self._write_chunk()
        return [self.windows[name] for name in names]

    def _window_score(self, frames: list[_Encoded], window: Window, p_fake: float) -> SampleScore:
        first, middle, last = (frames[i] for i in (window.members[0], _middle(window), window.members[-1]))
        faces = () if middle.face_box is None else (FaceScore(face_box=middle.face_box, p_fake=p_fake),)
        return SampleScore(
            index=middle.index,
            time_s=first.frame.time_s,
            end_s=last.frame.time_s,
            frame_index=middle.frame.frame_index,
            p_fake=p_fake,
            faces=faces,
            measures=dict(middle.frame.measures),
        )

    def _judged(self, scores: list[SampleScore]) -> tuple[float, GapReason | None]:
        """By frames: those that belong to a sequence, of those looked at so far."""
        if self.used:
            return len(self.used) / max(self.seen, 1), None
        if not self.encoded:
            return 0.0, None
        return 0.0, GapReason.TOO_FEW if self.scores else GapReason.TOO_SHORT

    def _explain(self, scores: list[SampleScore]) -> tuple[Heatmap, ...]:
        """Heatmaps of the middle frames of the most suspicious sequences, decoded once more."""
        judged = sorted((s for s in scores if s.index in self.shown_at), key=lambda s: s.p_fake or 0.0, reverse=True)
        chosen: dict[int, SampleScore] = {}
        for score in judged:
            shown = self.shown_at[score.index]
            if len(chosen) < MAX_HEATMAPS and shown not in chosen:
                chosen[shown] = score
        found: list[tuple[float, Heatmap]] = []
        for sample in self.source.samples(sorted(chosen)):
            self.context.check()
            if not isinstance(sample, Sample):
                continue
            self._report("explain", len(found), "Heatmaps", total=len(chosen))
            score = chosen[sample.index]
            with self.context.clock("explain"):
                maps = self._at_work(lambda detector, *these: detector.explain(*these), sample, score)
            found += [(score.p_fake or 0.0, one.model_copy(update={"sample_index": score.index})) for one in maps]
        return tuple(heatmap for _, heatmap in sorted(found, key=lambda pair: -pair[0]))


def _from_chunk(kept: KeptFrame) -> _Encoded:
    import torch

    frame = EncodedFrame(kept.frame_index, kept.time_s, kept.measures)
    return _Encoded(kept.index, frame, kept.face_box, torch.from_numpy(kept.features))


def _middle(window: Window) -> int:
    return window.members[len(window.members) // 2]
