"""What the base class does for every detector: devices, hashes, canaries, calibration."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from detector_kit import BRIGHTNESS, dropped_in, entry, manager_of, plain_weights

from drishtiksha.detectors.device import resolve_device
from drishtiksha.errors import ConfigError, ModelRegistryError
from drishtiksha.results import MediaInfo, MediaKind
from drishtiksha.weights import sha256_of

PORTRAIT = MediaInfo(name="a.png", sha256="0" * 64, size_bytes=1, kind=MediaKind.IMAGE, container="png")


@pytest.fixture
def weights(tmp_path: Path):
    with dropped_in(tmp_path / "more", brightness=BRIGHTNESS):
        yield plain_weights(tmp_path / "w.pt")


def sidecar(weights: Path, **fields: object) -> None:
    weights.with_suffix(".json").write_text(json.dumps({"sha256": sha256_of(weights), **fields}))


def load(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **fields: object):
    return manager_of({"B": entry(model_path=weights, **fields)}, tmp_path, monkeypatch).load_model("B")


def test_calibration_and_thresholds_come_from_the_sidecar(weights, tmp_path, monkeypatch):
    calibration = {"method": "platt", "scale": 2.0, "offset": -1.0}
    sidecar(weights, calibration=calibration, thresholds={"real": 0.2, "fake": 0.8})
    detector = load(weights, tmp_path, monkeypatch)
    assert detector.calibrated(PORTRAIT)
    assert (detector.thresholds(PORTRAIT).real, detector.thresholds(PORTRAIT).fake) == (0.2, 0.8)
    logit = 10 * (0.7 - 0.5)
    p_fake = detector.score(torch.full((1, 3, 8, 8), 0.7))[0]
    assert p_fake == pytest.approx(1 / (1 + np.exp(-(2 * logit - 1))), abs=1e-5)


def test_the_configuration_overrules_the_sidecars_thresholds(weights, tmp_path, monkeypatch):
    sidecar(weights, thresholds={"real": 0.2, "fake": 0.8})
    detector = load(weights, tmp_path, monkeypatch, thresholds={"real": 0.1, "fake": 0.9})
    assert (detector.thresholds(PORTRAIT).real, detector.thresholds(PORTRAIT).fake) == (0.1, 0.9)


def test_without_a_sidecar_it_is_not_calibrated(weights, tmp_path, monkeypatch):
    assert not load(weights, tmp_path, monkeypatch).calibrated(PORTRAIT)


def test_another_hash_is_refused(weights, tmp_path, monkeypatch):
    weights.with_suffix(".json").write_text(json.dumps({"sha256": "0" * 64}))
    with pytest.raises(ModelRegistryError, match="SHA-256"):
        load(weights, tmp_path, monkeypatch)


@pytest.mark.parametrize(("shift", "loads"), [(0.0, True), (0.5, False)])
def test_the_canary_decides_whether_a_checkpoint_loads(weights, tmp_path, monkeypatch, shift, loads):
    noise = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(7))
    logits = (10 * (noise.mean(dim=(1, 2, 3)) - 0.5) + shift).tolist()
    sidecar(weights, canary={"seed": 7, "shape": [2, 3, 8, 8], "logits": logits, "tolerance": 1e-3})
    if loads:
        load(weights, tmp_path, monkeypatch)
    else:
        with pytest.raises(ModelRegistryError, match="test input"):
            load(weights, tmp_path, monkeypatch)


def test_auto_is_a_device_that_is_here_and_others_are_refused():
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")
    assert resolve_device("cpu").type == "cpu"
    with pytest.raises(ConfigError, match="not a device"):
        resolve_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="no cuda"):
            resolve_device("cuda")


def test_occlusion_serves_a_detector_without_a_heatmap_of_its_own(weights, tmp_path, monkeypatch):
    detector = load(weights, tmp_path, monkeypatch)
    result = detector.analyze(Path(__file__).parents[2] / "assets" / "portrait.jpg")
    assert [heatmap.method for heatmap in result.heatmaps] == ["occlusion"]
    assert "no proof" in result.heatmaps[0].caption
    assert detector.memory_bytes == 8
