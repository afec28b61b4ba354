"""One evaluation from a manifest to its files: what `drishtiksha evaluate` and the training reports run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from drishtiksha import __version__
from drishtiksha.evaluation import report as words
from drishtiksha.evaluation.manifest import drawn, read_manifest
from drishtiksha.evaluation.report import EvaluationReport, ModelReport
from drishtiksha.evaluation.run import UNREADABLE, ScoreNote, score_files
from drishtiksha.evaluation.scores import Score, ScoreFile
from drishtiksha.evaluation.shortcuts import shortcuts
from drishtiksha.evaluation.summary import real_floor, summarize
from drishtiksha.plaintext import readable, readable_json
from drishtiksha.registry import ModelManager
from drishtiksha.report.files import write_whole
from drishtiksha.weights import sha256_of

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
    manifest: Path,
    names: Sequence[str],
    manager: ModelManager,
    note: ScoreNote,
    *,
    out: Path | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> Evaluation:
    """Judge the files of `manifest` with each model, and write scores, report and pictures into `out`.

    Stopped in the middle, it goes on from `out`/scores.csv at the next call.

    Raises: ManifestError and ModelRegistryError before any file is judged.
    """
    items = drawn(read_manifest(manifest), limit, seed)
    manager.preload(names)
    kept = ScoreFile(out / SCORES) if out else None
    scores, failures = score_files(items, names, manager, note, kept)
    models = {
        name: _model_report(manager, name, [score for score in scores if score.model == name], seed)
        for name in dict.fromkeys(names)
    }
    report = EvaluationReport(
        manifest=manifest.name,
        manifest_sha256=sha256_of(manifest),
        files=len(items),
        seed=seed,
        draws=DRAWS,
        made_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        models=models,
        shortcuts=shortcuts([score for score in scores if score.model == next(iter(models))], seed, DRAWS),
    )
    if out and kept:
        kept.tidy()
        write(out, report, scores)
    return Evaluation(report, scores, tuple(failures))


def _model_report(manager: ModelManager, name: str, rows: list[Score], seed: int) -> ModelReport:
    overall, merged, groups = summarize(rows, seed, DRAWS)
    thresholds = {
        row.kind: (row.threshold_real, row.threshold_fake)
        for row in rows
        if row.kind and row.threshold_real is not None and row.threshold_fake is not None
    }
    sha256 = manager.load_model(name).run_facts()["checkpoint_sha256"]
    return ModelReport(
        checkpoint_sha256=sha256,
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
