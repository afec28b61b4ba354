"""MFF-MOE-V1: the published files, averages in their place, the reference's pixels, probabilities and scores of a clip."""

from __future__ import annotations

import copy
import shutil

import golden
import numpy as np
import pytest
import stand_ins
import torch

from drishtiksha.contract import Companion, Sample
from drishtiksha.detectors.device import keep_in_bfloat16
from drishtiksha.detectors.mff_moe import MFFMoEDetectorV1
from drishtiksha.errors import ConfigError, WeightsMismatchError, WeightsMissingError, WrongMediaKindError
from drishtiksha.networks.mff_moe import MFFMoENetwork, together, whole_picture, with_averages
from drishtiksha.results import GapReason, SampleScore
from drishtiksha.settings import ROOT
from drishtiksha.weights import fitted

NAME = "MFF-MOE-V1"
SMALL = stand_ins.SMALL["MFFMoEDetectorV1"]


def unloaded(**fields) -> MFFMoEDetectorV1:
    config = MFFMoEDetectorV1.Config(
        class_name="MFFMoEDetectorV1", description="", model_path="none.pth", device="cpu", **fields
    )
    return MFFMoEDetectorV1(config)


@pytest.fixture(scope="module")
def small() -> MFFMoENetwork:
    torch.manual_seed(0)
    network = MFFMoENetwork(SMALL["experts"])
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.9, 1.1)
    return network.eval()


@pytest.fixture(scope="module")
def files(small, tmp_path_factory):
    """Both files as the authors publish them, with random weights."""
    return stand_ins.mff_moe(tmp_path_factory.mktemp("mff"), small)


def loaded(files, **fields) -> MFFMoEDetectorV1:
    kinds = {"isImage": True, "isVideo": True, "dtype": "float32", "every_s": 1000}
    fields = files | SMALL | kinds | {"video_frames_to_sample": 4} | fields
    return golden.detector(MFFMoEDetectorV1, NAME, **fields)


@pytest.fixture(scope="module")
def detector(files) -> MFFMoEDetectorV1:
    return loaded(files)


@pytest.fixture(scope="module")
def empty() -> MFFMoENetwork:
    """The published network, without memory."""
    with torch.device("meta"):
        return unloaded().build()


@pytest.mark.slow
@pytest.mark.parametrize(("removed", "prefix"), [("", ""), ("", "module."), ("experts.", ""), ("experts.", "module.")])
def test_every_published_key_finds_its_place(empty, removed, prefix):
    published = golden.load(NAME)["state_dict"]
    found = {
        prefix + key.removeprefix(removed): torch.empty(shape, device="meta") for key, (shape, _) in published.items()
    }
    wanted = empty.state_dict()
    kept = fitted(found, wanted, unloaded().remap, NAME)
    assert {key: tensor.shape for key, tensor in kept.items()} == {key: tensor.shape for key, tensor in wanted.items()}
    assert list(kept) == list(wanted), "the averages come in this order"


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> MFFMoEDetectorV1:
    """With both golden files, as a user would put them there."""
    folder = tmp_path_factory.mktemp("published")
    path = golden.checkpoint(NAME, folder)
    with torch.device("meta"):
        order = [dict(expert.named_parameters()) for expert in unloaded().build().experts]
    state = torch.load(path, mmap=True)
    averages = {
        number: {"shadow_params": [state[f"experts.{number}.{name}"] * 0.98 for name in names]}
        for number, names in enumerate(order)
    }
    torch.save(averages, folder / "MFF-MoE-v1.state")
    companions = {"averages": Companion(path=folder / "MFF-MoE-v1.state")}
    fields = {
        "isVideo": True,
        "video_frames_to_sample": 6,
        "every_s": 1000,
        "companions": companions,
        "dtype": "float32",
    }
    yield golden.detector(MFFMoEDetectorV1, NAME, path, **fields)
    shutil.rmtree(folder)


@pytest.mark.slow
def test_probabilities_are_those_of_the_reference(published):
    (case,) = golden.load(NAME)["cases"]
    p_fake, measures = published.judge(torch.randn(case["shape"], generator=torch.Generator().manual_seed(1234)))
    each = [measures[f"expert_{number}"][0] for number in range(1, 8)]
    assert np.abs(np.array(each) - case["per_expert"]).max() < 1e-3
    assert p_fake[0] == pytest.approx(case["p_fake"][0], abs=1e-3)


