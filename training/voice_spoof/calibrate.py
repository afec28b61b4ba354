"""From trained weights to what ships: calibration and thresholds on recordings kept out, the sidecar, the facts of the run."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, logit
from torch import nn

from drishtiksha.batch.items import Item
from drishtiksha.detectors.voice_spoof import VoiceSpoofConfig, VoiceSpoofDetector
from drishtiksha.evaluation.manifest import read_manifest
from drishtiksha.evaluation.metrics import auc, eer, fit_platt, share_at_least, threshold_for
from drishtiksha.networks.voice_spoof import WINDOW
from drishtiksha.results import SampleScore
from drishtiksha.weights import sha256_of
from training.export import make_canary, save_state
from training.loop import Weights

FALSE_ALARMS = 0.05
"""The bar: at most so many of the genuine recordings of each corpus, in each delivery, reach the FAKE threshold."""
NEVER = 0.0
"""The REAL threshold: REAL is not said. On the test side, speech by systems that nothing was learned from scored as low as
genuine speech (see the card), so what raises no suspicion stays undecided."""


@dataclass(frozen=True)
class Heard:
    """One file's windows as the shipped detector scored them, before calibration."""

    item: Item
    scores: tuple[SampleScore, ...]

    @property
    def logits(self) -> np.ndarray:
        """(n,): of the windows with speech."""
        return logit(np.array([score.p_fake for score in self.scores if score.p_fake is not None]))


def detector_of(path: Path) -> VoiceSpoofDetector:
    """The detector of the app on the checkpoint at `path`, loaded and proven."""
    config = VoiceSpoofConfig(
        class_name="VoiceSpoofDetector", description="", model_path=path, device="cpu", isAudio=True
    )
    detector = VoiceSpoofDetector(config)
    detector.load()
    return detector


def save(weights: Weights, path: Path, network: nn.Module) -> dict[str, Any]:
    """Write weights and a sidecar that proves them and no more; returns the sidecar. network: one that takes the weights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_state(weights, path)
    network.load_state_dict(weights)
    canary = make_canary(network.eval(), (2, WINDOW))
    sidecar = {"sha256": sha256_of(path), "canary": canary.model_dump(mode="json")}
    write_json(path.with_suffix(".json"), sidecar)
    return sidecar


def write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


def hear(detector: VoiceSpoofDetector, manifest: Path, without: str = "") -> list[Heard]:
    """Every file of the manifest in which the detector found speech; none of the corpus `without`."""
    items = [
        item for item in read_manifest(manifest) if not (without and Path(item.path).name.startswith(f"{without}_"))
    ]
    heard = [Heard(item, detector.analyze(Path(item.path), explain=False).scores) for item in items]
    return [one for one in heard if any(score.p_fake is not None for score in one.scores)]


def fit(heard: list[Heard]) -> tuple[float, float]:
    """Platt's scale and offset over all windows."""
    logits = np.concatenate([one.logits for one in heard])
    fake = np.concatenate([np.full(len(one.logits), one.item.fake) for one in heard])
    return fit_platt(logits, fake)


def file_scores(heard: list[Heard], detector: VoiceSpoofDetector, scale: float, offset: float) -> np.ndarray:
    """p_fake (n,) of each file: its windows calibrated, then joined as the detector joins them."""
    return np.array([_joined(one, detector, scale, offset) for one in heard])


def _joined(one: Heard, detector: VoiceSpoofDetector, scale: float, offset: float) -> float:
    spoken = [score for score in one.scores if score.p_fake is not None]
    calibrated = expit(scale * one.logits + offset)
    pairs = zip(spoken, calibrated, strict=True)
    p_fake = detector.aggregate([score.model_copy(update={"p_fake": float(p)}) for score, p in pairs]).p_fake
    assert p_fake is not None
    return p_fake


def thresholds(p_fake: np.ndarray, groups: np.ndarray) -> dict[str, float]:
    """Of genuine recordings, (n,) each: FAKE so that no group exceeds FALSE_ALARMS."""
    highest = max(threshold_for(p_fake[groups == name], FALSE_ALARMS) for name in sorted(set(groups)))
    return {"real": NEVER, "fake": round(min(max(0.5, highest), 0.999) + 5e-5, 4)}


def calibrate(path: Path, sidecar: dict[str, Any], manifest: Path, without: str = "") -> dict[str, Any]:
    """Judge the files of `manifest`, none of them trained on; complete the sidecar and write it. Returns measurements.

    without: a corpus whose files are passed over, where there is one.
    """
    detector = detector_of(path)
    heard = hear(detector, manifest, without)
    scale, offset = fit(heard)
    p_fake = file_scores(heard, detector, scale, offset)
    fake, groups = np.array([one.item.fake for one in heard]), np.array([one.item.group for one in heard])
    names = sorted({one.item.group.split("/")[0] for one in heard})
    deliveries = sorted({one.item.group.split("/")[1] for one in heard})
    sidecar["calibration"] = {
        "method": "platt",
        "scale": scale,
        "offset": offset,
        "data": f"recordings of speakers not trained on: {', '.join(names)}; as {', '.join(deliveries)}",
        "n_real": int((~fake).sum()),
        "n_fake": int(fake.sum()),
    }
    sidecar["thresholds"] = thresholds(p_fake[~fake], groups[~fake])
    write_json(path.with_suffix(".json"), sidecar)
    return {
        "auc": auc(fake, p_fake),
        "eer": eer(fake, p_fake),
        "groups": summary(p_fake, fake, groups, sidecar["thresholds"]),
    }


def false_alarms(path: Path, manifest: Path) -> dict[str, str]:
    """How many genuine files of each delivery the calibrated detector on the checkpoint at `path` calls fake, in words."""
    detector = detector_of(path)
    at = json.loads(path.with_suffix(".json").read_text())["thresholds"]["fake"]
    called: defaultdict[str, list[bool]] = defaultdict(list)
    for one in hear(detector, manifest):
        p_fake = detector.aggregate(one.scores).p_fake
        called[one.item.group.split("/")[1]].append(p_fake is not None and p_fake >= at)
    return {delivery: f"{np.mean(hits):.1%} of {len(hits)}" for delivery, hits in sorted(called.items())}


def summary(p_fake: np.ndarray, fake: np.ndarray, groups: Iterable[str], at: dict[str, float]) -> dict[str, Any]:
    """For each group the number of files, the median and the share called fake."""
    groups = np.array(list(groups))
    return {
        name: {
            "n": int((groups == name).sum()),
            "label": "fake" if fake[groups == name][0] else "real",
            "median": round(float(np.median(p_fake[groups == name])), 3),
            "called_fake": round(share_at_least(p_fake[groups == name], at["fake"]) or 0.0, 3),
        }
        for name in sorted(set(groups))
    }
