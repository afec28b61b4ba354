"""EFFICIENTNET-B7-V1: the published checkpoint, the author's crops and strategy, and what the reference does wrong."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import timm
import torch
from torch import nn

from drishtiksha.contract import Face, Sample
from drishtiksha.detectors.efficientnet_b7 import EfficientNetB7Detector
from drishtiksha.networks.dfdc_efficientnet import DFDCNetwork, centred_on_black, normalised
from drishtiksha.results import FaceScore, GapReason, Prediction, SampleScore
from drishtiksha.settings import ROOT
from drishtiksha.weights import fitted

NAME = "EFFICIENTNET-B7-V1"
SMALL = "tf_efficientnet_b0"


def unloaded(**fields) -> EfficientNetB7Detector:
    config = EfficientNetB7Detector.Config(
        class_name="EfficientNetB7Detector", description="", model_path="none.pth", device="cpu", **fields
    )
    return EfficientNetB7Detector(config)


def settled(size: int) -> nn.Module:
    """The small sibling, always with the same random weights, and the statistics of its batch norms as training would
    leave them."""
    torch.manual_seed(0)
    network = DFDCNetwork(SMALL)
    golden.settle(network, torch.randn(4, 3, size, size))
    return network


@pytest.fixture(scope="module")
def detector(tmp_path_factory) -> EfficientNetB7Detector:
    """The small sibling, in a file as the author's training leaves it."""
    path = tmp_path_factory.mktemp("b7") / "final_111.pth"
    state_dict = settled(64).state_dict()
    content = {"epoch": 36, "state_dict": {f"module.{key}": t for key, t in state_dict.items()}, "bce_best": 0.1}
    torch.save(content, path)
    return golden.detector(EfficientNetB7Detector, NAME, path, architecture=SMALL, frames=6, every_s=1000, isVideo=True)


def scores(*frames: list[float]) -> list[SampleScore]:
    def one(index: int, faces: list[float]) -> SampleScore:
        if not faces:
            return SampleScore(index=index, gap=GapReason.NO_FACE)
        found = tuple(FaceScore(face_box=(0, 0, 100, 100), p_fake=p) for p in faces)
        return SampleScore(index=index, p_fake=max(faces), faces=found)

    return [one(index, faces) for index, faces in enumerate(frames)]


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["", "module."])
def test_every_published_key_finds_its_place(prefix):
    published = golden.load(NAME)["state_dict"]
    found = {prefix + key: torch.empty(shape, device="meta") for key, (shape, _) in published.items()}
    with torch.device("meta"):
        wanted = unloaded().build().state_dict()
    kept = fitted(found, wanted, unloaded().remap, NAME)
    assert {key: tensor.shape for key, tensor in kept.items()} == {key: tensor.shape for key, tensor in wanted.items()}
    assert set(published) - set(kept) == {"encoder.classifier.weight", "encoder.classifier.bias"}


@pytest.mark.slow
def test_logits_are_those_of_the_reference_as_far_as_rounding_lets_them():
    """With the stand-in weights activations grow with every block, until a change of the input by a millionth moves the
    logits by more than 1: no other processor can repeat them. Where rounding does not show, 1e-3 holds."""
    with torch.device("meta"):
        network = unloaded().build()
    network.load_state_dict(unloaded().remap(golden.state_dict(NAME)), assign=True)
    network.eval()
    (case,) = golden.load(NAME)["cases"]
    faces = torch.randn(case["shape"], generator=torch.Generator().manual_seed(1234))
    with torch.inference_mode():
        logits, moved = network(faces), network(faces * (1 + 1e-6))
    rounding = float((moved - logits).abs().max())
    assert torch.isfinite(logits).all()
    assert np.abs(logits.numpy() - case["logits"]).max() <= max(1e-3, 3 * rounding)


@pytest.mark.large
def test_settled_stand_ins_keep_features_and_logits_through_the_whole_network(tmp_path):
    """The published network, its statistics settled: a change of a millionth no longer shows, so that the twin can be held to
    1e-3. The twin: timm's encoder, its pooled features, a linear layer."""
    with torch.device("meta"):
        network = unloaded().build()
    network.load_state_dict(unloaded().remap(golden.state_dict(NAME)), assign=True)
    faces = torch.randn(4, 3, 96, 96, generator=torch.Generator().manual_seed(2))
    golden.settle(network, faces)
    twin = timm.create_model("tf_efficientnet_b7", num_classes=0, global_pool="avg").eval()
    encoder = network.encoder.state_dict()
    twin.load_state_dict({key: encoder[key] for key in twin.state_dict()})
    with torch.inference_mode():
        wanted = twin(faces)
        features = network.encoder.forward_features(faces).mean(dim=(2, 3))
        moved = network.encoder.forward_features(faces * (1 + 1e-6)).mean(dim=(2, 3))
        logits = wanted @ network.fc.weight[0] + network.fc.bias
    assert 0.1 < float(wanted.std()) < 10, "near unit size"
    assert float((moved - features).abs().max()) < 1e-3, "rounding does not show"
    assert float((features - wanted).abs().max()) < 1e-3
    torch.save({"state_dict": {f"module.{key}": t for key, t in network.state_dict().items()}}, tmp_path / "b7.pth")
    detector = golden.detector(EfficientNetB7Detector, NAME, tmp_path / "b7.pth", isVideo=True)
    with torch.inference_mode():
        folded = detector.network.encoder.forward_features(faces).mean(dim=(2, 3))
        assert float((folded - wanted).abs().max()) < 2e-3, "its batch norms folded in"
        assert float((detector.forward(faces) - logits).abs().max()) < 0.01 * float(logits.std())


