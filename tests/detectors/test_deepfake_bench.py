"""DFB-*: published keys, logits and pixels of four networks, and where they take their faces from."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import torch
from open_shelf import array_error, noise, picture, preprocessing, published_network, unloaded, with_network, wrong_keys

from drishtiksha.contract import Face, Sample
from drishtiksha.detectors.deepfake_bench import DeepfakeBenchDetector
from drishtiksha.networks.deepfake_bench import phase_only

NETWORKS = {
    "DFB-XCEPTION": "xception",
    "DFB-EFFICIENTNET-B4": "efficientnet-b4",
    "DFB-UCF": "ucf",
    "DFB-SPSL": "spsl",
}
POINTS = [37, 44, 30, 49, 55]


def sample_of(case: dict) -> Sample:
    landmarks = np.full((68, 2), -1.0)
    landmarks[POINTS] = case["landmarks_5"]
    return Sample(0, frame=picture(case["picture"]), faces=(Face((0, 0, 1, 1), 1.0, landmarks=landmarks),))


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_every_published_key_finds_its_place_or_is_named_as_unused(name):
    detector = unloaded(DeepfakeBenchDetector, architecture=NETWORKS[name])
    assert wrong_keys(detector, name) == []
    assert wrong_keys(detector, name, lambda key: f"module.{key}") == []
    published = dict.fromkeys(golden.load(name)["state_dict"], torch.zeros(1))
    left = len(published) - len(detector.remap(published))
    assert left == {"DFB-XCEPTION": 7, "DFB-SPSL": 7, "DFB-EFFICIENTNET-B4": 0}.get(name, left)
    assert (name == "DFB-UCF") == (left > 300)


@pytest.mark.large
@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_logits_and_the_whole_path_are_the_published_ones(name):
    detector = unloaded(DeepfakeBenchDetector, architecture=NETWORKS[name])
    network = with_network(detector, published_network(detector, golden.state_dict(name))).network
    (case,), portrait = golden.load(name)["cases"], preprocessing(name)["portrait"]
    (face,) = detector.preprocess(sample_of(portrait))
    with torch.inference_mode():
        maps = network.maps(torch.stack([noise(case["shape"])[1] * 0.25, face]))
        pairs, logits = network.pair(maps), network.judge(maps)
    wanted = [case["logits"][1], portrait["logits"]]
    assert pairs.numpy() == pytest.approx(np.array(wanted), abs=1e-3)
    assert logits.tolist() == pytest.approx([fake - real for real, fake in wanted], abs=1e-3)
    if NETWORKS[name] in ("xception", "spsl"):  # theirs are from before the last ReLU
        return
    firsts = maps.mean(dim=(2, 3))[0, :8].numpy()
    assert firsts == pytest.approx(case["feature_map_mean_first_8"][1], rel=1e-2, abs=2e-3)


@pytest.mark.parametrize("array", ["portrait", "frame"])
def test_pixels_are_the_published_ones(array):
    (tensor,) = unloaded(DeepfakeBenchDetector).preprocess(sample_of(preprocessing("DFB-XCEPTION")[array]))
    assert array_error(tensor, "DFB-XCEPTION", array) < 0.01
    phase = phase_only(tensor[None])[0].numpy()
    kept = golden.arrays("DFB-256")[f"{array}_phase"].astype(np.float32)
    assert np.corrcoef(phase[:, ::2, ::2].ravel(), kept.ravel())[0, 1] > 0.998
    assert phase.std() == pytest.approx(preprocessing("DFB-SPSL")[f"{array}_phase"]["channel_std"][0], rel=1e-3)


def test_every_frequency_counts_the_same():
    spectrum = torch.fft.fft2(phase_only(noise([1, 3, 16, 16])))
    assert torch.allclose(spectrum.abs(), torch.ones_like(spectrum.abs()), atol=1e-4)


@pytest.mark.slow
def test_faces_come_from_the_mesh_and_the_heatmap_from_their_places():
    detector = unloaded(DeepfakeBenchDetector)
    plan = detector.sampling(None)
    assert (plan.count, plan.sparse, plan.faces.landmarks, plan.faces.most) == (32, 8, True, 1)
    torch.manual_seed(0)
    with_network(detector, detector.build().eval())
    values, method = detector.importance(noise([3, 256, 256]))
    assert (values.shape, method) == ((256, 256), "gradcam")
