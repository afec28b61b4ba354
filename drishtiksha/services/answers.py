"""The answer of a case: which detectors are asked, and what all of them together say."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

from drishtiksha.answer import Answer, Glance, answer_of
from drishtiksha.casefile import CaseFile, JobView
from drishtiksha.detector_config import DetectorConfig
from drishtiksha.errors import DrishtikshaError, without_server_paths
from drishtiksha.events import CancelToken, Reporter, silent
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager
from drishtiksha.results import MediaInfo
from drishtiksha.services import runs
from drishtiksha.weights import bytes_of, parts


def proven_for(manager: ModelManager, media: MediaInfo) -> list[str]:
    """All proven detectors that are ready and take such a file, the quick ones first: those of the smallest weights."""
    fit = [status.config for status in manager.describe() if status.can_examine(media) and status.config.proven]
    return [config.model_name for config in sorted(fit, key=_weight)]


def missing_for(manager: ModelManager, media: MediaInfo) -> list[str]:
    """What to do where every proven detector that takes such a file lacks its weights; nothing where one is ready."""
    if proven_for(manager, media):
        return []
    absent = [status for status in manager.describe() if status.config.proven and status.config.accepts(media)]
    return [status.remedy for status in absent if status.state == "missing" and status.remedy]


def answer_to(
    case: CaseFile,
    jobs: Iterable[JobView],
    configs: Mapping[str, DetectorConfig],
    *,
    glance: Glance | None = None,
    language: str = "en",
) -> Answer:
    """What is told of a case as it stands: its results, what detectors are still at work, and which of them stopped.

    configs: of all models, as the manager has them. Raises: ConfigError for a language without a catalogue.
    """
    views = [view for view in jobs if view.kind == "analyze"]
    waiting = [configs[name] for name in dict.fromkeys(_at_work(views)) if name in configs]
    there = {result.model_name for result in case.results} | {config.model_name for config in waiting}
    why = {name: text for view in views for name, text in view.errors.items() if name in configs and name not in there}
    failed = [(configs[n], text) for n, text in why.items() if configs[n].accepts(case.media) and configs[n].proven]
    return answer_of(
        case.media, case.results, case.provenance, waiting=waiting, failed=failed, glance=glance, language=language
    )


def examine_alone(
    evidence: Evidence, manager: ModelManager, reporter: Reporter = silent, cancel: CancelToken | None = None
) -> tuple[Answer, dict[str, DrishtikshaError]]:
    """The answer about a file that is in no case, and why detectors have none.

    Raises: MediaError and its kinds for a file whose history cannot be read; AnalysisCancelledError.
    """
    from drishtiksha.provenance import examine  # here, because a list of models need not wait for it

    provenance = examine(evidence, manager.settings.limits)
    names = proven_for(manager, evidence.media)
    found = runs.examine(evidence, names, manager, reporter, cancel, explain=False) if names else runs.Answers()
    failed = [(manager.model_configs[n], without_server_paths(str(why))) for n, why in found.failures.items()]
    return answer_of(evidence.media, found.results, provenance, failed=failed), found.failures


def recipe_of_all(manager: ModelManager, names: Iterable[str]) -> str:
    """Hex digits that change with whatever the answer of these detectors depends on beside the file. They are loaded."""
    from drishtiksha.analysis.recipe import DIGITS, code_sha256, recipe_of

    parts = [code_sha256()]
    for name in names:
        with manager.use(name) as detector:
            parts.append(f"{name} {recipe_of(detector)}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:DIGITS]


def _at_work(views: Iterable[JobView]) -> Iterator[str]:
    """The models of jobs that have not ended, but for those that have in them."""
    for view in views:
        if not view.state.ended:
            done = {result.model_name for result in view.results} | set(view.errors)
            yield from (name for name in view.models if name not in done)


def _weight(config: DetectorConfig) -> int:
    return sum(bytes_of(part.path, part.source) for part in parts(config))
