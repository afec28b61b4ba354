"""From evidence and a detector to an `AnalysisResult`; detectors are known only through `contract`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace

from drishtiksha.analysis.budget import Budget
from drishtiksha.analysis.chunks import continued
from drishtiksha.analysis.fit import unfit
from drishtiksha.analysis.parts import MediaPart, parts_of, strongest
from drishtiksha.analysis.recipe import recipe_of
from drishtiksha.analysis.run import Run
from drishtiksha.analysis.sequences import SequenceRun
from drishtiksha.analysis.shared import SharedMedia
from drishtiksha.analysis.sources import RunContext, Stopwatch
from drishtiksha.contract import Detector, Explain, SequencePlan
from drishtiksha.errors import MediaError, WrongMediaKindError
from drishtiksha.events import CancelToken, ProgressEvent, Reporter, silent
from drishtiksha.media.evidence import Evidence
from drishtiksha.results import AnalysisResult
from drishtiksha.settings import MediaLimits

__all__ = ["analyze"]


def analyze(
    evidence: Evidence,
    detector: Detector,
    reporter: Reporter = silent,
    cancel: CancelToken | None = None,
    *,
    explain: Explain = True,
    limits: MediaLimits | None = None,
    shared: SharedMedia | None = None,
    resume: Sequence[bytes] = (),
    on_chunk: Callable[[bytes], None] | None = None,
) -> AnalysisResult:
    """Examine `evidence` with one loaded detector.

    reporter: called after every sample, with a preview of the result after the sparse first pass of long media.
    cancel: checked while decoding and between batches. explain: whether to make heatmaps, or only
    where the result is FAKE ("suspicious"). shared: what other models on
    this file use too, with its own limits. on_chunk: given what is finished, as bytes to keep, every few seconds and after
    every pass; called from this thread. resume: such bytes of an interrupted run, in order, to go on from; those of another
    model, file, configuration or version are passed over. The result is that of a run without interruption, its times added
    up.

    After `limits.analysis_s` seconds the rest counts as not judged, for lack of time.

    Raises: ValueError when `shared` is of another file; WrongMediaKindError before anything is decoded; MediaError and its kinds; AnalysisCancelledError.
    """
    if reason := unfit(evidence.media, detector.config, detector.model_name):
        raise WrongMediaKindError(reason)
    if shared is not None and shared.evidence.media.sha256 != evidence.media.sha256:
        raise ValueError(f"{shared.evidence.media.name} was shared, but {evidence.media.name} is to be examined")
    limits = shared.limits if shared is not None else limits or MediaLimits()
    check = Budget(limits.analysis_s, detector.model_name, evidence.media.name, (cancel or CancelToken()).check).check
    alone = SharedMedia.alone(evidence, limits, check) if shared is None else nullcontext(shared)
    plan = detector.sampling(evidence.media)
    reporter(ProgressEvent(detector.model_name, 0, None, "decode", "Opening the file"))
    recipe = recipe_of(detector, evidence.track)
    started, clock = time.perf_counter(), Stopwatch()
    with ExitStack() as opened:
        media = opened.enter_context(alone)
        with clock("decode"):
            parts, notes = opened.enter_context(parts_of(media, plan, check))
        results: list[AnalysisResult] = []
        judged: list[MediaPart] = []
        for part in parts:
            spent_s = 0.0 if results else time.perf_counter() - started
            context = RunContext(part.shared, check, clock, part.sound, spent_s, recipe)
            told = reporter if len(parts) == 1 else _of_part(reporter, part, last=part is parts[-1])
            log, before = continued(detector, evidence.media, resume, on_chunk, part.key)
            if isinstance(plan, SequencePlan):
                run: Run = SequenceRun(context, detector, told, plan, log, before)
            else:
                run = Run(context, detector, told, plan, log, before)
            try:
                results.append(run.execute(explain))
            except MediaError as error:
                if part is parts[0]:
                    raise
                notes.append(f"{part.label.capitalize()} was not judged: {error}")
                continue
            judged.append(part)
    if len(results) == 1 and not parts[0].label and not notes:
        return results[0]
    return strongest(judged, results, notes)


def _of_part(reporter: Reporter, part: MediaPart, *, last: bool) -> Reporter:
    """Tells which part is at work; there is no first answer before all are done."""

    def told(event: ProgressEvent) -> None:
        phase = "score" if event.phase == "done" and not last else event.phase
        message = event.message if event.phase == "done" and last else f"{part.label}: {event.message}"
        reporter(replace(event, phase=phase, message=message, preview=None))

    return told