@pytest.mark.large
def test_scores_of_a_clip_are_those_of_the_reference(published):
    result = published.analyze(golden.clip("stage_360p.mp4"), explain=False)
    wanted = golden.end_to_end(NAME)
    assert [score.p_fake for score in result.scores] == pytest.approx(wanted["scores"], abs=0.02)
    assert result.p_fake == pytest.approx(wanted["p_fake"], abs=0.02)


@pytest.mark.slow
def test_half_precision_changes_little(published):
    """On small pictures, since most processors only emulate it."""
    frame = golden.arrays("visual_preprocessing")["frame_rgb"]
    picture = whole_picture(frame, 96)[None]
    halves, wanted = [], []
    for number in (0, 3):
        expert = published.network.experts[number]
        wanted.append(torch.sigmoid(expert(picture)).item())
        half = copy.deepcopy(expert)
        keep_in_bfloat16(half)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            halves.append(torch.sigmoid(half(picture)).item())
    assert halves != wanted
    assert halves == pytest.approx(wanted, abs=0.01)


def test_pixels_are_those_of_the_reference():
    arrays = golden.arrays("visual_preprocessing")
    made = whole_picture(arrays["frame_rgb"], 512).numpy()[:, ::4, ::4]
    wanted = arrays["mff_moe_pixels_every4_f16"].astype(np.float32)
    assert np.abs(made - wanted).mean() < 0.002
    assert np.corrcoef(made.ravel(), wanted.ravel())[0, 1] > 0.9999


