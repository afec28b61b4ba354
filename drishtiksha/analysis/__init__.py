"""From evidence and a detector to an `AnalysisResult`; detectors are known only through `contract`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

from drishtiksha.analysis.chunks import continued
from drishtiksha.analysis.fit import unfit
from drishtiksha.analysis.run import Run
from drishtiksha.analysis.sequences import SequenceRun
from drishtiksha.analysis.shared import SharedMedia
from drishtiksha.analysis.sources import RunContext
from drishtiksha.contract import Detector, SequencePlan
from drishtiksha.errors import WrongMediaKindError
from drishtiksha.events import CancelToken, Reporter, silent
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
    explain: bool = True,
    limits: MediaLimits | None = None,
    shared: SharedMedia | None = None,
    resume: Sequence[bytes] = (),
    on_chunk: Callable[[bytes], None] | None = None,
) -> AnalysisResult:
    """Examine `evidence` with one loaded detector.

    reporter: called after every sample, with a preview of the result after the sparse first pass of long media.
    cancel: checked while decoding and between batches. explain: whether to make heatmaps. shared: what other models on
    this file use too, with its own limits. on_chunk: given what is finished, as bytes to keep, every few seconds and after
    every pass; called from this thread. resume: such bytes of an interrupted run, in order, to go on from; those of another
    model, file, configuration or version are passed over. The result is that of a run without interruption, its times added
    up.

    Raises: ValueError when `shared` is of another file; WrongMediaKindError before anything is decoded; MediaError and its kinds; AnalysisCancelledError.
    """
    if reason := unfit(evidence.media, detector.config, detector.model_name):
        raise WrongMediaKindError(reason)
    if shared is not None and shared.evidence.media.sha256 != evidence.media.sha256:
        raise ValueError(f"{shared.evidence.media.name} was shared, but {evidence.media.name} is to be examined")
    check = (cancel or CancelToken()).check
    alone = SharedMedia.alone(evidence, limits or MediaLimits(), check) if shared is None else nullcontext(shared)
    log, before = continued(detector, evidence.media, resume, on_chunk)
    plan = detector.sampling(evidence.media)
    with alone as media:
        context = RunContext(media, check)
        if isinstance(plan, SequencePlan):
            return SequenceRun(context, detector, reporter, plan, log, before).execute(explain)
        return Run(context, detector, reporter, plan, log, before).execute(explain)