def test_the_logit_is_the_linear_layer_over_the_mean_of_timms_features():
    network = settled(64)
    face = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        wanted = network.encoder(face) @ network.fc.weight[0] + network.fc.bias
        assert torch.allclose(network(face), wanted, atol=1e-5)


@pytest.mark.slow
def test_a_loaded_file_gives_the_logits_of_its_network(detector):
    """Wrapped in `state_dict`, prefixed with `module.`, its batch norms folded in: nothing of it changes a number."""
    network = settled(64)
    faces = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        logits = network(faces)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in detector.network.modules())
    assert logits.std() > 0.01
    assert detector.score(faces) == pytest.approx(logits.sigmoid().numpy(), abs=1e-4)


@pytest.mark.parametrize("name", ["face", "small_face"])
def test_faces_are_fitted_as_by_the_reference_and_stay_rgb(name):
    arrays = golden.arrays("visual_preprocessing")
    made = centred_on_black(arrays[f"{name}_rgb"], 380).astype(float)
    wanted = arrays[f"efficientnet_b7_{name}_u8"].astype(float)
    assert np.abs(made - wanted).mean() / 255 < 0.01
    assert np.abs(made[..., ::-1] - wanted).mean() / 255 > 0.1


def test_the_longer_side_fills_the_square_whatever_its_length():
    for height, width in ((1, 300), (777, 380), (379, 13), (61, 61)):
        square = centred_on_black(np.full((height, width, 3), 255, np.uint8), 380)
        filled = (square > 0).any(axis=2)
        assert max(filled.any(axis=0).sum(), filled.any(axis=1).sum()) == 380


def test_the_network_sees_red_where_red_is():
    frame = np.zeros((300, 400, 3), np.uint8)
    frame[..., 0] = 255
    (tensor,) = unloaded().preprocess(Sample(0, frame=frame, faces=(Face((150.0, 90.0, 240.0, 180.0), 1.0),)))
    assert tensor.shape == (3, 380, 380)
    assert torch.equal(tensor, normalised(np.broadcast_to(np.uint8([255, 0, 0]), (380, 380, 3))))


def test_a_third_of_the_box_is_added_inside_the_frame_and_the_heatmap_lies_there():
    frame = np.zeros((300, 400, 3), np.uint8)
    frame[60:210, 100:220] = 255
    whole, corner = Face((130.9, 90.2, 190.9, 180.4), 1.0), Face((0.0, 0.0, 90.0, 90.0), 1.0)
    sample = Sample(0, frame=frame, faces=(whole, corner))
    tensor = unloaded().preprocess(sample)[0]
    black = normalised(np.zeros((1, 1, 3), np.uint8))
    white = (tensor != black).all(dim=0)
    assert white[:, 65:-65].all(), "100x150 px of the frame fill the height"
    assert not white[:, :60].any(), "black beside it"
    assert unloaded().region(sample, 0) == (85, 60, 235, 210)
    assert unloaded().region(sample, 1) == (0, 0, 120, 120)


@pytest.mark.parametrize(
    ("frames", "p_fake", "strategy"),
    [
        ([[0.9]] * 12 + [[0.5]] * 8, 0.9, "surely fake"),
        ([[0.9]] * 11, 0.9, "all faces"),
        ([[0.9]] * 11 + [[0.1]] * 9, 0.54, "all faces"),
        ([[0.9, 0.1, 0.1]] * 12, 11 / 30, "all faces"),
        ([[0.1]] * 19 + [[0.9]], 0.1, "surely real"),
        ([[0.1]] * 9 + [[0.9]], 0.18, "all faces"),
    ],
)
def test_the_confident_strategy(frames, p_fake, strategy):
    aggregate = unloaded().aggregate(scores(*frames))
    assert aggregate.p_fake == pytest.approx(p_fake)
    assert strategy in aggregate.metrics["strategy"]


def test_frames_without_a_face_say_nothing():
    with_gaps = unloaded().aggregate(scores([0.9], [], [0.7, 0.2], []))
    assert with_gaps.p_fake == pytest.approx(0.6)
    assert with_gaps.metrics["faces_found"] == 3
    assert with_gaps.metrics["frames_with_a_face"] == 2
    assert unloaded().aggregate(scores([], [])).p_fake is None


def test_which_frames_and_faces_it_asks_for():
    plan = unloaded().sampling(None)
    assert (plan.count, plan.faces.finder, plan.faces.thresholds) == (32, "mtcnn", (0.7, 0.8, 0.8))
    assert unloaded(frames="all").sampling(None).count is None
    with pytest.raises(ValueError, match="frames"):
        unloaded(frames=0)


@pytest.mark.slow
def test_a_clip_from_end_to_end(detector):
    events = []
    result = detector.analyze(golden.clip("stage_360p.mp4"), events.append)
    assert {event.model_name for event in events} == {NAME} == {result.model_name}
    judged = [score for score in result.scores if score.p_fake is not None]
    assert len(result.scores) == 6
    assert {score.gap for score in result.scores if score.p_fake is None} <= {"no_face", "face_too_small"}
    assert result.metrics["faces_found"] == sum(len(score.faces) for score in judged) > len(judged)
    assert all(score.p_fake == max(face.p_fake for face in score.faces) for score in judged)
    assert result.heatmaps[0].method == "gradcam"
    assert result.heatmaps[0].array().max() > 0.9


def test_no_face_is_no_answer(detector):
    result = detector.analyze(ROOT / "assets" / "no_face.mp4")
    assert (result.prediction, result.p_fake, result.gap) == (Prediction.INCONCLUSIVE, None, GapReason.NO_FACE)
