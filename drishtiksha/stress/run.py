"""One stress test: changed copies in a temporary folder, each analysed like an upload, and what that tells in words."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from drishtiksha.analysis import analyze
from drishtiksha.casefile import StressPoint, StressResult
from drishtiksha.contract import Detector
from drishtiksha.errors import MediaError, WrongMediaKindError
from drishtiksha.events import CancelToken, ProgressEvent, Reporter, silent
from drishtiksha.media.decode import Frame
from drishtiksha.media.evidence import Evidence
from drishtiksha.media.reader import Reader
from drishtiksha.results import AnalysisResult, MediaKind
from drishtiksha.settings import MediaLimits
from drishtiksha.stress.changes import PictureChange, SoundChange, picture_changes, sound_changes, video_changes
from drishtiksha.stress.encode import SOUND_RATE, write_sound, write_video
from drishtiksha.stress.words import sentences

VIDEO_EXCERPT_S = 10.0
SOUND_EXCERPT_S = 60.0
"""Of longer media the stretch round the highest score stands in: a stress test encodes everything a dozen times."""

Change = PictureChange | SoundChange


def stress_test(
    evidence: Evidence,
    detector: Detector,
    reporter: Reporter = silent,
    cancel: CancelToken | None = None,
    *,
    limits: MediaLimits | None = None,
    folder: Path | None = None,
) -> StressResult:
    """Score `evidence` untouched and after each change that suits its kind and the detector.

    A change whose copy cannot be made or examined has no point; `sentences` say why.
    folder: where changed copies lie meanwhile; None is the system's own place for temporary files.
    Raises: WrongMediaKindError, MediaError and its kinds for the evidence itself; when there is no point at all, what
    stopped the first one; AnalysisCancelledError.
    """
    return _Test(evidence, detector, reporter, cancel or CancelToken(), limits or MediaLimits(), folder).execute()


@dataclass(frozen=True)
class _Test:
    evidence: Evidence
    detector: Detector
    reporter: Reporter
    cancel: CancelToken
    limits: MediaLimits
    folder: Path | None

    def execute(self) -> StressResult:
        started = time.perf_counter()
        changes = self._changes()
        self._report(0, len(changes), "The untouched file")
        baseline = self._analyze(self.evidence)
        points, failures = self._points(changes, baseline)
        if failures and not points:
            raise next(iter(failures.values()))
        scores = [p for p in (baseline.p_fake, *(point.p_fake for point in points)) if p is not None]
        return StressResult(
            model_name=self.detector.model_name,
            sha256=self.evidence.media.sha256,
            baseline=baseline,
            points=tuple(points),
            low=min(scores, default=None),
            high=max(scores, default=None),
            sentences=sentences(baseline, points, {label: str(error) for label, error in failures.items()}),
            seconds=time.perf_counter() - started,
        )

    def _points(
        self, changes: list[Change], baseline: AnalysisResult
    ) -> tuple[list[StressPoint], dict[str, MediaError]]:
        """A point for each change whose copy can be made and examined; label -> what stopped each of the others."""
        held = baseline
        points: list[StressPoint] = []
        failures: dict[str, MediaError] = {}
        with tempfile.TemporaryDirectory(prefix="stress-", dir=self.folder) as folder:
            write = self._writer(Path(folder), baseline)
            for done, change in enumerate([*self._control(), *changes]):
                self.cancel.check()
                self._report(done, len(changes), change.label)
                try:
                    path = write(change)
                    result = self._analyze(Evidence.open(path, self.limits, self.evidence.media.name))
                except MediaError as error:
                    failures[change.label] = error
                    continue
                path.unlink()
                if change.kind == "excerpt":
                    held = result
                points.append(_point(change, result, held))
        return points, failures

    def _changes(self) -> list[Change]:
        """Those that the detector could notice: what only hears is not shown other pictures."""
        media, config = self.evidence.media, self.detector.config
        if media.kind is MediaKind.IMAGE:
            return list(picture_changes())
        if media.kind is MediaKind.AUDIO or config.only_hears(media):
            return list(sound_changes())
        return list(video_changes())

    def _control(self) -> list[Change]:
        """For long media: the stretch that stands in for all of it, otherwise unchanged."""
        first = self._changes()[0]
        length = self._excerpt_s()
        if (self.evidence.media.duration_s or 0.0) <= length or self.evidence.media.kind is MediaKind.IMAGE:
            return []
        label = f"The {length:.0f} s round the highest score, otherwise unchanged"
        if isinstance(first, SoundChange):
            return [SoundChange("excerpt", label, 0, first.apply)]
        return [PictureChange("excerpt", label, 0, first.apply)]

    def _excerpt_s(self) -> float:
        return SOUND_EXCERPT_S if isinstance(self._changes()[0], SoundChange) else VIDEO_EXCERPT_S

    def _writer(self, folder: Path, baseline: AnalysisResult) -> Callable[[Change], Path]:
        """What writes a changed copy; sound is decoded once for all copies."""
        evidence, reader = self.evidence, self._reader()
        if evidence.media.kind is MediaKind.IMAGE:
            picture = reader.picture()
            return lambda change: _write_picture(folder, picture, change)
        start, end = self._stretch(baseline)
        sound = np.zeros(0, np.float32)
        if evidence.media.has_audio:
            sound = reader.sound(SOUND_RATE)
            sound = sound[round(start * SOUND_RATE) : round(end * SOUND_RATE)]

        def write(change: Change) -> Path:
            if isinstance(change, SoundChange):
                if not len(sound):
                    raise WrongMediaKindError(
                        f"The sound of {evidence.media.name} ends before the part to be changed. Cut out the part in question."
                    )
                target = folder / f"changed.{change.suffix}"
                write_sound(target, change.apply(sound), change.encoder, change.bit_rate)
                return target
            target = folder / "changed.mp4"
            write_video(
                target,
                self._frames(change, start, end),
                change.crf,
                sound if len(sound) else None,
                name=evidence.media.name,
            )
            return target

        return write

    def _stretch(self, baseline: AnalysisResult) -> tuple[float, float]:
        """Start and end, s, of what is changed: all of short media, else the stretch round the highest score."""
        duration, length = self.evidence.media.duration_s or 0.0, self._excerpt_s()
        if duration <= length:
            return 0.0, (duration or self.limits.max_duration_s) + 1
        scored = [score for score in baseline.scores if score.p_fake is not None and score.time_s is not None]
        highest = max(scored, key=lambda score: score.p_fake or 0.0, default=None)
        middle = (highest.time_s or 0.0) if highest is not None else duration / 2
        start = min(max(middle - length / 2, 0.0), duration - length)
        return start, start + length

    def _frames(self, change: PictureChange, start: float, end: float) -> Iterator[Frame]:
        reader = self._reader()
        index = reader.index()
        wanted = [i for i in range(index.declared) if start <= index.time_s(i) < end]
        with reader.frames_at(wanted, index=index) as stream:
            for frame in stream:
                yield replace(frame, image=change.apply(frame.image))

    def _reader(self) -> Reader:
        return self.evidence.reader(self.limits, self.cancel.check)

    def _analyze(self, evidence: Evidence) -> AnalysisResult:
        return analyze(evidence, self.detector, silent, self.cancel, explain=False, limits=self.limits)

    def _report(self, done: int, total: int, message: str) -> None:
        self.reporter(ProgressEvent(self.detector.model_name, done, total, "stress", message))


def _write_picture(folder: Path, picture: np.ndarray, change: Change) -> Path:
    assert isinstance(change, PictureChange)
    changed = np.ascontiguousarray(change.apply(picture))
    if change.jpeg is None:
        target = folder / "changed.png"
        cv2.imwrite(str(target), changed[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    else:
        target = folder / "changed.jpg"
        Image.fromarray(changed).save(target, quality=change.jpeg)
    return target


def _point(change: Change, result: AnalysisResult, held: AnalysisResult) -> StressPoint:
    return StressPoint(
        kind=change.kind,
        label=change.label,
        strength=change.strength,
        prediction=result.prediction,
        grade=result.grade,
        p_fake=result.p_fake,
        coverage=result.coverage,
        gap=result.gap,
        flips=result.prediction is not held.prediction,
    )
