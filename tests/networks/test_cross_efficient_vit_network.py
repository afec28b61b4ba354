"""Cross Efficient ViT against the reference's outputs, and what its crops look like."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import torch

from drishtiksha.networks.cross_efficient_vit import CrossEfficientViT, reference_crop, released_crop, renamed

NAME = "CROSS-EFFICIENT-VIT-GAN"
FACE = (40.0, 30.0, 120.0, 150.0)


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    return golden.state_dict(NAME)


@pytest.fixture(scope="module")
def network(published) -> CrossEfficientViT:
    with torch.device("meta"):
        network = CrossEfficientViT()
    network.load_state_dict(renamed(published), assign=True)
    return network.eval()


@pytest.mark.slow
def test_every_published_key_is_used_or_named_as_unused(published):
    kept = renamed(published)
    with torch.device("meta"):
        wanted = CrossEfficientViT().state_dict()
    assert {key: tensor.shape for key, tensor in kept.items()} == {key: t.shape for key, t in wanted.items()}
    used = {id(tensor) for tensor in kept.values()}
    left = {key for key, tensor in published.items() if id(tensor) not in used}
    large = "lg_image_embedder.efficient_net."
    blocks = {key for key in published if key.startswith(large + "_blocks.") and int(key.split(".")[3]) >= 3}
    heads = {key for key in published if key.startswith((large + "_conv_head.", large + "_bn1."))}
    classifiers = {key for key in published if "._fc." in key}
    assert (len(heads), len(classifiers)) == (6, 4)
    assert left == blocks | heads | classifiers


@pytest.mark.slow
def test_both_checkpoints_of_the_reference_have_the_same_layout(published):
    assert golden.load("CROSS-EFFICIENT-VIT-IMG")["state_dict"] == golden.load(NAME)["state_dict"]


def test_its_own_names_stay_as_they_are():
    own = CrossEfficientViT(1, 8, 12, 16).state_dict()
    assert list(renamed(own)) == list(own)


@pytest.mark.slow
@pytest.mark.parametrize("name", [NAME, "CROSS-EFFICIENT-VIT-IMG"])
def test_logits_are_those_of_the_reference(network, name):
    for case in golden.load(name)["cases"]:
        faces = torch.randn(case["shape"], generator=torch.Generator().manual_seed(1234))
        with torch.inference_mode():
            logits = network(faces)
        assert logits.tolist() == pytest.approx(case["logits"], abs=1e-3)


def test_each_branch_is_heard():
    torch.manual_seed(0)
    network = CrossEfficientViT(1, 8, 12, 16).eval()
    face = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        small, large = network.small.maps(face), network.large.maps(face)
        assert (small.shape, large.shape) == ((1, 1280, 7, 7), (1, 24, 56, 56))
        logit = network.judge(small, large)
        assert network(face) == logit
        assert network.judge(small + 1, large) != logit
        assert network.judge(small, large + 1) != logit


def test_the_reference_crop_is_the_references():
    arrays = golden.arrays("visual_preprocessing")
    face, wanted = arrays["face_rgb"], arrays["cross_efficient_vit_pixels_f16"].astype(np.float32)
    height, width = face.shape[:2]
    frame = np.full((height + 90, width + 80, 3), 255, np.uint8)
    frame[30 : 30 + height, 40 : 40 + width] = face
    made = reference_crop(frame, (40.4, 30.9, 40 + width + 0.3, 30 + height + 0.2)).numpy()
    assert np.abs(made - wanted).mean() < 0.02
    assert np.corrcoef(made.ravel(), wanted.ravel())[0, 1] > 0.995


def test_crops_of_faces_at_the_edge_and_the_order_of_colours():
    frame = np.zeros((200, 160, 3), np.uint8)
    frame[...] = (255, 128, 0)
    for crop in (reference_crop, released_crop):
        assert crop(frame, (-20.0, -10.0, 60.0, 90.0)).shape == (3, 224, 224)
    red, _, blue = reference_crop(frame, FACE).mean(dim=(1, 2))
    assert red > 2
    assert blue < -1.5
    assert released_crop(frame, FACE)[:, 112, 112].tolist() == [0, 128, 255]


def test_the_released_crop_is_square_around_the_face_and_black_beyond_the_frame():
    frame = np.full((200, 160, 3), 200, np.uint8)
    inside = released_crop(frame, FACE)
    assert (inside == 200).all(), "80x120 px, widened to 120x120, lie in the frame"
    beyond = released_crop(frame, (0.0, 30.0, 80.0, 150.0))
    assert (beyond[:, :, 112] == 200).all()
    assert (beyond[:, :, [0, -1]] == 0).all(), "100x120 px are left of it"
