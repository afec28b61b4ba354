"""The report of an evaluation: a model that JSON round-trips, and the same as tables in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from drishtiksha.evaluation.shortcuts import Shortcut
from drishtiksha.evaluation.summary import Floor, Measure, Summary

ALL_FILES = "all files"


class ModelReport(BaseModel):
    """How one model did."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    checkpoint_sha256: str | None
    thresholds: dict[str, tuple[float, float]] = Field(description="media kind -> (REAL up to, FAKE from)")
    overall: Summary
    merged: dict[str, Summary] = Field(default={}, description="groups put together, such as swap/* and */jpeg_70")
    groups: dict[str, Summary] = {}
    floor: Floor | None = Field(default=None, description="how well the scores tell groups of genuine files apart")

    def rows(self) -> dict[str, Summary]:
        """All files together first, then what is merged, then the groups."""
        return {ALL_FILES: self.overall, **self.merged, **self.groups}


class EvaluationReport(BaseModel):
    """One evaluation: everything but the scores, which are in scores.csv."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    manifest: str = Field(description="the file's name, without its folder")
    manifest_sha256: str
    files: int = Field(description="rows that were judged")
    seed: int
    draws: int = Field(description="of the bootstrap, over whole sources")
    made_utc: str
    version: str
    models: dict[str, ModelReport]
    shortcuts: tuple[Shortcut, ...] = Field(
        default=(), description="facts of the files that tell fakes from reals by themselves"
    )


@dataclass(frozen=True)
class Table:
    """Texts in rows, the first column to the left, for a page or a terminal."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        lines = (self.header, ("---",) + ("--:",) * (len(self.header) - 1), *self.rows)
        return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)

    def latex(self) -> str:
        """A `table` that needs the package booktabs."""
        columns = "l" + "r" * (len(self.header) - 1)
        header, *rows = (" & ".join(map(in_latex, line)) + r" \\" for line in (self.header, *self.rows))
        body = [r"\toprule", header, r"\midrule", *rows, r"\bottomrule"]
        frame = [rf"\begin{{tabular}}{{{columns}}}", *body, r"\end{tabular}", rf"\caption{{{in_latex(self.title)}}}"]
        return "\n".join([r"\begin{table}", r"\centering", *frame, r"\end{table}"])


