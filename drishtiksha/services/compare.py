"""Several models on one file: each is run in turn over one shared decoding, and their answers are held together."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from drishtiksha.comparison import Comparison, compare
from drishtiksha.contract import SamplingPlan
from drishtiksha.errors import AnalysisCancelledError, DrishtikshaError
from drishtiksha.events import CancelToken, ProgressEvent, Reporter, silent
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager
from drishtiksha.results import AnalysisResult, MediaInfo


class ComparedFile(BaseModel):
    """What several models say about one file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    results: tuple[AnalysisResult, ...]
    errors: dict[str, str] = Field(default={}, description="model name -> why it has no result")
    comparison: Comparison


def compare_file(
    evidence: Evidence,
    models: Sequence[str],
    manager: ModelManager,
    reporter: Reporter = silent,
    cancel: CancelToken | None = None,
    *,
    explain: bool = True,
) -> ComparedFile:
    """Run these models on a file that is decoded, and searched for faces, once. A model that fails stops no other.

    Raises: ModelRegistryError for a name that is not configured; MediaError for a file that cannot be read; when no
    model has a result, what stopped the first one; AnalysisCancelledError.
    """
    from drishtiksha.analysis import analyze
    from drishtiksha.analysis.shared import SharedMedia

    token, limits = cancel or CancelToken(), manager.settings.limits
    names = list(dict.fromkeys(models))
    for name in names:
        manager.status(name)
    results: list[AnalysisResult] = []
    failures: dict[str, DrishtikshaError] = {}
    with SharedMedia(evidence, limits, token.check) as shared:
        shared.prepare(plans(evidence.media, names, manager))
        for name in names:
            reporter(ProgressEvent(name, 0, None, "load", f"Loading {name}"))
            try:
                with manager.use(name) as detector:
                    found = analyze(evidence, detector, reporter, token, explain=explain, limits=limits, shared=shared)
            except AnalysisCancelledError:
                raise
            except DrishtikshaError as error:
                failures[name] = error
            else:
                results.append(found)
    if failures and not results:
        raise next(iter(failures.values()))
    errors = {name: str(error) for name, error in failures.items()}
    return ComparedFile(results=tuple(results), errors=errors, comparison=compare(results))


def plans(media: MediaInfo, models: Sequence[str], manager: ModelManager) -> list[SamplingPlan]:
    """What the models that can examine this file will look at, for `SharedMedia.prepare`; no weights are read."""
    able = [name for name in models if manager.status(name).can_examine(media)]
    return [manager.unloaded(name).sampling(media) for name in able]
