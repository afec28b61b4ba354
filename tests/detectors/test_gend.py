"""GEND: published keys, pixels and logits of the three foundation models, heads by config.json, faces of a clip."""

from __future__ import annotations

import json

import golden
import numpy as np
import pytest
import torch
from open_shelf import array_error, noise, picture, preprocessing, published_network, unloaded, with_network, wrong_keys
from safetensors.torch import save_file

from drishtiksha.contract import Face, Sample
from drishtiksha.detectors.device import keep_in_bfloat16
from drishtiksha.detectors.gend import GenDDetector
from drishtiksha.errors import WeightsMismatchError
from drishtiksha.results import FaceScore, GapReason, MediaInfo, MediaKind, Prediction, SampleScore
from drishtiksha.settings import ROOT

BACKBONES = {"GEND-CLIP-L14": "clip", "GEND-PE-L": "pe", "GEND-DINOV3-L": "dinov3"}
SMALL = {"width": 64, "layers": 2, "heads": 4}


def sample_of(case: dict) -> Sample:
    face = Face((0, 0, 1, 1), 1.0, keypoints=np.array(case["landmarks_5"], float))
    return Sample(0, frame=picture(case["picture"]), faces=(face,))


def folder(path, head: str = "LinearNorm", **fields):
    """A model folder as the authors' code writes it, with small random weights under the published names."""
    torch.manual_seed(0)
    state = unloaded(GenDDetector, **SMALL, **fields).build().state_dict()
    prefix = {"clip": "vision_model"}.get(fields.get("backbone", "clip"), "backbone")
    names = {"encoder.model.layer.": "encoder.layer.", "encoder.": f"feature_extractor.{prefix}."}
    named = {}
    for key, tensor in state.items():
        for ours, theirs in names.items():
            key = key.replace(ours, theirs, 1)
        named[key if key.startswith("feature_extractor") else f"model.{key}"] = tensor
    path.mkdir()
    save_file({key: tensor.contiguous() for key, tensor in named.items()}, path / "model.safetensors")
    (path / "config.json").write_text(json.dumps({"backbone": "openai/clip-vit-large-patch14", "head": head}))
    return path


@pytest.fixture(scope="module")
def detector(tmp_path_factory) -> GenDDetector:
    path = folder(tmp_path_factory.mktemp("gend") / "GEND-CLIP-L14")
    return golden.detector(
        GenDDetector, "GEND-CLIP-L14", path, **SMALL, num_frames=6, every_s=1000, isVideo=True, isImage=True
    )


@pytest.mark.parametrize("name", BACKBONES)
def test_every_published_key_finds_its_place(name):
    assert wrong_keys(unloaded(GenDDetector, backbone=BACKBONES[name]), name) == []


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("array", ["portrait", "frame"])
def test_pixels_are_the_published_ones(name, array):
    detector = unloaded(GenDDetector, backbone=BACKBONES[name])
    (tensor,) = detector.preprocess(sample_of(preprocessing(name)[array]))
    assert array_error(tensor, name, array) < 0.01


@pytest.mark.large
@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_logits_are_those_of_the_published_network(name):
    """At full size: one made-up face, with either head, and the whole path from a picture."""
    detector = unloaded(GenDDetector, backbone=BACKBONES[name])
    network = published_network(detector, golden.state_dict(name))
    with_network(detector, network)
    (case,), portrait = golden.load(name)["cases"], preprocessing(name)["portrait"]
    (face,) = detector.preprocess(sample_of(portrait))
    faces = torch.stack([noise(case["shape"])[0], face])
    with torch.inference_mode():
        features = network.features(network.encoder, faces)
        told = torch.stack(
            [network.linear(torch.nn.functional.normalize(features, dim=1))[1] @ torch.tensor([-1.0, 1.0])]
        )
        linear = network.linear(features[0])
        logits = network(faces)
    assert features[0, :8].tolist() == pytest.approx(case["feature_first_8"][0], rel=1e-3, abs=1e-4)
    assert logits[0].item() == pytest.approx(_margin(case["logits"][0]), abs=1e-3)
    assert linear.tolist() == pytest.approx(case["logits_if_head_is_linear_without_L2"][0], abs=2e-3)
    assert logits[1].item() == pytest.approx(_margin(portrait["logits"]), abs=1e-3) == told.item()
    keep_in_bfloat16(network)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        halved = network(faces).float()
    assert 0 < (halved.sigmoid() - logits.sigmoid()).abs().max() <= 0.01


