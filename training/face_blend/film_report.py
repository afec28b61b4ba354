"""What V1 does on moving video, each person left out of the choice of the threshold in turn; writes film.json beside its report.

    python -m training.face_blend.film_report --runs runs/face_blend

Needs what `training.face_blend.film_media` wrote, and runs after `training.publish`. Also puts the scores of the clips into the sidecar, as its reference for video.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from drishtiksha.contract import Reference
from drishtiksha.evaluation.metrics import auc, share_interval
from drishtiksha.networks.efficientnet_lite import FaceBlendNetwork
from drishtiksha.results import MediaKind
from drishtiksha.weights import read_sidecar
from training.face_blend.film_scores import film_logits
from training.face_blend.heldout import NAME, REPOSITORY
from training.face_blend.measure import GENUINE, clip_threshold, left_out_alarms, share
from training.publish import update_sidecar

WEIGHTS = REPOSITORY / "models" / f"{NAME}.safetensors"
REPORT = REPOSITORY / "models" / "reports" / NAME / "film.json"
OLD_THRESHOLD = 0.9
"""In use for video before moving video was at hand."""
DECIMALS = 4


def report(scores: np.ndarray, kind: np.ndarray, person: np.ndarray) -> dict[str, Any]:
    """What is measured of clips (M,): their p_fake (NaN: not scored), kind and person. Shares come with their 95 % interval over
    people, the number of clips and of people."""
    scored = ~np.isnan(scores)
    genuine = scored & (kind == GENUINE)
    p, who = scores[genuine], person[genuine]
    chosen = clip_threshold(p)
    fakes = [name for name in np.unique(kind) if name != GENUINE]
    return {
        "threshold": round(chosen, DECIMALS),
        "not_scored": int((~scored).sum()),
        "false_alarms_before": share(p >= OLD_THRESHOLD, who),
        "false_alarms_person_left_out": share(left_out_alarms(p, who), who),
        "people_with_a_false_alarm_before": len(set(who[p >= OLD_THRESHOLD])),
        "recall": {
            name: {
                "n": int(mine.sum()),
                "before": round(float((scores[mine] >= OLD_THRESHOLD).mean()), DECIMALS),
                "now": round(float((scores[mine] >= chosen).mean()), DECIMALS),
                "now_interval": share_interval(scores[mine] >= chosen, person[mine]),
                "auc": auc(np.r_[np.zeros(len(p), bool), np.ones(mine.sum(), bool)], np.r_[p, scores[mine]]),
                "median": round(float(np.median(scores[mine])), DECIMALS),
            }
            for name in fakes
            for mine in [scored & (kind == name)]
        },
        "genuine_median": round(float(np.median(p)), DECIMALS),
        "genuine_highest_of_each": {str(one): round(float(p[who == one].max()), DECIMALS) for one in np.unique(who)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="training.face_blend.film_report", description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/face_blend"))
    runs = parser.parse_args().runs
    torch.set_num_threads(1)
    network = FaceBlendNetwork()
    network.load_state_dict(load_file(WEIGHTS))
    film = runs / "film"
    faces = film_logits(network.eval(), film / "manifest.csv", runs / "v1_logits.npz", runs / "film_faces.npz")
    sidecar = read_sidecar(WEIGHTS)
    assert sidecar is not None
    assert sidecar.calibration is not None
    scores = faces.clip_scores(sidecar.calibration.scale, sidecar.calibration.offset)
    found = report(scores, faces.kind, faces.person)
    REPORT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    swaps = faces.kind == "film_swap"
    genuine = faces.kind == GENUINE
    people = len(np.unique(faces.person[genuine]))
    video = Reference(
        data=f"stretches of {people} genuine clips as streaming services deliver them",
        fake_data=f"faces swapped into stretches of {len(np.unique(faces.person[swaps]))} of those clips",
        p_fake=_kept(scores[genuine]),
        fake_p_fake=_kept(scores[swaps]),
        sources=people,
        fake_sources=len(np.unique(faces.person[swaps])),
    )
    update_sidecar(WEIGHTS, measured=sidecar.measured, reference=sidecar.reference | {MediaKind.VIDEO: video})
    print(json.dumps(found, indent=1))


def _kept(scores: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(p), 3) for p in np.sort(scores[~np.isnan(scores)]))


if __name__ == "__main__":
    main()
