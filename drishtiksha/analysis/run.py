"""One analysis by single samples: skip with reasons, batch, score, follow people, conclude, explain."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

import numpy as np

from drishtiksha import scoring
from drishtiksha.analysis.chunks import Log, Piece, library_versions
from drishtiksha.analysis.faces import looks, lost_faces, number_people
from drishtiksha.analysis.sources import FrameSource, PictureSource, RunContext, SoundSource, open_source, place, where
from drishtiksha.contract import CURVE, Detector, Explain, FramePlan, Sample, SamplingPlan
from drishtiksha.errors import ModelFailedError, SkipSample, TimeUpError
from drishtiksha.events import ProgressEvent, Reporter
from drishtiksha.results import (
    MIN_PERSON_SAMPLES,
    AnalysisResult,
    FaceScore,
    GapReason,
    Heatmap,
    MediaKind,
    PersonScore,
    Prediction,
    RunProvenance,
    SampleScore,
    fine_clock,
)

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
Given = TypeVarTuple("Given")

FIRST_ALONE = "Only the first of the {} pictures in this file was judged. To have another judged, save it by itself."
FAR_APART = "It is long: one frame in {:.1f} s was looked at, and nothing was seen of what lies between."
LOOKED_CLOSER = "More frames were looked at where some were suspicious or a face was lost: {}. The score is that of the evenly spaced ones."
BRIEF_ONE = f"One more person was seen in fewer than {MIN_PERSON_SAMPLES} samples and was not judged."
BRIEF = f"{{}} more people were seen in fewer than {MIN_PERSON_SAMPLES} samples each and were not judged."
CURVE_DIGITS = 4
"""Of p_fake at the moments of a window: there are many of them."""
MAX_HEATMAPS = 4
"""Samples that are explained: enough to look at, few enough to be quick."""


LITTLE_DETAIL = 0.25
LEAST_DETAIL = 0.1
"""Shares of a picture's blocks that show anything: below the first it is told, below the second no score counts. Measured on
portraits saved by JPEG at quality 90 (0.72 or more), at 10 (0.20 or more) and laid on a plain ground of four times their size
(0.19 or more), against twins with quantisation tables of zero (0.02 or less) and with 300 bytes exchanged (median 0.07)."""

LEAST_FACE_DETAIL = 0.3
"""The same of a face that was judged: 0.71 or more in portraits saved by JPEG at quality 10, 0.49 or more at 5."""

PLAIN = "Only {:.0%} of the picture shows any detail; the rest is of one brightness. It may be damaged, or a drawing."
DESTROYED = "Only {:.1%} of the picture shows any detail: it is damaged, or next to nothing is in it to be judged."
FACE_DESTROYED = "Only {:.1%} of the face shows any detail: it is damaged, or nothing of it is left to be judged."
WAITING_BYTES = 64_000_000
"""Of samples that wait until a batch is full; beyond, a smaller batch is judged."""
SUSPECT_BYTES = 100_000_000 // MAX_HEATMAPS
"""A larger sample is not kept for its heatmap."""
LEAST_DECODED = 0.5
"""Share of a picture that must be there for a low score to say anything."""
MOSTLY_GONE = "Less than half of the picture could be decoded, so a low score says nothing of the rest."
OUT_OF_STEP = "The picture's data are damaged, so a low score says nothing: parts of it are not what was stored."


class Run:
    """The state of one analysis; never shared between threads."""

    def __init__(
        self,
        context: RunContext,
        detector: Detector,
        reporter: Reporter,
        plan: SamplingPlan,
        log: Log,
        before: Piece,
    ) -> None:
        self.context, self.detector, self.reporter, self.plan = context, detector, reporter, plan
        self.media, self.log = context.media, log
        self.batch_size = detector.config.batch_size
        self.started, self.seconds_before = time.perf_counter(), before.seconds + context.spent_s
        self.started_utc = before.started_utc or datetime.now(UTC).isoformat(timespec="seconds")
        self.context.clock.seconds.update(before.stages)
        self.total = self.seen = 0
        self.closer: frozenset[int] = frozenset()
        """Samples beyond the passes, beside suspicious ones."""
        self.step_s: float | None = None
        self.detail = 1.0
        self.late = ""
        """Why the rest was not judged."""
        self.scores, self.looks = dict(before.scores), dict(before.looks)
        self.suspects: list[tuple[float, int, Sample | None]] = []
        """None stands for a sample that was scored before the interruption, or is large: its pixels are decoded once more."""
        for score in self.scores.values():
            self._suspect(score, None)
        self.measured: dict[str, float | int | str | None] = {}
        self.whole: float | None = None

    def execute(self, explain: Explain) -> AnalysisResult:
        self.source = source = open_source(self.context, self.plan)
        if isinstance(source, FrameSource):
            self.step_s = source.step_s()
        if isinstance(source, PictureSource):
            self.detail = source.detail()
        if isinstance(source, SoundSource):
            self._report("score", 0, "Listening")
            with self.context.clock("preprocess"):
                self.measured = dict(
                    _sound_summary(source.waveform, source.plan.sample_rate, self.detector.config.pitch)
                )
        self.total = sum(len(part) for part in source.passes)
        left = [[index for index in part if not self._is_done(index)] for part in source.passes]
        self.seen = self.total - sum(map(len, left))
        if self.seen:
            self._report("score", self.seen, f"Going on after {self.seen} of {self.total} samples")
        for number, part in enumerate(left, start=1):
            later = [index for rest in left[number:] for index in rest]
            if part:
                self._score_all(source.samples(part, later))
            self._write_chunk()
            # Not in the midst of a pass after an interruption: sequences would be judged that nobody else needs.
            if later and not self.late and self.seen == sum(map(len, source.passes[:number])):
                message = f"First answer from {self.seen} of {self.total} samples; looking closer"
                self._report("score", self.seen, message, self._conclude(self._finish_in_time(), ()))
            if self.late:
                self._give_up([*part, *later])
                break
        if not self.late:
            self._look_closer()
        scores = self._finish_in_time()
        self._write_chunk()
        result = self._conclude(scores, self._explained(scores) if self._to_explain(explain, scores) else ())
        self._report("done", self.total, f"Done in {result.processing_time:.1f} s")
        return result

    def _look_closer(self) -> None:
        """Judge further frames of a long video: beside suspicious ones, and where a face was lost. Which they are follows from
        the scores of the passes alone, so that a continued run takes the same."""
        if not isinstance(self.source, FrameSource) or not isinstance(self.plan, FramePlan):
            return
        limit = self.detector.thresholds(self.media).fake
        even = [self.scores[index] for part in self.source.passes for index in sorted(part)]
        even.sort(key=lambda score: score.index)
        suspicious = [
            (-score.p_fake, score.index) for score in even if score.p_fake is not None and score.p_fake >= limit
        ]
        lost = lost_faces(self._numbered(even))
        wanted = self.source.closer([index for _, index in sorted(suspicious)], lost)
        left = [index for index in wanted if not self._is_done(index)]
        self.closer, self.total = frozenset(wanted), self.total + len(wanted)
        self.seen += len(wanted) - len(left)
        if left:
            self._score_all(self.source.samples(left))
            self._write_chunk()

    def _is_done(self, index: int) -> bool:
        """Whether nothing of this sample need be decoded or computed again."""
        return index in self.scores

    def _write_chunk(self) -> None:
        self.log.flush(self.started_utc, self._seconds(), self.context.clock.seconds)

    def _seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.started

    def _give_up(self, indices: Sequence[int]) -> None:
        """Time is up: what of these was not done is a gap, not kept for a later run."""
        for index in indices:
            if not self._is_done(index):
                self.scores[index] = self.source.unseen(index, GapReason.OUT_OF_TIME)

    def _finish_in_time(self) -> list[SampleScore]:
        """The scores of what was done; where time ends meanwhile, they are finished all the same."""
        try:
            return self._finish_scores()
        except TimeUpError as late:
            self.late = str(late)
            return self._finish_scores()

    def _to_explain(self, explain: Explain, scores: list[SampleScore]) -> bool:
        """Whether heatmaps are wanted of such scores: where nothing is suspected they show but the brightest spot."""
        if explain == "suspicious":
            return self._conclude(scores, ()).prediction is Prediction.FAKE
        return explain is True

    def _explained(self, scores: list[SampleScore]) -> tuple[Heatmap, ...]:
        if self.late:
            return ()
        try:
            return self._explain(scores)
        except TimeUpError:
            return ()

    def _score_all(self, samples: Iterator[Sample | SampleScore]) -> None:
        """Of all samples, or of those that come before time is up."""
        waiting: list[tuple[Sample, list[Tensor]]] = []
        try:
            self._score_each(samples, waiting)
        except TimeUpError as late:
            self.late = str(late)
            self._forward(waiting)

    def _score_each(self, samples: Iterator[Sample | SampleScore], waiting: list[tuple[Sample, list[Tensor]]]) -> None:
        """Batch across samples, so that one face a frame still fills the processor. waiting: holds those not yet judged."""
        for sample in samples:
            self.context.check()
            if isinstance(sample, SampleScore):
                self._add(sample)
            elif tensors := self._preprocess(sample):
                # Frames of a stream may change their size, and with it that of the tensors.
                if waiting and waiting[0][1][0].shape != tensors[0].shape:
                    self._forward(waiting)
                    waiting.clear()
                waiting.append((sample, tensors))
            self.seen += 1
            self._report("score", self.seen, place(sample))
            if (
                sum(len(tensors) for _, tensors in waiting) >= self.batch_size
                or sum(one.nbytes for one, _ in waiting) > WAITING_BYTES
            ):
                self._forward(waiting)
                waiting.clear()
            # Between batches only: so a continued run makes the same batches, and the same scores to the last bit.
            if not waiting and self.log.due():
                self._write_chunk()
        self._forward(waiting)

    def _preprocess(self, sample: Sample) -> list[Tensor]:
        """The sample's tensors; none, with the gap noted, when the detector skips it."""
        try:
            with self.context.clock("preprocess"):
                tensors = self.detector.preprocess(sample)
        except SkipSample as skip:
            self._add(SampleScore(**where(sample), gap=GapReason(skip.reason)))
            return []
        if not tensors or (sample.faces and len(tensors) != len(sample.faces)):
            wanted = f"{len(sample.faces)}, one for each face" if sample.faces else "one"
            raise ModelFailedError(
                f"{self.detector.model_name} made {len(tensors)} tensors of a sample, wanted {wanted}. That is a fault of its "
                "code: its author must have `preprocess` return them, or raise SkipSample."
            )
        return tensors

    def _forward(self, waiting: list[tuple[Sample, list[Tensor]]]) -> None:
        import torch

        if not waiting:
            return
        tensors = [tensor for _, group in waiting for tensor in group]
        # Of one size, since small ones waste time.
        size = math.ceil(len(tensors) / math.ceil(len(tensors) / self.batch_size))
        judged: list[tuple[float, dict[str, float], tuple[float, ...]]] = []
        for start in range(0, len(tensors), size):
            self.context.check()
            batch = torch.stack(tensors[start : start + size])
            with self.context.clock("forward"):
                p_fakes, further = self._at_work(lambda detector, these: detector.judge(these), batch)
            self.batch_size = self.detector.batch_size_after(len(batch))
            curves = further.get(CURVE, np.zeros((len(p_fakes), 0))).round(CURVE_DIGITS).tolist()
            numbers = {name: values for name, values in further.items() if name != CURVE}
            judged += [
                (float(p), {name: float(values[i]) for name, values in numbers.items()}, tuple(curves[i]))
                for i, p in enumerate(p_fakes)
            ]
        rest = iter(judged)
        for sample, group in waiting:
            own = [next(rest) for _ in group]
            of_faces = [p for p, _, _ in own]
            foremost = self.detector.foremost(of_faces, [measures for _, measures, _ in own])
            _, measures, curve = own[foremost]
            sample.measures.update(measures)
            self._note(sample, of_faces, foremost, curve)

    def _at_work(self, work: Callable[[Detector, *Given], T], *given: *Given) -> T:
        """`work(detector, *given)`; once its device has no room for a single sample, another on the CPU goes on with this
        file."""
        try:
            return work(self.detector, *given)
        except Exception as error:
            on_cpu = self.detector.elsewhere(error)
            if on_cpu is None:
                raise
        self.detector, self.batch_size = on_cpu, on_cpu.config.batch_size
        return work(on_cpu, *given)

    def _note(self, sample: Sample, p_fakes: list[float], foremost: int, curve: tuple[float, ...]) -> None:
        if gap := self.detector.unjudged():
            self._add(SampleScore(**where(sample), gap=gap, measures=sample.measures))
            return
        # A run of frames is judged as a whole, whoever is in it.
        faces = () if sample.frames else sample.faces
        faces_scored = tuple(
            FaceScore(face_box=face.box, p_fake=p) for face, p in zip(faces, p_fakes, strict=bool(faces))
        )
        score = SampleScore(
            **where(sample), p_fake=p_fakes[foremost], faces=faces_scored, measures=sample.measures, curve=curve
        )
        self._add(score)
        if faces and self.media.kind is MediaKind.VIDEO:
            self.looks[sample.index] = self.log.piece.looks[sample.index] = looks(sample)
        self._suspect(score, sample)

    def _add(self, score: SampleScore) -> None:
        if score.index in self.closer:
            score = score.model_copy(update={"closer": True})
        self.scores[score.index] = self.log.piece.scores[score.index] = score

    def _suspect(self, score: SampleScore, sample: Sample | None) -> None:
        if score.p_fake is None:
            return
        small = sample is None or sample.nbytes <= SUSPECT_BYTES
        heapq.heappush(self.suspects, (score.p_fake, score.index, sample if small else None))
        if len(self.suspects) > MAX_HEATMAPS:
            heapq.heappop(self.suspects)

    def _finish_scores(self) -> list[SampleScore]:
        """Number the people and return what was scored so far, in time order."""
        scores = [self.scores[index] for index in sorted(self.scores)]
        return self._numbered(scores)

    def _numbered(self, scores: list[SampleScore]) -> list[SampleScore]:
        if not self.looks:
            return scores
        return number_people(scores, self.looks, self.detector.thresholds(self.media).fake)

    def _explain(self, scores: list[SampleScore]) -> tuple[Heatmap, ...]:
        """Heatmaps for the most suspicious samples, most suspicious first."""
        by_index = {score.index: score for score in scores}
        samples = {index: sample for _, index, sample in self.suspects if sample is not None}
        if gone := sorted(index for _, index, sample in self.suspects if sample is None):
            samples |= {again.index: again for again in self.source.samples(gone) if isinstance(again, Sample)}
        maps: list[Heatmap] = []
        for done, (_, index, _) in enumerate(sorted(self.suspects, reverse=True)):
            if (sample := samples.get(index)) is None:
                continue
            self.context.check()
            sample.measures.update(by_index[index].measures)
            self._report("explain", done, f"Heatmap of {place(sample).lower()}", total=len(self.suspects))
            with self.context.clock("explain"):
                maps.extend(self._at_work(lambda detector, *these: detector.explain(*these), sample, by_index[index]))
        return tuple(maps)

    def _conclude(self, scores: list[SampleScore], heatmaps: tuple[Heatmap, ...]) -> AnalysisResult:
        detector, experimental = self.detector, self.detector.config.experimental
        thresholds, calibrated = detector.thresholds(self.media), detector.calibrated(self.media)
        pooled = scoring.pooled(scores)
        aggregate, (covered, gap) = detector.aggregate(pooled, self.whole), self._judged(scores)
        people = scoring.person_scores(pooled, thresholds, calibrated and not experimental)
        verdict = scoring.decide(
            aggregate.p_fake,
            pooled,
            thresholds,
            calibrated,
            detector.config,
            covered=covered,
            gap=gap,
            destroyed=self._destroyed(scores),
            damaged=OUT_OF_STEP
            if self.media.damaged
            else MOSTLY_GONE
            if self.media.decoded_share < LEAST_DECODED
            else None,
        )
        comparable = None if verdict.gap is GapReason.LOW_COVERAGE else aggregate.p_fake
        rates = scoring.error_rates(comparable, detector.reference(self.media), thresholds)
        return AnalysisResult(
            model_name=detector.model_name,
            media=self.media,
            prediction=verdict.prediction,
            grade=verdict.grade,
            p_fake=aggregate.p_fake,
            confidence=verdict.confidence,
            reason=verdict.reason,
            caveats=verdict.caveats,
            odds=scoring.odds(aggregate.p_fake, verdict, rates, self.media.kind, calibrated=calibrated),
            gap=verdict.gap,
            coverage=covered,
            thresholds=thresholds,
            calibrated=calibrated,
            error_rates=rates,
            experimental=experimental,
            scores=tuple(scores),
            people=people,
            step_s=self.step_s,
            closer=scoring.closer_stretches(scores),
            heatmaps=heatmaps,
            metrics={**aggregate.metrics, **self.measured},
            notes=(
                *(note for note in (self.late, detector.remark) if note),
                *self.media.notes,
                *self._on_detail(),
                *self._on_sampling(scores),
                *_on_brief(people),
                *aggregate.notes,
                *((FIRST_ALONE.format(self.media.pictures),) if self.media.pictures > 1 else ()),
            ),
            processing_time=self._seconds(),
            stage_seconds={stage: round(seconds, 4) for stage, seconds in self.context.clock.seconds.items()},
            provenance=RunProvenance(
                started_utc=self.started_utc,
                versions=library_versions(),
                **detector.run_facts(),
                recipe=self.context.recipe,
            ),
        )

    def _judged(self, scores: list[SampleScore]) -> tuple[float, GapReason | None]:
        """The share of the file that was judged, and why nothing was, where the samples do not tell by themselves."""
        gap = GapReason.DAMAGED if self.media.decoded_share < 1 else None
        return scoring.coverage(scores) * self.media.decoded_share / self.media.pictures, gap

    def _on_sampling(self, scores: Sequence[SampleScore]) -> tuple[str, ...]:
        far = (FAR_APART.format(self.step_s),) if self.step_s is not None else ()
        stretches = scoring.closer_stretches(scores)
        spans = ", ".join(f"{fine_clock(start)}-{fine_clock(end)}" for start, end in stretches)
        return (*far, *((LOOKED_CLOSER.format(spans),) if stretches else ()))

    def _destroyed(self, scores: Sequence[SampleScore]) -> str | None:
        """Why no score of a picture counts; None where there is enough in it to be judged."""
        if self.detail < LEAST_DETAIL:
            return DESTROYED.format(self.detail)
        if isinstance(self.source, PictureSource):
            boxes = [face.face_box for score in scores for face in score.faces]
            least = min(map(self.source.detail, boxes), default=1.0)
            if least < LEAST_FACE_DETAIL:
                return FACE_DESTROYED.format(least)
        return None

    def _on_detail(self) -> tuple[str, ...]:
        return (PLAIN.format(self.detail),) if self.detail < LITTLE_DETAIL else ()

    def _report(
        self,
        phase: str,
        progress: int,
        message: str,
        preview: AnalysisResult | None = None,
        *,
        total: int | None = None,
    ) -> None:
        count = total if total is not None else self.total or None
        self.reporter(ProgressEvent(self.detector.model_name, progress, count, phase, message, preview))


def _on_brief(people: Sequence[PersonScore]) -> tuple[str, ...]:
    """Those who got no score of their own."""
    count = sum(not row.seen_enough for row in people)
    if not count or count == len(people):
        return ()
    return (BRIEF_ONE if count == 1 else BRIEF.format(count),)


def _sound_summary(waveform: np.ndarray, sample_rate: int, pitch: bool) -> dict[str, float]:
    """Loudness, and with `pitch` the pitch of the voice; by name, as `features.sound_summary` defines them."""
    from drishtiksha.features.sound_summary import energy_summary, pitch_summary

    return energy_summary(waveform, sample_rate) | (pitch_summary(waveform, sample_rate) if pitch else {})
