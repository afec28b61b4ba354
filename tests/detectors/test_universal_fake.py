"""UNIVERSAL-FAKE-DETECT: the published head on CLIP, under either naming of its tower."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import stand_ins
import torch
from open_shelf import array_error, noise, picture, preprocessing, unloaded, with_network

from drishtiksha.contract import Companion, Sample
from drishtiksha.detectors.universal_fake import UniversalFakeDetector
from drishtiksha.errors import ConfigError, WeightsMissingError
from drishtiksha.networks.clip_tower import from_openai
from drishtiksha.networks.clip_visual import CLIPVisual
from drishtiksha.networks.universal_fake import UniversalFakeNetwork, image_tower
from drishtiksha.settings import ROOT

NAME = "UNIVERSAL-FAKE-DETECT"
SMALL = stand_ins.SMALL["UniversalFakeDetector"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The head, and a small CLIP with its text tower, as they are published."""
    torch.manual_seed(0)
    return stand_ins.universal_fake(tmp_path_factory.mktemp("ufd"), UniversalFakeNetwork(**SMALL))


def loaded(files, **fields) -> UniversalFakeDetector:
    return golden.detector(UniversalFakeDetector, NAME, **(files | SMALL | {"isImage": True} | fields))


def test_every_published_key_finds_its_place():
    facts = golden.load(NAME)
    tower = {key: torch.empty(shape, device="meta") for key, (shape, _) in facts["state_dict"].items()}
    head = {key: torch.empty(shape, device="meta") for key, (shape, _) in facts["head"]["state_dict"].items()}
    made = {f"clip.{key}": t for key, t in image_tower(tower).items()} | unloaded(UniversalFakeDetector).remap(head)
    with torch.device("meta"):
        wanted = unloaded(UniversalFakeDetector).build().state_dict()
    assert {key: t.shape for key, t in made.items()} == {key: t.shape for key, t in wanted.items()}


def test_openais_names_are_those_of_the_same_tower():
    torch.manual_seed(0)
    openai = CLIPVisual(64, 2, 4, out=16).eval()
    tower = UniversalFakeNetwork(**SMALL).clip.eval()
    tower.load_state_dict(from_openai({f"visual.{key}": tensor for key, tensor in openai.state_dict().items()}))
    pictures = noise([2, 3, 224, 224])
    with torch.inference_mode():
        assert torch.allclose(tower(pixel_values=pictures).image_embeds, openai(pictures), atol=1e-4)


@pytest.mark.large
@pytest.mark.slow
def test_logits_of_the_whole_path_are_those_of_the_published_head():
    facts = golden.load(NAME)
    state = {f"clip.{key}": tensor for key, tensor in image_tower(golden.state_dict(NAME)).items()}
    values = {key: torch.tensor(value).reshape(-1) for key, value in facts["head"]["values"].items()}
    state |= {"fc.weight": values["weight"][None], "fc.bias": values["bias"]}
    detector = unloaded(UniversalFakeDetector)
    with torch.device("meta"):
        network = detector.build()
    network.load_state_dict(state, strict=True, assign=True)
    with_network(detector, network.eval())
    portrait, case = preprocessing(NAME)["portrait"], facts["cases"][0]
    (squares,) = detector.preprocess(Sample(0, frame=picture(portrait["picture"])))
    with torch.inference_mode():
        logits = detector.forward(torch.stack([squares, noise(case["shape"])[:1]]))
    assert logits.tolist() == pytest.approx([portrait["logits"][0], case["logits"][0]], abs=1e-3)


@pytest.mark.parametrize("array", ["portrait", "frame"])
def test_pixels_are_the_published_ones(array):
    (squares,) = unloaded(UniversalFakeDetector).preprocess(
        Sample(0, frame=picture(preprocessing(NAME)[array]["picture"]))
    )
    assert squares.shape == (1, 3, 224, 224)
    assert array_error(squares[0], NAME, array) < 0.01


def test_a_picture_from_end_to_end_and_further_squares_on_request(files):
    result = loaded(files).analyze(ROOT / "assets" / "portrait.jpg")
    assert (result.model_name, result.coverage) == (NAME, 1)
    assert result.notes
    assert result.heatmaps[0].method == "attention"
    more = loaded(files, native_grid=2)
    frame = np.random.default_rng(0).integers(0, 256, (500, 600, 3), np.uint8)
    assert more.preprocess(Sample(0, frame=frame))[0].shape == (5, 3, 224, 224)
    assert more.preprocess(Sample(0, frame=frame[:100]))[0].shape == (1, 3, 224, 224)


def test_clip_is_not_left_out_in_silence(files, tmp_path):
    with pytest.raises(ConfigError, match="clip"):
        loaded(files, companions={})
    with pytest.raises(WeightsMissingError):
        loaded(files, companions={"clip": Companion(path=tmp_path / "none.pt")})