def _margin(pair: list[float]) -> float:
    return pair[1] - pair[0]


@pytest.mark.parametrize("backbone", BACKBONES.values())
def test_small_ones_load_and_explain(tmp_path, backbone):
    path = folder(tmp_path / "model", backbone=backbone)
    detector = golden.detector(GenDDetector, "GEND", path, **SMALL, backbone=backbone)
    tensor = noise([3, 224, 224])
    values, method = detector.importance(tensor)
    assert (values.shape, method) == ((224, 224), "attention")
    assert values.max() == pytest.approx(1, abs=0.02)
    assert 0 < detector.score(tensor[None])[0] < 1


def test_config_json_names_the_head(tmp_path):
    with_norm = golden.detector(GenDDetector, "GEND", folder(tmp_path / "norm"), **SMALL)
    without = golden.detector(GenDDetector, "GEND", folder(tmp_path / "plain", "linear"), **SMALL)
    assert (with_norm.network.normalises, without.network.normalises) == (True, False)
    face = noise([1, 3, 224, 224])
    assert with_norm.score(face) != pytest.approx(without.score(face), abs=1e-3)
    with pytest.raises(WeightsMismatchError, match="cosine"):
        golden.detector(GenDDetector, "GEND", folder(tmp_path / "other", "cosine"), **SMALL)
    path = folder(tmp_path / "none")
    (path / "config.json").unlink()
    with pytest.raises(WeightsMismatchError, match="head"):
        golden.detector(GenDDetector, "GEND", path, **SMALL)


def test_a_quick_answer_from_eight_largest_faces_and_several_in_a_picture():
    detector = unloaded(GenDDetector)
    media = {"name": "a", "sha256": "0", "size_bytes": 1, "container": "x"}
    video = detector.sampling(MediaInfo(kind=MediaKind.VIDEO, **media))
    assert (video.count, video.sparse, video.faces.finder, video.faces.most) == (32, 8, "mtcnn", 1)
    assert detector.sampling(MediaInfo(kind=MediaKind.IMAGE, **media)).faces.most == 8


def test_the_mean_of_the_frames_or_the_most_suspicious_person():
    def score(index: int, *p_fakes: float) -> SampleScore:
        box = (0, 0, 9, 9)
        faces = tuple(FaceScore(face_box=box, p_fake=p, person=i) for i, p in enumerate(p_fakes, start=1))
        return SampleScore(index=index, p_fake=max(p_fakes), faces=faces)

    scores = [score(0, 0.2), score(1, 0.9), SampleScore(index=2, gap=GapReason.NO_FACE)]
    aggregate = unloaded(GenDDetector).aggregate(scores)
    assert aggregate.p_fake == pytest.approx(0.55)
    assert aggregate.metrics == {
        "faces_scored": 2,
        "highest_face_p_fake": 0.9,
        "median_face_p_fake": pytest.approx(0.55),
    }
    assert unloaded(GenDDetector).aggregate(scores[2:]).p_fake is None
    both = [score(i, 0.1, 0.8) for i in range(4)]
    assert unloaded(GenDDetector, faces_per_frame=2).aggregate(both).p_fake == pytest.approx(0.8)


@pytest.mark.slow
def test_a_clip_from_end_to_end(detector):
    events = []
    result = detector.analyze(golden.clip("street_faces_1080p.mp4"), events.append)
    assert {event.model_name for event in events} == {"GEND-CLIP-L14"} == {result.model_name}
    judged = [score for score in result.scores if score.p_fake is not None]
    assert len(result.scores) == 6
    assert judged
    assert {len(score.faces) for score in judged} == {1}
    assert result.p_fake == pytest.approx(np.mean([score.p_fake for score in judged]))
    for heatmap in result.heatmaps:
        x0, y0, x1, y1 = heatmap.face_box
        face = next(score.faces[0].face_box for score in judged if score.index == heatmap.sample_index)
        assert x0 < face[0] + 9
        assert x1 > face[2] - 9
        assert y0 < y1
        assert heatmap.method == "attention"


def test_no_face_is_no_answer(detector):
    result = detector.analyze(ROOT / "assets" / "no_face.mp4")
    assert (result.prediction, result.p_fake, result.gap) == (Prediction.INCONCLUSIVE, None, GapReason.NO_FACE)
