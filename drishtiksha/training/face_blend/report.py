"""The run's own report: curves, and the numbers of the card. The card's prose is in card_template.md."""

from __future__ import annotations

from pathlib import Path
from string import Template

import matplotlib
import numpy as np
from sklearn.metrics import roc_curve

from drishtiksha.training.face_blend.evaluate import FAKE_DELIVERIES, Crops
from drishtiksha.training.face_blend.heldout import FAKES

matplotlib.use("Agg")
from matplotlib import pyplot as plt

TEMPLATE = Path(__file__).with_name("card_template.md")


def draw_curves(path: Path, data: Crops, p: np.ndarray, threshold: float) -> None:
    """ROC by kind of fake on clean pictures, and how p_fake is spread over clean reals and fakes."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    clean = data.delivery == "clean"
    for kind in FAKES:
        rows = clean & (~data.fake | (data.kind == kind))
        wrong, right_rate, _ = roc_curve(data.fake[rows], p[rows])
        left.plot(wrong, right_rate, label=kind)
    left.set(xlabel="false alarms", ylabel="recall", title="people kept out, clean pictures")
    left.legend()
    bins = list(np.linspace(0, 1, 21))
    right.hist(p[clean & ~data.fake], bins, alpha=0.6, density=True, label="real")
    right.hist(p[clean & data.fake], bins, alpha=0.6, density=True, label="fake")
    right.axvline(threshold, color="black", linestyle=":")
    right.set(xlabel="p_fake", title="calibrated scores")
    right.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)


def _percent(cell: dict) -> str:
    low, high = cell["rate_95"]
    return f"{cell['rate']:.1%} ({low:.1%} to {high:.1%})"


def _tables(measured: dict) -> dict[str, str]:
    rows = [
        f"| {name} | {m['n_real']}/{m['n_fake']} | {m['auc']:.3f} ({m['auc_95'][0]:.3f} to {m['auc_95'][1]:.3f}) "
        f"| {m['eer']:.1%} ({m['eer_95'][0]:.1%} to {m['eer_95'][1]:.1%}) "
        f"| {m['ap']:.3f} ({m['ap_95'][0]:.3f} to {m['ap_95'][1]:.3f}) "
        f"| {m['recall']:.1%} ({m['recall_95'][0]:.1%} to {m['recall_95'][1]:.1%}) |"
        for name, m in measured["discrimination"].items()
    ]
    discrimination = ["| pictures | real/fake | AUC | EER | AP | recall |", "|---|---|---|---|---|---|", *rows]
    alarms = ["| delivery | n | false alarms |", "|---|---|---|"]
    alarms += [f"| {name} | {cell['n']} | {_percent(cell)} |" for name, cell in measured["false_alarms"].items()]
    stress = ["| clean real faces, made | n | false alarms |", "|---|---|---|"]
    stress += [f"| {name} | {cell['n']} | {_percent(cell)} |" for name, cell in measured["stress_false_alarms"].items()]
    recall = ["| delivery | " + " | ".join(FAKES) + " |", "|---|" + "---|" * len(FAKES)]
    for name in FAKE_DELIVERIES:
        recall.append(f"| {name} | " + " | ".join(_percent(measured["recall"][kind][name]) for kind in FAKES) + " |")
    clips = [
        "| clip | faces (frames) | faces called fake | p_fake median, 90 % | mean p_fake by track |",
        "|---|---|---|---|---|",
    ]
    for name, clip in measured["clips"].items():
        tracks = ", ".join(f"{t['mean']:.2f}" for t in clip["tracks"])
        spread = f"{clip['p_fake_median']:.2f}, {clip['p_fake_90_percent']:.2f}"
        faces = f"{clip['faces']} ({clip['frames_with_face']} of {clip['frames']})"
        clips.append(f"| {name} | {faces} | {clip['faces_called_fake']:.1%} | {spread} | {tracks} |")
    tables = {
        "discrimination": discrimination,
        "false_alarms": alarms,
        "recall": recall,
        "clips": clips,
        "stress": stress,
    }
    return {name: "\n".join(lines) for name, lines in tables.items()}


def write_card(path: Path, sidecar: dict) -> None:
    """Fill the measured numbers into the card's template. Raises: KeyError when the template names one that is absent."""
    measured, calibration = sidecar["measured"], sidecar["calibration"]
    values = _tables(measured) | {name: str(value) for name, value in measured["run"].items()}
    values |= {
        "sha256": sidecar["sha256"],
        "threshold_fake": f"{sidecar['thresholds']['fake']:.3f}",
        "threshold_real": f"{sidecar['thresholds']['real']:.3f}",
        "scale": f"{calibration['scale']:.3f}",
        "offset": f"{calibration['offset']:.3f}",
        "n_real": str(calibration["n_real"]),
        "n_fake": str(calibration["n_fake"]),
        "people": str(measured["people"]),
        "ece_clean": f"{measured['ece_clean']:.3f}",
        "ece_all": f"{measured['ece_all_deliveries']:.3f}",
        "clean_called_real": ", ".join(f"{k} {v:.1%}" for k, v in measured["clean_called_real"].items()),
    }
    path.write_text(Template(TEMPLATE.read_text()).substitute(values))
