"""DISTIL-DIRE-V1: the published files, the reference's pixels and logits, and what it says of what it did not look at."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import stand_ins
import torch

from drishtiksha.contract import Companion, FramePlan, Sample
from drishtiksha.detectors.distil_dire import DistilDIREDetectorV1
from drishtiksha.errors import ConfigError, WeightsMismatchError, WeightsMissingError, WrongMediaKindError
from drishtiksha.networks.distil_dire import DistilDIRENetwork, centre_square
from drishtiksha.results import GapReason, MediaKind, SampleScore
from drishtiksha.settings import ROOT
from drishtiksha.weights import fitted

NAME = "DISTIL-DIRE-V1"
SMALL = stand_ins.SMALL["DistilDIREDetectorV1"]


def unloaded(**fields) -> DistilDIREDetectorV1:
    config = DistilDIREDetectorV1.Config(
        class_name="DistilDIREDetectorV1", description="", model_path="none.pth", device="cpu", isImage=True, **fields
    )
    return DistilDIREDetectorV1(config)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Both files as published, with random weights and the small noise predictor."""
    folder = tmp_path_factory.mktemp("distil_dire")
    torch.manual_seed(0)
    return stand_ins.distil_dire(folder, DistilDIRENetwork(32, 16))


def loaded(files, **fields) -> DistilDIREDetectorV1:
    return golden.detector(DistilDIREDetectorV1, NAME, **(files | SMALL | {"isImage": True} | fields))


@pytest.fixture(scope="module")
def detector(files) -> DistilDIREDetectorV1:
    return loaded(files)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_every_published_key_finds_its_place(prefix):
    published = golden.load(NAME)["state_dict"] | {
        f"noise_predictor.{key}": facts for key, facts in golden.load("ADM-256x256")["full_state_dict"].items()
    }
    found = {prefix + key: torch.empty(shape, device="meta") for key, (shape, _) in published.items()}
    with torch.device("meta"):
        wanted = unloaded().build().state_dict()
    kept = fitted(found, wanted, unloaded().remap, NAME)
    assert {key: tensor.shape for key, tensor in kept.items()} == {key: tensor.shape for key, tensor in wanted.items()}


@pytest.mark.slow
def test_logits_are_those_of_the_reference():
    with torch.device("meta"):
        network = DistilDIRENetwork(32, 16)
    network.student_backbone.to_empty(device="cpu")
    network.student_head.to_empty(device="cpu")
    own = dict(golden.state_dict(NAME))
    for part in ("student_backbone", "student_head"):
        state = {key.removeprefix(f"{part}."): tensor for key, tensor in own.items() if key.startswith(part)}
        getattr(network, part).load_state_dict(state)
    network.eval()
    (case,) = golden.load(NAME)["cases"]
    both = torch.randn(case["shape"], generator=torch.Generator().manual_seed(1234))
    with torch.inference_mode():
        logits = network.judge(network.features(both[:, :3], both[:, 3:]))
    assert np.abs(logits.numpy() - case["logits"]).max() < 1e-3


def test_pixels_are_those_of_the_reference():
    arrays = golden.arrays("visual_preprocessing")
    made, wanted = centre_square(arrays["frame_rgb"]).numpy(), arrays["distil_dire_pixels_f16"].astype(np.float32)
    assert np.abs(made - wanted).mean() < 0.001
    assert np.corrcoef(made.ravel(), wanted.ravel())[0, 1] > 0.9999


@pytest.mark.parametrize("shape", [(256, 256), (360, 640), (640, 361), (40, 90), (2, 3000), (3000, 1), (1, 1)])
def test_pictures_of_any_shape_fit(shape):
    frame = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    tensor = centre_square(frame)
    assert tensor.shape == (3, 256, 256)
    assert tensor.is_contiguous()
    assert tensor.abs().max() <= 1 + 1e-5


def test_a_strip_is_cut_where_the_whole_of_it_would_be():
    strip = np.random.default_rng(0).integers(0, 256, (50, 1000, 3), np.uint8)
    shorter = strip[:, 300:700]
    assert torch.allclose(centre_square(strip), centre_square(shorter), atol=1e-5)


def test_red_stays_red_in_the_middle_of_the_picture():
    frame = np.zeros((300, 500, 3), np.uint8)
    frame[:, 150:350, 0] = 255
    tensor = centre_square(frame)
    assert tensor[0, :, 100:150].min() > 0.99
    assert tensor[0, :, :30].max() < -0.9
    assert tensor[1:].max() < -0.99


@pytest.mark.slow
def test_a_picture_from_end_to_end(detector):
    events = []
    result = detector.analyze(ROOT / "assets" / "portrait.jpg", events.append)
    assert {event.model_name for event in events} == {NAME} == {result.model_name}
    assert result.media.kind is MediaKind.IMAGE
    (score,) = result.scores
    assert result.p_fake == pytest.approx(score.p_fake)
    assert result.metrics["noise_rms"] > 0
    assert result.metrics["shorter_side_px"] == min(result.media.width, result.media.height)
    (heatmap,) = result.heatmaps
    assert heatmap.method == "gradcam"
    assert heatmap.array().max() > 0.9
    left, top, right, bottom = heatmap.face_box
    assert right - left == bottom - top == min(result.media.width, result.media.height)
    assert left + right == result.media.width
    assert top + bottom == result.media.height


@pytest.mark.slow
def test_the_score_is_that_of_the_network_alone(detector):
    (tensor,) = detector.preprocess(Sample(0, frame=np.full((256, 256, 3), 77, np.uint8)))
    p_fake, measures = detector.judge(tensor[None])
    with torch.inference_mode():
        assert p_fake[0] == pytest.approx(torch.sigmoid(detector.network(tensor[None])).item(), abs=1e-5)
    assert set(measures) == {"noise_rms"}


@pytest.mark.parametrize(
    ("size", "said"),
    [((300, 300), []), ((200, 200), ["enlarged"]), ((640, 320), ["50%"]), ((320, 160), ["160 px", "50%"])],
)
def test_it_says_what_it_enlarged_and_what_it_cut_off(size, said):
    sample = Sample(0, frame=np.full((*size, 3), 128, np.uint8))
    unloaded().preprocess(sample)
    notes = unloaded().aggregate([SampleScore(index=0, p_fake=0.4, measures=sample.measures)]).notes
    assert len(notes) == len(said)
    assert all(words in note for words, note in zip(said, notes, strict=True))


@pytest.mark.slow
def test_only_pictures(detector):
    assert detector.sampling(None) == FramePlan(count=1)
    with pytest.raises(WrongMediaKindError):
        detector.analyze(ROOT / "assets" / "clip_silent.mp4")


def test_nothing_judged_is_no_answer():
    assert unloaded().aggregate([]).p_fake is None
    assert unloaded().aggregate([SampleScore(index=0, gap=GapReason.DAMAGED)]).p_fake is None


@pytest.mark.slow
def test_without_its_noise_predictor_it_does_not_load(files, tmp_path):
    with pytest.raises(ConfigError, match="noise_predictor"):
        loaded(files, companions={})
    with pytest.raises(WeightsMissingError):
        loaded(files, companions={"noise_predictor": Companion(path=tmp_path / "none.pt")})
    with pytest.raises(WeightsMismatchError, match="noise_predictor"):
        loaded(files, noise_channels=64)
