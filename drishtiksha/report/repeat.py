"""The examination of a case once more, held against what its results say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from drishtiksha.casefile import CaseFile
from drishtiksha.errors import DrishtikshaError
from drishtiksha.media.evidence import Evidence
from drishtiksha.render import words
from drishtiksha.results import AnalysisResult

TOLERANCE = 0.01
"""How far the score of a file or of a sample may move between processors and versions of libraries."""
Finding = tuple[str, str]
"""State of the verification, and what was found in words."""
Rerun = Mapping[str, AnalysisResult | DrishtikshaError]
"""Model name -> what it says now, or why it says nothing."""
Again = Callable[[Sequence[str], Evidence], Rerun]
"""Examines evidence with the models of these names, as it was examined for the report."""


def check(
    case: CaseFile,
    evidence: Evidence,
    again: Again,
    checks: list[str],
) -> Iterator[Finding]:
    """A finding for each model that does not come out exactly as it was; `checks` gets the others."""
    rerun = again([old.model_name for old in case.results], evidence)
    for old in case.results:
        new = rerun[old.model_name]
        if isinstance(new, DrishtikshaError):
            yield "not fully checked", f"{old.model_name} could not be run again: {new}"
            continue
        finding = compare(old, new)
        if finding is None:
            checks.append(f"{old.model_name} was run again: every score is exactly the same.")
        else:
            yield finding


def compare(old: AnalysisResult, new: AnalysisResult) -> Finding | None:
    """None when verdict and every score are exactly the same."""
    name, why = old.model_name, _why(old, new)
    if old.prediction is not new.prediction:
        said = (
            f"the report says {old.prediction.value} ({_score(old)}), now it is {new.prediction.value} ({_score(new)})"
        )
        return "different", f"{name}: {said}.{why}"
    gaps = [(score.index, score.gap) for score in old.scores], [(score.index, score.gap) for score in new.scores]
    if gaps[0] != gaps[1]:
        return "different", f"{name}: other samples were judged ({words.judged(old)}; now {words.judged(new)}).{why}"
    apart = max(_differences(old, new), default=0.0)
    if apart == 0.0:
        return None
    moved = f"{name}: scores moved by up to {apart:.2g} ({_score(old)}, now {_score(new)})."
    return ("within tolerance" if apart <= TOLERANCE else "different"), moved + why


def _differences(old: AnalysisResult, new: AnalysisResult) -> Iterator[float]:
    pairs = [(old.p_fake, new.p_fake), *((a.p_fake, b.p_fake) for a, b in zip(old.scores, new.scores, strict=True))]
    for before, now in pairs:
        if (before is None) != (now is None):
            yield 1.0
        elif before is not None and now is not None:
            yield abs(before - now)


def _score(result: AnalysisResult) -> str:
    return "not scored" if result.p_fake is None else f"score {result.p_fake:.3f}"


def _why(old: AnalysisResult, new: AnalysisResult) -> str:
    """What else differs between the two runs and may be the reason; empty when nothing does."""
    before, now = old.provenance, new.provenance
    differing = []
    if before.checkpoint_sha256 != now.checkpoint_sha256:
        differing.append("another checkpoint")
    if (before.device, before.dtype) != (now.device, now.dtype):
        differing.append(f"{now.device}, {now.dtype} instead of {before.device}, {before.dtype}")
    if before.engine != now.engine:
        differing.append(f"{now.engine} instead of {before.engine}")
    names = sorted(set(before.versions) | set(now.versions))
    changed = [name for name in names if before.versions.get(name) != now.versions.get(name)]
    if changed:
        differing.append(f"other versions of {', '.join(changed)}")
    settings = sorted(set(before.config) | set(now.config))
    if changed := [name for name in settings if before.config.get(name) != now.config.get(name)]:
        differing.append(f"other settings: {', '.join(changed)}")
    return f" What differs between the runs: {'; '.join(differing)}." if differing else ""