def test_the_logit_is_that_of_the_mean_probability():
    opinions = torch.tensor([[0.2, 0.9, 0.4], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    p_fake = torch.sigmoid(together(opinions))
    assert p_fake[0].item() == pytest.approx(0.5)
    assert torch.isfinite(together(opinions)).all()
    assert p_fake[1] < 1e-5 < 1 - 1e-5 < p_fake[2]


def test_averages_take_the_place_of_parameters_and_of_nothing_else(small):
    before = small.state_dict()
    parameters = {name for name, _ in small.named_parameters()}
    after = with_averages(before, stand_ins.averages_of(small))
    assert set(after) == set(before) > parameters
    for key, tensor in before.items():
        assert torch.equal(after[key], tensor * 0.98 if key in parameters else tensor), key
    with pytest.raises(ValueError, match="averages"):
        with_averages(dict(sorted(before.items())), stand_ins.averages_of(small))


@pytest.mark.slow
def test_the_loaded_network_thinks_as_the_published_weights_and_averages_do(detector, small):
    averaged = MFFMoENetwork(SMALL["experts"]).eval()
    averaged.load_state_dict(with_averages(small.state_dict(), stand_ins.averages_of(small)))
    pictures = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        wanted, plain = averaged.opinions(pictures), small.opinions(pictures)
    _, measures = detector.judge(pictures)
    for number in (0, 1):
        assert measures[f"expert_{number + 1}"] == pytest.approx(wanted[:, number].numpy(), abs=1e-5)
        assert measures[f"expert_{number + 1}"] != pytest.approx(plain[:, number].numpy(), abs=1e-5)


@pytest.mark.slow
def test_averages_are_not_left_out_in_silence(files, small, tmp_path):
    """The reference server goes on without them, with other scores."""
    with pytest.raises(ConfigError, match="averages"):
        loaded(files, companions={})
    with pytest.raises(WeightsMissingError):
        loaded(files, companions={"averages": Companion(path=tmp_path / "none.state")})
    one_missing = {0: stand_ins.averages_of(small)[0]}
    turned = stand_ins.averages_of(small)
    turned[0], turned[1] = turned[1], turned[0]
    for wrong in (one_missing, turned, {0: [], 1: []}, {}):
        torch.save(wrong, tmp_path / "wrong.state")
        with pytest.raises(WeightsMismatchError, match="averaged weights"):
            loaded(files, companions={"averages": Companion(path=tmp_path / "wrong.state")})


def test_what_the_experts_think(detector):
    (tensor,) = detector.preprocess(Sample(0, frame=np.full((50, 80, 3), 90, np.uint8)))
    p_fake, measures = detector.judge(torch.stack([tensor, tensor * 0.5]))
    each = np.stack([measures["expert_1"], measures["expert_2"]], axis=1)
    assert p_fake == pytest.approx(each.mean(axis=1), abs=1e-5)
    assert measures["expert_spread"] == pytest.approx(each.std(axis=1), abs=1e-5)
    assert measures["experts_over_half"] == pytest.approx((each > 0.5).sum(axis=1))


def test_the_agreement_of_the_experts():
    def score(*p_fakes: float) -> SampleScore:
        over = float(sum(p_fake > 0.5 for p_fake in p_fakes))
        each = {f"expert_{i}": p_fake for i, p_fake in enumerate(p_fakes, start=1)}
        return SampleScore(index=0, p_fake=float(np.mean(p_fakes)), measures={**each, "experts_over_half": over})

    gap = SampleScore(index=3, gap=GapReason.DAMAGED)
    detector = unloaded(experts=("a", "b", "c", "d"))
    aggregate = detector.aggregate([score(0.9, 0.8, 0.7, 0.1), score(0.9, 0.8, 0.7, 0.1), gap])
    assert aggregate.p_fake == pytest.approx(0.625)
    assert aggregate.metrics["expert_agreement"] == pytest.approx(0.75)
    assert aggregate.metrics["expert_4"] == pytest.approx(0.1)
    assert detector.aggregate([score(0.1, 0.1, 0.1, 0.2)]).metrics["expert_agreement"] == 1
    assert detector.aggregate([gap]).p_fake is None


def test_the_averages_are_part_of_the_recipe_and_prose_is_not(detector, files):
    """A chunk or a score of an evaluation that was made with other files beside the checkpoint does not stand."""
    own = detector.recipe()
    assert set(own["files"]) == {"", "averages"}
    assert loaded(files, measured="much", paper="elsewhere").recipe() == own


def test_pictures_and_clips_from_end_to_end(detector, files):
    for path, count in ((ROOT / "assets" / "portrait.jpg", 1), (ROOT / "assets" / "no_face.mp4", 4)):
        events = []
        result = detector.analyze(path, events.append)
        assert {event.model_name for event in events} == {NAME} == {result.model_name}
        assert len(result.scores) == count
        assert result.coverage == 1, "it needs no face"
        assert result.p_fake == pytest.approx(np.mean([score.p_fake for score in result.scores]))
        assert 0.5 <= result.metrics["expert_agreement"] <= 1
        assert {heatmap.method for heatmap in result.heatmaps} == {"gradcam"}
        assert all(heatmap.face_box is None for heatmap in result.heatmaps)
        assert result.notes == ()
        assert result.provenance.config["companions"]["averages"]["path"] == "ema.state", "not where it lies"
        assert str(files["model_path"].parent) not in result.model_dump_json()
    with pytest.raises(WrongMediaKindError):
        unloaded(isImage=True).analyze(ROOT / "assets" / "clip_silent.mp4")


@pytest.mark.slow
def test_the_heatmap_is_that_of_the_expert_that_is_surest_and_occlusion_is_there_on_request(detector, files):
    frame = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    sample, own = Sample(0, frame=frame), {"expert_1": 0.3, "expert_2": 0.8}
    maps = [
        detector.explain(sample, SampleScore(index=0, p_fake=0.5, measures=measures))[0]
        for measures in (own, {"expert_1": 0.8, "expert_2": 0.3})
    ]
    assert not np.array_equal(maps[0].array(), maps[1].array())
    (covered,) = loaded(files, explain="occlusion").explain(sample, SampleScore(index=0, p_fake=0.5, measures=own))
    assert covered.method == "occlusion"


def test_a_hundred_frames_unless_asked_otherwise():
    assert unloaded().sampling(None).count == 100
    assert unloaded(video_frames_to_sample=6).sampling(None).count == 6
    with pytest.raises(ValueError, match="video_frames_to_sample"):
        unloaded(video_frames_to_sample=0)
