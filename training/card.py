"""Fills a model card: `card_template.md` (`string.Template`) with what was measured.

A template may name
  name, sha256, megabytes           of the weights
  threshold_real, threshold_fake    of the sidecar; threshold_video_fake and so on: in use for that kind of media
  scale, offset, calibration        of the sidecar; calibration says what it was fitted on
  auc, eer, ap, ece, ece_balanced, brier, false_alarms, recall, real_called_real, fake_called_real
                                    over all files, with interval; a dash where there is no answer
  files, n_real, n_fake, n_not_scored, sources
  overall, merged, groups           tables: all files; groups put together, such as swap/*; every group
  run_...                           of run.json: run_steps, run_counts_train, and run_split_test_n for the length of a list
  run_unknown_<delivery>_auc, _n    over kinds of fake that were never trained on
A dollar sign is written $$.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

from drishtiksha.errors import ConfigError
from drishtiksha.evaluation.report import ALL_FILES, ModelReport, Table, number, percent
from drishtiksha.evaluation.summary import Summary
from drishtiksha.weights import Sidecar

NUMBERS = ("auc", "ap", "ece", "ece_balanced", "brier")
SHARES = ("eer", "false_alarms", "recall", "real_called_real", "fake_called_real")


def fill_card(template: Path, fields: dict[str, str]) -> str:
    """The card. Raises: ConfigError when the template names what is not known."""
    try:
        return Template(template.read_text(encoding="utf-8")).substitute(fields)
    except KeyError as error:
        known = ", ".join(sorted(fields))
        raise ConfigError(f"{template} names ${error.args[0]}, which nothing fills in. Known: {known}.") from error


def card_fields(name: str, weights: Path, sidecar: Sidecar, report: ModelReport, run: dict[str, Any]) -> dict[str, str]:
    """Every name that a template may use, with its text."""
    overall = report.overall
    fields = {
        "name": name,
        "sha256": sidecar.sha256,
        "megabytes": f"{weights.stat().st_size / 1e6:.1f}",
        "files": str(overall.n_real + overall.n_fake),
        "n_real": str(overall.n_real),
        "n_fake": str(overall.n_fake),
        "n_not_scored": str(sum(overall.gaps.values())),
        "sources": str(overall.sources),
        "overall": summary_table({ALL_FILES: overall}),
        "merged": summary_table(report.merged),
        "groups": summary_table(report.groups),
    }
    fields |= {measure: number(getattr(overall, measure)) for measure in NUMBERS}
    fields |= {measure: percent(getattr(overall, measure)) for measure in SHARES}
    for kind, (real, fake) in report.thresholds.items():
        fields |= {f"threshold_{kind}_real": f"{real:.3f}", f"threshold_{kind}_fake": f"{fake:.3f}"}
    if sidecar.thresholds:
        fields |= {f"threshold_{side}": f"{value:.3f}" for side, value in sidecar.thresholds.model_dump().items()}
    if sidecar.calibration:
        found = sidecar.calibration
        fields |= {"scale": f"{found.scale:.3f}", "offset": f"{found.offset:.3f}", "calibration": found.data}
    return fields | dict(_flat("run", run))


def summary_table(rows: dict[str, Summary]) -> str:
    """One line a set of files, in Markdown; columns that say nothing are left out."""
    columns = {
        "real/fake": [f"{s.n_real}/{s.n_fake}" for s in rows.values()],
        "not scored": [str(sum(s.gaps.values()) or "") for s in rows.values()],
        "AUC": [number(s.auc) for s in rows.values()],
        "EER": [percent(s.eer) for s in rows.values()],
        "false alarms": [percent(s.false_alarms) for s in rows.values()],
        "recall": [percent(s.recall) for s in rows.values()],
        "fakes called REAL": [percent(s.fake_called_real) for s in rows.values()],
        "ECE, balanced": [number(s.ece_balanced) for s in rows.values()],
        "against": [s.against or "" for s in rows.values()],
    }
    shown = {name: cells for name, cells in columns.items() if set(cells) - {"", "-"}}
    return Table("", ("files", *shown), tuple(zip(rows, *shown.values(), strict=True))).markdown()


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Nested names joined by _; a list gives its length, a fraction four digits."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{name}_{re.sub(r'[^A-Za-z0-9]', '_', str(key))}", inner)
    elif isinstance(value, list):
        yield f"{name}_n", str(len(value))
    elif isinstance(value, float):
        yield name, f"{value:.4g}"
    else:
        yield name, str(value)
