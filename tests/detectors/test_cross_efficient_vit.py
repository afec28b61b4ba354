"""CROSS-EFFICIENT-VIT-GAN and -IMG: published files in, faces out of the frame, and what the reference does wrong."""

from __future__ import annotations

import golden
import pytest
import torch

from drishtiksha.contract import Face, Sample
from drishtiksha.detectors.cross_efficient_vit import CrossEfficientViTDetector
from drishtiksha.media.image import read_image
from drishtiksha.results import FaceScore, GapReason, Prediction, SampleScore
from drishtiksha.settings import ROOT, MediaLimits

VIDEO, IMAGE = "CROSS-EFFICIENT-VIT-GAN", "CROSS-EFFICIENT-VIT-IMG"
TINY = {"rounds": 1, "small_width": 8, "large_width": 12, "hidden_width": 16}


def unloaded(**fields) -> CrossEfficientViTDetector:
    config = CrossEfficientViTDetector.Config(
        class_name="CrossEfficientViTDetector", description="", model_path="none.pth", device="cpu", **fields
    )
    return CrossEfficientViTDetector(config)


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> CrossEfficientViTDetector:
    """The stand-in weights under their published names, as the video entry loads them."""
    path = golden.checkpoint(VIDEO, tmp_path_factory.mktemp("cross"))
    return golden.detector(CrossEfficientViTDetector, VIDEO, path, frames=6, every_s=1000, isVideo=True)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> CrossEfficientViTDetector:
    path = tmp_path_factory.mktemp("tiny") / "tiny.pth"
    torch.manual_seed(0)
    torch.save(unloaded(**TINY).build().state_dict(), path)
    return golden.detector(CrossEfficientViTDetector, IMAGE, path, isImage=True, isVideo=True, **TINY)


def scores(*frames: list[float]) -> list[SampleScore]:
    def one(index: int, faces: list[float]) -> SampleScore:
        if not faces:
            return SampleScore(index=index, gap=GapReason.NO_FACE)
        found = tuple(FaceScore(face_box=(0, 0, 100, 100), p_fake=p) for p in faces)
        return SampleScore(index=index, p_fake=max(faces), faces=found)

    return [one(index, faces) for index, faces in enumerate(frames)]


@pytest.mark.slow
def test_a_clip_from_end_to_end(published):
    events = []
    result = published.analyze(golden.clip("stage_360p.mp4"), events.append)
    assert {event.model_name for event in events} == {VIDEO} == {result.model_name}
    judged = [score for score in result.scores if score.p_fake is not None]
    assert len(result.scores) == 6
    assert {score.gap for score in result.scores if score.p_fake is None} <= {"no_face", "face_too_small"}
    assert result.p_fake == pytest.approx(sum(score.p_fake for score in judged) / len(judged))
    assert result.metrics["faces_found"] == sum(len(score.faces) for score in judged) > len(judged)
    assert result.metrics["highest_face_p_fake"] == max(score.p_fake for score in judged)
    assert result.heatmaps[0].method == "gradcam"
    assert result.heatmaps[0].array().max() > 0.9


@pytest.mark.slow
def test_the_loaded_checkpoint_gives_the_logits_of_the_reference(published):
    (case,) = golden.load(VIDEO)["cases"]
    faces = torch.randn(case["shape"], generator=torch.Generator().manual_seed(1234))
    with torch.inference_mode():
        assert published.forward(faces).tolist() == pytest.approx(case["logits"], abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("wrapper", ["state_dict", "model", "model_state_dict"])
def test_wrapped_files_load(tiny, wrapper, tmp_path):
    path = tmp_path / "wrapped.pth"
    torch.save({wrapper: torch.load(tiny.config.model_path, weights_only=True), "epoch": 3}, path)
    again = golden.detector(CrossEfficientViTDetector, IMAGE, path, isImage=True, **TINY)
    face = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(4))
    assert again.score(face) == tiny.score(face)


@pytest.mark.slow
def test_a_picture_gets_the_score_of_its_face_cut_out_of_it(tiny):
    path = ROOT / "assets" / "portrait.jpg"
    result = tiny.analyze(path)
    (score,) = result.scores
    picture = read_image(path, limits=MediaLimits())
    face = Face(score.faces[0].face_box, 1.0)
    (tensor,) = tiny.preprocess(Sample(0, frame=picture, faces=(face,)))
    x0, y0, x1, y1 = (int(side) for side in face.box)
    middle = torch.from_numpy(picture[y0:y1, x0:x1].copy()).float().mean(dim=(0, 1)) / 255
    seen = tensor.mean(dim=(1, 2)) * torch.tensor([0.229, 0.224, 0.225]) + torch.tensor([0.485, 0.456, 0.406])
    assert torch.allclose(seen, middle, atol=0.01), "no standardised crop is rescaled a second time"
    assert result.p_fake == pytest.approx(float(tiny.score(tensor[None])[0]), abs=1e-6)


@pytest.mark.slow
def test_no_face_is_no_answer(tiny):
    result = tiny.analyze(ROOT / "assets" / "no_face.mp4")
    assert (result.prediction, result.p_fake, result.gap) == (Prediction.INCONCLUSIVE, None, GapReason.NO_FACE)


def test_the_order_of_faces_does_not_matter_unless_asked_for():
    frames = scores([0.2, 0.7], [], [0.9, 0.1], [0.3])
    assert unloaded().aggregate(frames).p_fake == pytest.approx((0.7 + 0.9 + 0.3) / 3)
    assert unloaded().aggregate(frames[::-1]).p_fake == pytest.approx((0.7 + 0.9 + 0.3) / 3)
    theirs = unloaded(aggregation="first_over")
    assert theirs.aggregate(frames).p_fake == 0.7
    assert theirs.aggregate(frames[::-1]).p_fake == 0.9
    assert theirs.aggregate(scores([0.2, 0.4], [], [0.6])).p_fake == pytest.approx(0.4)
    assert theirs.aggregate(scores([], [])).p_fake is None
    assert unloaded().aggregate(frames).metrics == {
        "faces_found": 5,
        "frames_with_a_face": 3,
        "highest_face_p_fake": 0.9,
    }


def test_the_authors_checkpoint_gets_the_authors_faces():
    plan, theirs = unloaded().sampling(None), unloaded(preprocessing="released").sampling(None)
    assert (plan.count, plan.faces.finder, plan.faces.thresholds) == (30, "mtcnn", None)
    assert (theirs.faces.thresholds, theirs.faces.halve_from) == ((0.85, 0.95, 0.95), 1)
    picture = read_image(ROOT / "assets" / "portrait.jpg", limits=MediaLimits())
    sample = Sample(0, frame=picture, faces=(Face((180.0, 80.0, 280.0, 200.0), 1.0),))
    (tensor,) = unloaded(preprocessing="released").preprocess(sample)
    assert (float(tensor.min()), float(tensor.max())) >= (0.0, 200.0)


def test_the_heatmap_shows_places_that_raise_the_logit(tiny):
    face = torch.randn(3, 224, 224, generator=torch.Generator().manual_seed(3))
    heatmap, method = tiny.importance(face)
    assert (heatmap.shape, method, heatmap.max()) == ((224, 224), "gradcam", 1.0)
    row, column = (int(i) * 7 // 224 for i in divmod(int(heatmap.argmax()), 224))
    with torch.inference_mode():
        small, large = tiny.network.small.maps(face[None]), tiny.network.large.maps(face[None])
        less = small.clone()
        less[:, :, row, column] *= 0.99
        assert tiny.network.judge(less, large) < tiny.network.judge(small, large)
