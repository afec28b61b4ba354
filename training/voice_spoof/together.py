"""Whether both voice detectors together rank held-out recordings better than VOICE-SPOOF-LITE-V2 by itself.

    python -m training.voice_spoof.together

Reads the scores that both reports hold of the same files; nothing is judged. AUC is of each fake system against all genuine
files, and their mean. Writes `together` of `models/reports/VOICE-SPOOF-LITE-V2/run.json`, for the card.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from drishtiksha.evaluation.metrics import auc
from training.voice_spoof.heldout_second import RUN

FIRST, SECOND = (RUN.parents[1] / name / "scores.csv" for name in ("VOICE-SPOOF-LITE-V1", "VOICE-SPOOF-LITE-V2"))
EDGE = 1e-4
"""Scores closer to 0 and 1 are moved to it, or their logits would outweigh everything."""


def compare(first: Path, second: Path) -> dict[str, float | int]:
    """Files that both tables score, systems among them, and the mean AUC over systems of the first detector, of the second, of
    the mean of their logits and of the larger one. Raises: ValueError where they share no genuine file or no fake."""
    one, other = _scored(first), _scored(second)
    shared = sorted(one.keys() & other.keys())
    fake = np.array([other[file]["label"] == "fake" for file in shared])
    system = np.array([other[file]["group"].partition("/")[0] for file in shared])
    if not shared or fake.all() or not fake.any():
        raise ValueError("The two tables share no genuine file or no fake.")
    logits = np.array([[_logit(table[file]["p_fake"]) for file in shared] for table in (one, other)])
    ways = {"first": logits[0], "second": logits[1], "mean": logits.mean(0), "larger": logits.max(0)}
    systems = np.unique(system[fake])
    told: dict[str, float | int] = {"files": len(shared), "genuine": int((~fake).sum()), "systems": len(systems)}
    for way, scores in ways.items():
        aucs = [auc(fake[part], scores[part]) for part in (~fake | (system == name) for name in systems)]
        told[way] = round(float(np.mean([value for value in aucs if value is not None])), 3)
    return told


def _scored(path: Path) -> Mapping[str, Mapping[str, str]]:
    """Rows by file, without those that have no score."""
    with path.open(newline="", encoding="utf-8-sig") as table:
        return {row["file"]: row for row in csv.DictReader(table) if row["p_fake"]}


def _logit(text: str) -> float:
    p = min(max(float(text), EDGE), 1 - EDGE)
    return float(np.log(p / (1 - p)))


def main() -> None:
    run = json.loads(RUN.read_text())
    run["together"] = compare(FIRST, SECOND)
    RUN.write_text(json.dumps(run, indent=1) + "\n")
    print(json.dumps(run["together"], indent=1))


if __name__ == "__main__":
    main()
