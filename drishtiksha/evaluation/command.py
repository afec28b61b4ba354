"""One evaluation from a manifest to its files: what `drishtiksha evaluate` and the training reports run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from drishtiksha import __version__
from drishtiksha.batch.judge import Engine
from drishtiksha.batch.parts import ResultFolder
from drishtiksha.batch.rows import TRIED_AGAIN
from drishtiksha.errors import ManifestError
from drishtiksha.evaluation import report as words
from drishtiksha.evaluation.manifest import LABELS, drawn, listing_of
from drishtiksha.evaluation.report import EvaluationReport, ModelReport
from drishtiksha.evaluation.run import UNREADABLE, ScoreNote, score_files, score_of
from drishtiksha.evaluation.scores import Score, ScoreFile, write_scores
from drishtiksha.evaluation.shortcuts import shortcuts
from drishtiksha.evaluation.summary import real_floor, summarize
from drishtiksha.plaintext import readable, readable_json
from drishtiksha.registry import ModelManager
from drishtiksha.report.files import write_whole

DRAWS = 1000
SCORES, REPORT, PAGE, TABLES = "scores.csv", "report.json", "report.md", "tables.tex"


@dataclass(frozen=True)
class Evaluation:
    """The report, and the scores that it was drawn from, model by model in the manifest's order; `failures` are sentences
    that name file and model."""

    report: EvaluationReport
    scores: list[Score]
    failures: tuple[str, ...] = ()

    @property
    def unreadable(self) -> list[str]:
        """The names of the files that could not be read."""
        return sorted({score.file for score in self.scores if score.reason == UNREADABLE})


def evaluate(
    manifest: Path | str,
    names: Sequence[str],
    manager: ModelManager,
    note: ScoreNote,
    *,
    out: Path | None = None,
    limit: int | None = None,
    seed: int = 0,
    engine: Engine | None = None,
    form: str | None = None,
    split: str | None = None,
) -> Evaluation:
    """Judge the files of `manifest` with each model, and write scores, report and pictures into `out`. engine: None: in this
    process. With `form` the manifest is the folder or address of a data set of that layout, of which `split` takes a part.

    Stopped in the middle, it goes on from `out`/scores.csv at the next call.

    Raises: ManifestError, ConfigError and ModelRegistryError before any file is judged.
    """
    listing = listing_of(str(manifest), form, split)
    items = drawn(listing.items, limit, seed)
    for name in names:
        manager.status(name)
    kept = ScoreFile(out / SCORES) if out else None
    found = score_files(items, names, manager, note, kept, engine)
    report = _report(listing.name, listing.sha256, found.scores, found.checkpoints, seed)
    if out and kept:
        kept.tidy()
        write(out, report, found.scores)
    return Evaluation(report, found.scores, tuple(found.failures))


def evaluate_results(
    folder: Path, names: Sequence[str] | None = None, *, out: Path | None = None, seed: int = 0
) -> Evaluation:
    """Measure what `drishtiksha batch` wrote about labelled files, as `evaluate` does; nothing is judged. names: None: all.

    Raises: ManifestError where no file has a label, or a model is not in it; ConfigError for a folder without results.
    """
    results = ResultFolder.existing(folder)
    rows = [row for row in results.rows(but=("result",)) if row.label in LABELS]
    known = list(dict.fromkeys(row.model for row in rows))
    names = known if names is None else list(dict.fromkeys(names))
    if not names or set(names) - set(known):
        wanted = f"by {', '.join(name for name in names if name not in known)}" if names else "with a label"
        raise ManifestError(
            f"{folder} holds no results {wanted}. Run `drishtiksha batch` over a list of labelled files with those models."
        )
    scores = sorted((score_of(row) for row in rows if row.model in names), key=lambda s: (names.index(s.model), s.file))
    facts = sorted({(row.name, row.label or "", row.sha256 or "") for row in rows})
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    report = _report(folder.name, digest, scores, results.checkpoints(names), seed)
    if out:
        out.mkdir(parents=True, exist_ok=True)
        write_scores(out / SCORES, scores)
        write(out, report, scores)
    failures = (f"{row.name}: {row.error}" for row in rows if row.model in names and row.error_kind in TRIED_AGAIN)
    return Evaluation(report, scores, tuple(failures))


def _report(
    title: str, digest: str, scores: Sequence[Score], checkpoints: Mapping[str, str | None], seed: int
) -> EvaluationReport:
    """checkpoints: the SHA-256 of each model's, in the order of the report."""
    of = {name: [score for score in scores if score.model == name] for name in checkpoints}
    return EvaluationReport(
        manifest=title,
        manifest_sha256=digest,
        files=len({score.file for score in scores}),
        seed=seed,
        draws=DRAWS,
        made_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        models={name: _model_report(checkpoints[name], rows, seed) for name, rows in of.items()},
        shortcuts=shortcuts(next(iter(of.values())), seed, DRAWS),
    )


def _model_report(checkpoint: str | None, rows: list[Score], seed: int) -> ModelReport:
    overall, merged, groups = summarize(rows, seed, DRAWS)
    thresholds = {
        row.kind: (row.threshold_real, row.threshold_fake)
        for row in rows
        if row.kind and row.threshold_real is not None and row.threshold_fake is not None
    }
    return ModelReport(
        checkpoint_sha256=checkpoint,
        thresholds=thresholds,
        overall=overall,
        merged=merged,
        groups=groups,
        floor=real_floor(rows, seed, DRAWS),
    )


def write(folder: Path, report: EvaluationReport, scores: Sequence[Score]) -> None:
    """report.json, report.md, its tables for LaTeX, and the pictures."""
    from drishtiksha.evaluation.plots import draw_all

    folder.mkdir(parents=True, exist_ok=True)
    pictures = draw_all(folder, report, scores)
    write_whole(folder / REPORT, (readable_json(report.model_dump_json(indent=1)) + "\n").encode())
    write_whole(folder / PAGE, readable(words.markdown(report, pictures)).encode())
    write_whole(folder / TABLES, readable(words.latex(report)).encode())
