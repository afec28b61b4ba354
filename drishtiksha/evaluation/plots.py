"""Pictures of an evaluation: ROC, DET, errors by threshold, reliability, spread of scores, errors by group. One row of panels a
model; matplotlib without pyplot, in colours that differ for colour-blind readers too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

from drishtiksha.evaluation import metrics
from drishtiksha.evaluation.report import EvaluationReport, ModelReport
from drishtiksha.evaluation.scores import Score
from drishtiksha.evaluation.summary import Measure, arrays
from drishtiksha.render.palette import LIGHT, MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PICTURES = ("roc.png", "det.png", "errors.png", "reliability.png", "scores.png", "groups.png")
REAL, FAKE = LIGHT.people[0], LIGHT.people[1]
"""Blue and vermilion of Okabe & Ito, which also differ in lightness."""
BINS = 10
DPI = 100
PANEL_IN = (7.0, 4.2)
"""Width and height of one panel, inches."""
GROUP_ROW_IN = 0.26
MAX_GROUPS = 60
"""With more rows than this only the merged ones are drawn; the tables have all."""
DET_RANGE = (0.001, 0.8)
DET_TICKS = (0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8)
GROUP_TITLES = {"false_alarms": "false alarms: reals called FAKE", "recall": "recall: fakes called FAKE"}

Panel = Callable[["Axes", Sequence[Score]], None]


def draw_all(folder: Path, report: EvaluationReport, scores: Sequence[Score]) -> tuple[str, ...]:
    """Write the pictures that these scores allow into `folder`, in place of earlier ones; their names."""
    by_model = {name: [s for s in scores if s.model == name and s.scored] for name in report.models}
    shown = {name: rows for name, rows in by_model.items() if rows}
    both = {name: rows for name, rows in shown.items() if len({row.fake for row in rows}) == 2}
    roc, det, errors, reliability, spread, groups = PICTURES
    figures: dict[str, Figure] = {}
    if both:
        figures[roc] = _roc(both)
        figures[det] = _det(both)
        figures[errors] = _panels(both, _errors, "share of the files", report)
        figures[reliability] = _panels(both, _reliability, "share that is fake, both classes alike")
    if shown:
        figures[spread] = _panels(shown, _spread, "share of the reals, of the fakes", report)
    if any(model.groups for model in report.models.values()):
        figures[groups] = _groups(report)
    for name in PICTURES:
        (folder / name).unlink(missing_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=DPI)
    return tuple(figures)


def _figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor=LIGHT.background)
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(color=LIGHT.grid)
        one.set_axisbelow(True)
    return figure, axes


def _panels(
    by_model: dict[str, list[Score]], draw: Panel, y_label: str, thresholds_of: EvaluationReport | None = None
) -> Figure:
    figure, axes = _figure(PANEL_IN[0], PANEL_IN[1] * len(by_model), rows=len(by_model))
    for one, (name, rows) in zip(axes, by_model.items(), strict=True):
        draw(one, rows)
        if thresholds_of:
            _thresholds(one, thresholds_of.models[name])
        one.set(title=name, xlabel="p_fake", ylabel=y_label, xlim=(0, 1))
        one.legend(loc="best", framealpha=0.9)
    return figure


def _roc(by_model: dict[str, list[Score]]) -> Figure:
    figure, (one,) = _figure(5.6, 5.2)
    one.plot([0, 1], [0, 1], color=LIGHT.muted, linestyle=":", label="chance")
    for number, (name, rows) in enumerate(by_model.items()):
        labels, p, _ = arrays(rows)
        curve, area = metrics.roc(labels, p), metrics.auc(labels, p)
        assert curve is not None
        style = ("-", "--", "-.")[number % 3]
        colour = LIGHT.people[number % len(LIGHT.people)]
        one.plot(curve.false_alarms, curve.recall, style, color=colour, label=f"{name}, AUC {area:.3f}")
        alarms, recall = (np.mean([r.prediction == "FAKE" for r in rows if r.fake is side]) for side in (False, True))
        one.plot(alarms, recall, MARKERS[number % len(MARKERS)], color=colour, markersize=8)
    one.set(xlabel="false alarms", ylabel="recall", title="ROC; the marker is the threshold in use", aspect="equal")
    one.set(xlim=(-0.01, 1), ylim=(0, 1.01))
    one.legend(loc="lower right")
    return figure


def _det(by_model: dict[str, list[Score]]) -> Figure:
    """Misses over false alarms on normal deviates (Martin et al. 1997), which spreads the strict end."""
    figure, (one,) = _figure(5.6, 5.2)
    for number, (name, rows) in enumerate(by_model.items()):
        labels, p, _ = arrays(rows)
        curve = metrics.roc(labels, p)
        assert curve is not None
        style = ("-", "--", "-.")[number % 3]
        colour = LIGHT.people[number % len(LIGHT.people)]
        alarms, misses = (norm.ppf(np.clip(side, *DET_RANGE)) for side in (curve.false_alarms, 1 - curve.recall))
        one.plot(alarms, misses, style, color=colour, label=f"{name}, EER {100 * (metrics.eer(labels, p) or 0):.1f} %")
    ends = norm.ppf(DET_RANGE)
    one.plot(ends, ends, color=LIGHT.muted, linestyle=":", label="as many misses as false alarms")
    places, texts = norm.ppf(DET_TICKS), [f"{100 * tick:g}" for tick in DET_TICKS]
    one.set_xticks(places, texts)
    one.set_yticks(places, texts)
    one.set(xlabel="false alarms, %", ylabel="misses, %", title="DET", xlim=ends, ylim=ends, aspect="equal")
    one.legend(loc="upper right")
    return figure


def _thresholds(one: Axes, report: ModelReport) -> None:
    """Where REAL ends and FAKE begins, for each kind of media."""
    for number, (kind, (real, fake)) in enumerate(report.thresholds.items()):
        style = ("-", "--", ":")[number % 3]
        one.axvline(real, color=REAL, linestyle=style, linewidth=1, label=f"REAL up to {real:.2f} ({kind})")
        one.axvline(fake, color=FAKE, linestyle=style, linewidth=1, label=f"FAKE from {fake:.2f} ({kind})")


def _errors(one: Axes, rows: Sequence[Score]) -> None:
    labels, p, _ = arrays(rows)
    steps = np.linspace(0, 1, 501)
    alarms = np.mean(p[~labels] >= steps[:, None], axis=1)
    misses = np.mean(p[labels] < steps[:, None], axis=1)
    one.plot(steps, alarms, color=REAL, linewidth=2, label="false alarms: reals that reach it")
    one.plot(steps, misses, color=FAKE, linewidth=2, linestyle="--", label="misses: fakes below it")
    one.set_ylim(0, 1)


def _reliability(one: Axes, rows: Sequence[Score]) -> None:
    labels, p, _ = arrays(rows)
    weights = metrics.class_weights(labels)
    inside = np.minimum((p * BINS).astype(int), BINS - 1)
    count = np.bincount(inside, minlength=BINS)
    total = np.bincount(inside, weights, minlength=BINS)
    used = count > 0
    mean = np.bincount(inside, weights * p, minlength=BINS)[used] / total[used]
    share = np.bincount(inside, weights * labels, minlength=BINS)[used] / total[used]
    one.plot([0, 1], [0, 1], color=LIGHT.muted, linestyle=":", label="as promised")
    one.plot(mean, share, "o-", color=REAL, label="measured, with the number of files")
    for x, y, n in zip(mean, share, count[used], strict=True):
        one.annotate(str(n), (x, y), xytext=(0, 7), textcoords="offset points", ha="center", color=LIGHT.text)
    one.set_ylim(-0.02, 1.1)


def _spread(one: Axes, rows: Sequence[Score]) -> None:
    labels, p, _ = arrays(rows)
    edges = np.linspace(0, 1, 2 * BINS + 1)
    for side, colour, hatch, name in ((~labels, REAL, "", "real"), (labels, FAKE, "//", "fake")):
        count = int(side.sum())
        if count:
            one.hist(
                p[side],
                edges.tolist(),
                weights=np.full(count, 1 / count),
                color=colour,
                edgecolor=colour,
                alpha=0.45,
                hatch=hatch,
                label=f"{name} ({count})",
            )


def _groups(report: EvaluationReport) -> Figure:
    """Reals called FAKE to the left, fakes called FAKE to the right, with intervals."""
    models = report.models.values()
    merged = dict.fromkeys(name for model in models for name in model.merged)
    groups = dict.fromkeys(name for model in models for name in model.groups)
    names = [*merged, *groups] if len(merged) + len(groups) <= MAX_GROUPS else [*(merged or groups)][:MAX_GROUPS]
    sides = {measure: found for measure in GROUP_TITLES if (found := _having(report, names, measure))}
    most = max(map(len, sides.values()), default=0)
    height = 1.8 + GROUP_ROW_IN * most * max(1, len(report.models) / 2)
    figure, axes = _figure(5.5 * max(len(sides), 1), height, columns=max(len(sides), 1))
    for one, (measure, found) in zip(axes, sides.items(), strict=False):
        _dots(one, report, found, measure)
        one.set_title(GROUP_TITLES[measure])
    if len(report.models) > 1:
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _having(report: EvaluationReport, names: Sequence[str], measure: str) -> list[str]:
    models = report.models.values()
    return [n for n in names if any(getattr(m.rows().get(n), measure, None) for m in models)]


def _dots(one: Axes, report: EvaluationReport, names: list[str], measure: str) -> None:
    for number, (model, of) in enumerate(report.models.items()):
        shift = (number - (len(report.models) - 1) / 2) * 0.25
        colour, rows = LIGHT.people[number % len(LIGHT.people)], of.rows()
        found: list[tuple[int, Measure]] = [
            (place, value) for place, name in enumerate(names) if (value := getattr(rows.get(name), measure, None))
        ]
        at = [place + shift for place, _ in found]
        for y, (_, value) in zip(at, found, strict=True):
            if value.low is not None and value.high is not None:
                one.plot([100 * value.low, 100 * value.high], [y, y], color=colour, linewidth=2, alpha=0.6)
        marker = MARKERS[number % len(MARKERS)]
        one.plot([100 * value.value for _, value in found], at, marker, color=colour, label=model)
    one.set_yticks(range(len(names)), names)
    one.set(xlabel="% of the scored files, with 95 % interval", ylim=(len(names) - 0.5, -0.5))
    one.set_xlim(left=-0.5)
