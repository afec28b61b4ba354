"""Several models on several sets, from the folders that `evaluate` wrote: one page, or tables for a paper."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from drishtiksha.errors import ManifestError
from drishtiksha.evaluation.report import EvaluationReport, ModelReport, Table, number, percent
from drishtiksha.evaluation.summary import Measure, Summary
from drishtiksha.render.html import environment

ENDINGS = (".html", ".md", ".tex")
TITLE = "Detectors compared"
CURVES = ("roc.png", "det.png", "reliability.png")

Number = Callable[[Summary], Measure | None]

MEASURES: dict[str, tuple[Number, Callable[[Measure | None], str], bool]] = {
    "AUC": (lambda s: s.auc, number, True),
    "EER": (lambda s: s.eer, percent, False),
    "AP": (lambda s: s.ap, number, True),
    "recall at 1 %": (lambda s: s.recall_at_1, percent, True),
    "recall at 0.1 %": (lambda s: s.recall_at_01, percent, True),
    "ECE, balanced": (lambda s: s.ece_balanced, number, False),
    "false alarms": (lambda s: s.false_alarms, percent, False),
    "recall": (lambda s: s.recall, percent, True),
}
"""Column -> the measure, how it is written, and whether more is better."""

Places = frozenset[tuple[int, int]]
"""Row and column of the best cells of a table."""


@dataclass(frozen=True)
class Set:
    """The models on one list of files. tables: each with its best cells. pictures: name and content in base64."""

    name: str
    about: str
    shortcuts: tuple[str, ...]
    tables: tuple[tuple[Table, Places], ...]
    pictures: tuple[tuple[str, str], ...]


def leaderboard(folders: Sequence[Path], form: str) -> str:
    """form: one of `ENDINGS`. Folders of one list stand together. Raises: ManifestError for a folder without a report."""
    by_list: dict[str, list[tuple[Path, EvaluationReport]]] = {}
    for folder in folders:
        report = _report_of(folder)
        by_list.setdefault(report.manifest_sha256, []).append((folder, report))
    sets = [_set(reports, pictures=form == ".html") for reports in by_list.values()]
    if form == ".html":
        page = environment(Path(__file__).parent / "templates").get_template("leaderboard.html")
        return page.render(title=TITLE, sets=sets)
    if form == ".tex":
        return "\n\n".join(table.latex() for one in sets for table, _ in one.tables) + "\n"
    parts = [f"# {TITLE}"]
    for one in sets:
        parts += [f"## {one.name}", one.about, *(f"Beware: {sentence}" for sentence in one.shortcuts)]
        parts += [part for table, _ in one.tables for part in (f"### {table.title}", table.markdown())]
    return "\n\n".join(parts) + "\n"


def _report_of(folder: Path) -> EvaluationReport:
    path = folder / "report.json"
    try:
        return EvaluationReport.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ManifestError(
            f"{path} cannot be read: {error.strerror}. Name folders that `evaluate --out` wrote."
        ) from error
    except ValidationError as error:
        raise ManifestError(f"{path} is not a report of `evaluate` of this version. Run it once more.") from error


def _set(reports: Sequence[tuple[Path, EvaluationReport]], *, pictures: bool) -> Set:
    first = reports[0][1]
    models: dict[str, ModelReport] = {}
    for folder, report in reports:
        for name, model in report.models.items():
            models[name if name not in models else f"{name} ({folder.name})"] = model
    groups = dict.fromkeys(group for model in models.values() for group in model.rows())
    tables = [_table(f"{first.manifest}, {group}", group, models) for group in groups]
    curves = [
        (name, base64.b64encode((folder / name).read_bytes()).decode())
        for folder, _ in reports
        for name in CURVES
        if pictures and (folder / name).is_file()
    ]
    told = dict.fromkeys(shortcut.sentence for _, report in reports for shortcut in report.shortcuts)
    about = f"{first.files} files, list with SHA-256 {first.manifest_sha256}; bootstrap of {first.draws} draws."
    return Set(first.manifest, about, tuple(told), tuple(table for table in tables if table[0].rows), tuple(curves))


def _table(title: str, group: str, models: dict[str, ModelReport]) -> tuple[Table, Places]:
    """One row a model, the best AUC first; columns that nobody has are left out."""
    rows = {name: model.rows()[group] for name, model in models.items() if group in model.rows()}
    order = sorted(rows, key=lambda name: -(rows[name].auc.value if rows[name].auc else -1.0))  # type: ignore[union-attr]
    columns = [
        name for name, (measure, _, _) in MEASURES.items() if any(measure(rows[model]) is not None for model in order)
    ]
    best: set[tuple[int, int]] = set()
    cells = [[model, f"{rows[model].scored_real}/{rows[model].scored_fake}"] for model in order]
    for place, name in enumerate(columns, start=2):
        measure, written, more = MEASURES[name]
        values = [measure(rows[model]) for model in order]
        known = [value.value for value in values if value is not None]
        top = max(known) if more else min(known)
        for row, value in enumerate(values):
            cells[row].append(written(value))
            if len(known) > 1 and value is not None and value.value == top:
                best.add((row, place))
    header = ("model", "real/fake scored", *columns)
    return Table(title, header, tuple(map(tuple, cells)) if columns else ()), frozenset(best)
