"""LipFD's network: the golden outputs, and how the picture is cut for it."""

from __future__ import annotations

import golden
import pytest
import torch
from torchvision.transforms.functional import normalize, resize

from drishtiksha.detectors.device import keep_in_bfloat16
from drishtiksha.networks.clip_visual import CLIPVisual
from drishtiksha.networks.lipfd import CLIP_MEAN, CLIP_STD, LipFD, split_picture
from drishtiksha.networks.lipfd_recipes import REFERENCE, RELEASED

SMALL = {"clip_width": 64, "clip_layers": 2, "clip_heads": 2, "resnet_layers": (1, 1, 1, 1)}


def seeded(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def picture(count: int = 1) -> torch.Tensor:
    pixels = torch.rand(count, 3, 1000, 2500, generator=torch.Generator().manual_seed(3))
    return torch.nn.functional.avg_pool2d(pixels, 5, stride=1, padding=2) * 255


def test_crops_and_overview_are_cut_as_in_the_authors_loader():
    pixels = picture()[0].flip(0)
    overview, crops = split_picture(picture(), RELEASED, stride=1)
    assert (overview[0] - resize(pixels, [1120, 1120], antialias=False)).abs().max() < 1e-3
    for i in range(5):
        outer = resize(pixels[:, 500:, i : i + 500], [224, 224], antialias=False)
        inner = resize(outer[:, 61:163, 61:163], [224, 224], antialias=False)
        assert (crops[0, 0, i] - outer).abs().max() < 1e-3
        assert (crops[0, 2, i] - inner).abs().max() < 1e-3


@pytest.mark.slow
def test_the_reference_takes_rgb_standardised():
    pixels = picture()[0]
    overview, crops = split_picture(picture(), REFERENCE)
    expected = normalize(resize(pixels, [1120, 1120], antialias=True), CLIP_MEAN, CLIP_STD)
    assert (overview[0] - expected).abs().max() < 0.02
    outer = resize(pixels[:, 500:, 1500:2000], [224, 224], antialias=True)
    middle = resize(outer[:, 28:196, 28:196], [224, 224], antialias=True)
    assert (crops[0, 0, 3] - normalize(outer, CLIP_MEAN, CLIP_STD)).abs().max() < 0.02
    assert (crops[0, 1, 3] - normalize(middle, CLIP_MEAN, CLIP_STD)).abs().max() < 0.02


def test_each_crop_shows_its_own_frame_unless_as_released():
    marked = torch.zeros(1, 3, 1000, 2500, dtype=torch.uint8)
    for i in range(5):
        marked[..., 500:, 500 * i : 500 * (i + 1)] = 50 * (i + 1)
    own, slid = (split_picture(marked, RELEASED, stride)[1][0, 0].mean(dim=(1, 2, 3)) for stride in (500, 1))
    assert own.tolist() == pytest.approx([50, 100, 150, 200, 250])
    assert slid.tolist() == pytest.approx([50] * 5, abs=1)


def test_one_crop_decides_by_the_weight_it_learnt():
    network = LipFD(**SMALL).eval()
    overview, crops = seeded(1, 2, 768), seeded(2, 2, 3, 5, 3, 64, 64)
    with torch.inference_mode():
        regions = network.backbone.maps(crops.flatten(0, 2)).mean(dim=(2, 3)).unflatten(0, (2, 3, 5))
        expected = torch.zeros(2)
        for row in range(2):
            for frame in range(5):
                parts = [torch.cat([regions[row, scale, frame], overview[row]]) for scale in range(3)]
                weights = torch.stack([network.backbone.get_weight(part)[0] for part in parts]).softmax(dim=0)
                fused = sum(weight * part for weight, part in zip(weights, parts, strict=True))
                expected[row] += network.backbone.fc(fused)[0] / 5
        assert (network.backbone.judge(crops, overview) - expected).abs().max() < 1e-4


def test_bfloat16_barely_moves_the_score():
    torch.manual_seed(0)
    network = LipFD(**SMALL).eval()
    overview, crops = seeded(1, 1, 3, 1120, 1120), seeded(2, 1, 3, 5, 3, 64, 64)
    with torch.inference_mode():
        exact = network(overview, crops).sigmoid()
        keep_in_bfloat16(network)
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(overview, crops).float().sigmoid()
    assert 0 < (exact - rough).abs().max() <= 0.01


def test_the_tower_agrees_with_transformers():
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(0)
    tower = CLIPVisual(64, 2, 4, patch=8, size=32, out=16).eval()
    sizes = {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4}
    other = CLIPVisionModelWithProjection(
        CLIPVisionConfig(**sizes, image_size=32, patch_size=8, projection_dim=16)
    ).eval()
    theirs = dict(other.state_dict())
    for key in theirs:
        theirs[key] = _openai(tower, key)
    other.load_state_dict(theirs)
    pixels = seeded(5, 3, 3, 32, 32)
    with torch.inference_mode():
        assert (tower(pixels) - other(pixel_values=pixels).image_embeds).abs().max() < 1e-5


def _openai(tower: CLIPVisual, key: str) -> torch.Tensor:
    """The tensor of OpenAI's tower that transformers keeps under `key`."""
    own = dict(tower.state_dict())
    if key.endswith("position_ids"):
        return torch.arange(17)[None]
    if "layers." not in key:
        names = {
            "class_embedding": "class_embedding",
            "patch_embedding.weight": "conv1.weight",
            "position_embedding.weight": "positional_embedding",
            "pre_layrnorm.weight": "ln_pre.weight",
            "pre_layrnorm.bias": "ln_pre.bias",
            "post_layernorm.weight": "ln_post.weight",
            "post_layernorm.bias": "ln_post.bias",
        }
        if key == "visual_projection.weight":
            return own["proj"].T
        return own[next(ours for theirs, ours in names.items() if key.endswith(theirs))]
    layer, rest = key.split("layers.")[1].split(".", 1)
    prefix = f"transformer.resblocks.{layer}."
    if rest[:11] in ("self_attn.q", "self_attn.k", "self_attn.v"):
        kind = rest.rsplit(".", 1)[1]
        return own[f"{prefix}attn.in_proj_{kind}"].chunk(3)["qkv".index(rest[10])]
    for theirs, ours in {
        "self_attn": "attn",
        "layer_norm": "ln_",
        "mlp.fc1": "mlp.c_fc",
        "mlp.fc2": "mlp.c_proj",
    }.items():
        rest = rest.replace(theirs, ours)
    return own[prefix + rest]


@pytest.fixture(scope="module")
def published() -> LipFD:
    from drishtiksha.detectors.lip_fd import TEXT_TOWER

    state = {key: tensor for key, tensor in golden.state_dict("LIP-FD-V1").items() if not key.startswith(TEXT_TOWER)}
    with torch.device("meta"):
        network = LipFD()
    network.load_state_dict(state, strict=True, assign=True)
    return network.eval().requires_grad_(False)


@pytest.mark.slow
def test_golden_logit_and_features(published):
    (case,) = golden.load("LIP-FD-V1")["cases"]
    crops = torch.stack([torch.stack([seeded(2000 + 10 * a + b, 3, 224, 224) for b in range(5)]) for a in range(3)])
    with torch.inference_mode():
        features = published.features(seeded(1234, 1, 3, 1120, 1120))
        logits = published.backbone.judge(crops[None], features)
    assert features[0, :8].tolist() == pytest.approx(case["feature_head"], abs=1e-3)
    assert logits.tolist() == pytest.approx(case["logits"], abs=1e-3)