LATEX = str.maketrans(
    {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {sign: f"\\{sign}" for sign in "&%$#_{}"}
)


def in_latex(text: str) -> str:
    return text.translate(LATEX)


def number(measure: Measure | None) -> str:
    """Such as `0.884 (0.861 to 0.907)`; a dash where there is no answer."""
    return _worded(measure, "{:.3f}".format)


def percent(measure: Measure | None) -> str:
    """Such as `1.8 % (0.0 to 4.5)`."""
    return _worded(measure, lambda value: f"{100 * value:.1f}", " %")


def _worded(measure: Measure | None, form: Callable[[float], str], unit: str = "") -> str:
    if measure is None:
        return "-"
    span = "" if measure.low is None or measure.high is None else f" ({form(measure.low)} to {form(measure.high)})"
    return form(measure.value) + unit + span


Column = Callable[[Summary], str]

DISCRIMINATION: dict[str, Column] = {
    "real/fake": lambda s: f"{s.scored_real}/{s.scored_fake}",
    "AUC": lambda s: number(s.auc),
    "AUC, like length": lambda s: number(s.auc_alike),
    "EER": lambda s: percent(s.eer),
    "AP": lambda s: number(s.ap),
    "recall at 1 %": lambda s: percent(s.recall_at_1),
    "recall at 0.1 %": lambda s: percent(s.recall_at_01),
    "ECE": lambda s: number(s.ece),
    "ECE, balanced": lambda s: number(s.ece_balanced),
    "Brier": lambda s: number(s.brier),
    "against": lambda s: s.against or "",
}
VERDICTS: dict[str, Column] = {
    "real/fake": lambda s: f"{s.n_real}/{s.n_fake}",
    "not scored": lambda s: ", ".join(f"{count} {reason}" for reason, count in s.gaps.items()),
    "false alarms": lambda s: percent(s.false_alarms),
    "recall": lambda s: percent(s.recall),
    "reals called REAL": lambda s: percent(s.real_called_real),
    "fakes called REAL": lambda s: percent(s.fake_called_real),
}
COMPARED: dict[str, Column] = {
    "AUC": lambda s: number(s.auc),
    "False alarms": lambda s: percent(s.false_alarms),
    "Recall": lambda s: percent(s.recall),
}


def model_tables(name: str, report: ModelReport) -> Iterator[Table]:
    """How well the scores tell fake from real, and the verdicts with what was not scored."""
    rows = report.rows()
    answered = {key: row for key, row in rows.items() if row.auc}
    if answered:
        yield _table(f"{name}: the scores", DISCRIMINATION, answered)
    yield _table(f"{name}: the verdicts", VERDICTS, rows)


def comparison(report: EvaluationReport) -> Iterator[Table]:
    """Models side by side; nothing for a single one."""
    if len(report.models) < 2:
        return
    rows = {name: model.rows() for name, model in report.models.items()}
    for title, column in COMPARED.items():
        lines = [(key, *(column(of[key]) for of in rows.values())) for key in next(iter(rows.values()))]
        kept = tuple(line for line in lines if set(line[1:]) != {"-"})
        if kept:
            yield Table(f"{title}, side by side", ("group", *rows), kept)


def latex(report: EvaluationReport) -> str:
    """All tables, for a paper."""
    tables = [table for name, model in report.models.items() for table in model_tables(name, model)]
    return "\n\n".join(table.latex() for table in (*tables, *comparison(report))) + "\n"


def _table(title: str, columns: dict[str, Column], rows: dict[str, Summary]) -> Table:
    shown = {name: [column(row) for row in rows.values()] for name, column in columns.items()}
    shown = {name: cells for name, cells in shown.items() if set(cells) - {"", "-"}}
    return Table(title, ("group", *shown), tuple(zip(rows, *shown.values(), strict=True)))


def markdown(report: EvaluationReport, pictures: tuple[str, ...]) -> str:
    """The whole report as one page. `pictures`: file names beside it."""
    parts = [
        "# Evaluation",
        f"{report.files} files of `{report.manifest}` (SHA-256 `{report.manifest_sha256}`), judged by drishtiksha "
        f"{report.version} on {report.made_utc}. In brackets: 95 % intervals from {report.draws} bootstrap draws of whole "
        f"sources (seed {report.seed}).",
    ]
    if report.shortcuts:
        parts += ["## Beware", *(f"- {shortcut.sentence}" for shortcut in report.shortcuts)]
    for name, model in report.models.items():
        limits = "; ".join(
            f"{kind}: REAL up to {a:.3f}, FAKE from {b:.3f}" for kind, (a, b) in model.thresholds.items()
        )
        parts += [f"## {name}", f"Checkpoint SHA-256 `{model.checkpoint_sha256}`. {limits or 'Nothing was scored'}."]
        parts += [part for table in model_tables(name, model) for part in (f"### {table.title}", table.markdown())]
        parts += [floor_sentence(model.floor)] if model.floor else []
    sides = list(comparison(report))
    if sides:
        parts += ["## Side by side", "Each model over the files that it scored."]
        parts += [part for table in sides for part in (f"### {table.title}", table.markdown())]
    parts += [f"![{name}]({name})" for name in pictures]
    return "\n\n".join([*parts, HOW_TO_READ]) + "\n"


def floor_sentence(floor: Floor) -> str:
    """What it means, in words."""
    (lower, higher), (few, many) = floor.groups, floor.files
    return (
        f"Genuine against genuine: the scores tell `{higher}` ({many} files) from `{lower}` ({few} files) with an AUC of "
        f"{number(floor.auc)}, the most of all pairs of genuine groups. So much of an AUC between fakes and reals can come of how "
        "files were recorded and stored alone."
    )


HOW_TO_READ = """## How to read it

- Shares are of the files that were scored; what could not be scored is counted apart and is neither right nor wrong.
- AUC: the chance that a fake scores higher than a real. EER: where false alarms and misses are equally many. AP: average
  precision, which rises with the share of fakes in the list.
- AUC, like length: the same over pairs of files whose lengths differ by a quarter at most, so that length alone earns nothing.
- Recall at 1 % (0.1 %): the share of fakes found where that share of the reals is called fake; with fewer than 100 (1000)
  reals nothing is said. With `against`, the reals are those.
- `swap/*` puts the groups of that name together, `*/clean` those of that ending.
- `against`: a group of fakes alone is set against the reals of groups with the same ending, else against all reals.
- ECE: how far p_fake lies from the share of fakes, every file weighing the same; balanced: both classes weighing the same,
  which is what p_fake was calibrated for. Where fakes are rarer than in the list, a p_fake means less. Its interval lies
  high: drawing again adds noise, which it counts as error.
- False alarms: reals called FAKE; recall: fakes called FAKE, at the thresholds in use. The rest is REAL or undecided.
- Where all files of a row fare alike, the interval of a share is the exact binomial one of as many trials as there are
  sources. An AUC of 1 has no width to draw: with few files it promises little."""
