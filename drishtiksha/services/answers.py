"""The answer of a case: which detectors are asked, and what all of them together say."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from drishtiksha.answer import Answer, Failure, Glance, NotRun, answer_of
from drishtiksha.casefile import CaseFile, JobView, Seconds
from drishtiksha.detector_config import DetectorConfig
from drishtiksha.errors import DrishtikshaError, without_server_paths
from drishtiksha.events import CancelToken, Reporter, silent
from drishtiksha.media.evidence import Evidence
from drishtiksha.people import numbered
from drishtiksha.registry import ModelManager
from drishtiksha.results import MediaInfo, MediaKind
from drishtiksha.services import runs
from drishtiksha.services.estimates import guess, middle, on_processor
from drishtiksha.weights import bytes_of, parts


def proven_for(manager: ModelManager, media: MediaInfo) -> list[str]:
    """All proven detectors that are ready and take such a file, the quick ones first: those of the smallest weights."""
    fit = [status.config for status in manager.describe() if status.can_examine(media) and status.config.proven]
    return [config.model_name for config in sorted(fit, key=_weight)]


def started_for(
    manager: ModelManager, media: MediaInfo, seen: Mapping[str, Seconds] | None = None, *, everything: bool = False
) -> list[str]:
    """Of those of `proven_for` the ones that start by themselves: what ships with the program, and on a processor what is
    expected to take no longer than `slow_from_s`; all where that is none.

    seen: model name -> between how many seconds it takes, by its runs here. everything: the slow ones, too.
    """
    names, limit_s, known = proven_for(manager, media), manager.settings.slow_from_s, seen or {}
    if everything or limit_s is None:
        return names
    quick = []
    for name in names:
        status = manager.status(name)
        waits = not status.embedded and on_processor(status.config.device)
        seconds = (known.get(name) or guess(manager, name, media)) if waits else None
        if seconds is None or middle(seconds) <= limit_s:
            quick.append(name)
    return quick or names


def for_track(manager: ModelManager, media: MediaInfo, names: Sequence[str], track: int) -> list[str]:
    """Of these the detectors that judge such a track: those that only listen a sound track, the others a picture track."""
    if media.kind is not MediaKind.VIDEO:
        return list(names)
    return [n for n in names if manager.model_configs[n].only_hears(media) is media.is_sound(track)]


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
    not_run: Iterable[NotRun] = (),
    glance: Glance | None = None,
    language: str = "en",
) -> Answer:
    """What is told of a case as it stands: its results, what detectors are still at work, and which of them stopped.

    configs: of all models, as the manager has them. not_run: those that fit; of them are told
    those that neither have a result, nor are at work, nor stopped. Raises: ConfigError for a language without a catalogue.
    """
    views = [view for view in jobs if view.kind == "analyze"]
    waiting = [configs[name] for name in dict.fromkeys(_at_work(views)) if name in configs]
    there = {result.model_name for result in case.results} | {config.model_name for config in waiting}
    why = {name: text for view in views for name, text in view.errors.items() if name in configs and name not in there}
    failed = [(configs[n], text) for n, text in why.items() if configs[n].accepts(case.media) and configs[n].proven]
    return answer_of(
        case.media,
        case.results,
        case.provenance,
        waiting=waiting,
        failed=failed,
        not_run=[(config, seconds) for config, seconds in not_run if config.model_name not in there | set(why)],
        glance=glance,
        language=language,
    )


def examine_alone(
    evidence: Evidence,
    manager: ModelManager,
    reporter: Reporter = silent,
    cancel: CancelToken | None = None,
    *,
    everything: bool = False,
) -> tuple[Answer, dict[str, DrishtikshaError]]:
    """The answer about a file that is in no case, and why detectors have none. everything: slow detectors run, too.

    Raises: MediaError and its kinds for a file whose history cannot be read; AnalysisCancelledError.
    """
    from drishtiksha.provenance import examine  # here, because a list of models need not wait for it

    provenance = examine(evidence, manager.settings.limits)
    names = started_for(manager, evidence.media, everything=everything)
    rest = [manager.model_configs[n] for n in proven_for(manager, evidence.media) if n not in names]
    not_run = [(config, guess(manager, config.model_name, evidence.media)) for config in rest]
    found = runs.examine(evidence, names, manager, reporter, cancel, explain=False) if names else runs.Answers()
    answer = answer_of(
        evidence.media,
        numbered(found.results),
        provenance,
        failed=failures_of(manager, found.failures),
        not_run=not_run,
    )
    return answer, found.failures


def failures_of(manager: ModelManager, failures: Mapping[str, Exception]) -> list[Failure]:
    """Why models have no result, as `answer_of` takes it. failures: by their names."""
    return [(manager.model_configs[name], without_server_paths(str(why))) for name, why in failures.items()]


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
