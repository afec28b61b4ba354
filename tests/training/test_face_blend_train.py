"""A run of a few steps, what it leaves behind, and the weights that ship."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from drishtiksha.networks.efficientnet_lite import INPUT_SIZE, FaceBlendNetwork, preprocess_face
from drishtiksha.training.face_blend.data import FaceCache, build_cache
from drishtiksha.training.face_blend.deliver import canary_input, save_weights
from drishtiksha.training.face_blend.evaluate import (
    Crops,
    choose_thresholds,
    ece,
    eer,
    fit_platt,
    logits_of,
    rate_at,
)
from drishtiksha.training.face_blend.fast import speed_up_depthwise
from drishtiksha.training.face_blend.heldout import FAKES, HeldOut
from drishtiksha.training.face_blend.train import TrainConfig, Trainer, imagenet_weights

MODELS = Path(__file__).resolve().parents[2] / "models"
SHIPPED = MODELS / "FACE-BLEND-LITE-V1.safetensors"


@pytest.fixture(scope="module")
def portraits(shared: Path) -> Path:
    return shared / "data/portraits"


@pytest.fixture(scope="module")
def cache(portraits: Path, tmp_path_factory: pytest.TempPathFactory) -> FaceCache:
    few = tmp_path_factory.mktemp("portraits")
    for path in sorted(portraits.glob("*.jpg"))[:4]:
        (few / path.name).symlink_to(path)
    cv2.imwrite(str(few / "z_no_face.jpg"), np.full((200, 200, 3), 90, np.uint8))
    return build_cache(few, MODELS, tmp_path_factory.mktemp("cache"))


def test_the_cache_keeps_faces_and_leaves_out_the_rest(cache: FaceCache) -> None:
    assert len(cache) == 4
    assert "z_no_face.jpg" not in cache.names
    for box, mesh in zip(cache.boxes, cache.meshes, strict=True):
        assert 180 < max(box[2] - box[0], box[3] - box[1]) < 220, "the box is the crop's side over 2.2"
        assert ((mesh > box[:2] - 40) & (mesh < box[2:] + 40)).all()


def test_an_interrupted_run_goes_on_where_it_stopped(cache: FaceCache, tmp_path: Path) -> None:
    start = FaceBlendNetwork().state_dict()
    common = {"minutes": 1e6, "pairs": 2, "small_size": 64, "seed": 3}
    first = Trainer(cache, [0, 1, 2, 3], start, tmp_path, TrainConfig(max_steps=2, **common))
    first.run()
    spent = first.spent_s
    assert (first.step, (tmp_path / "last.pt").exists()) == (2, True)
    changed = [n for n, v in first.network.state_dict().items() if not torch.equal(v, start[n])]
    assert any("classifier" in name for name in changed)
    assert not any(name.startswith(("backbone.conv_stem", "backbone.blocks.0")) for name in changed), "frozen"

    second = Trainer(cache, [0, 1, 2, 3], start, tmp_path, TrainConfig(max_steps=3, **common))
    assert second.step == 2
    assert second.spent_s == spent
    for name, value in first.network.state_dict().items():
        assert torch.equal(value, second.network.state_dict()[name])
    second.run()
    assert second.step == 3
    assert second.spent_s > spent
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3


def test_workers_that_cannot_share_a_batch_are_refused(cache: FaceCache, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="multiple"):
        Trainer(cache, [0], FaceBlendNetwork().state_dict(), tmp_path, TrainConfig(pairs=3, workers=2))


def test_the_faster_backward_gives_the_same_gradients() -> None:
    torch.manual_seed(0)
    plain, fast = FaceBlendNetwork().eval(), FaceBlendNetwork().eval()
    fast.load_state_dict(plain.state_dict())
    speed_up_depthwise(fast)
    x = torch.randn(2, 3, 64, 64)
    plain(x).sum().backward()
    fast(x).sum().backward()
    assert list(plain.state_dict()) == list(fast.state_dict())
    for one, two in zip(plain.parameters(), fast.parameters(), strict=True):
        assert one.grad is not None
        assert two.grad is not None
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-3, atol=1e-5)


def test_imagenet_weights_are_matched_by_order_and_checked_by_shape(tmp_path: Path) -> None:
    network = FaceBlendNetwork()
    theirs = {f"their.{i}": v.clone() for i, v in enumerate(FaceBlendNetwork().state_dict().values())}
    torch.save(theirs, tmp_path / "ok.pth")
    taken = imagenet_weights(tmp_path / "ok.pth", network)
    assert torch.equal(taken["backbone.conv_stem.weight"], theirs["their.0"])
    assert torch.equal(taken["backbone.classifier.weight"], network.backbone.classifier.weight)
    theirs["their.0"] = theirs["their.0"][:16]
    torch.save(theirs, tmp_path / "bad.pth")
    with pytest.raises(ValueError, match="conv_stem"):
        imagenet_weights(tmp_path / "bad.pth", network)


def test_calibration_turns_logits_into_honest_shares() -> None:
    rng = np.random.default_rng(0)
    fake = rng.random(4000) < 0.5
    logits = rng.normal(np.where(fake, 2.0, -1.0), 1.0) * 3 + 4
    scale, offset = fit_platt(logits, fake)
    p = 1 / (1 + np.exp(-(scale * logits + offset)))
    assert ece(p, fake) < 0.03
    assert ece(np.where(fake, 0.0, 1.0), fake) == pytest.approx(1.0)
    assert eer(p, fake) == pytest.approx(0.0668, abs=0.02), "two unit normals three apart"


def test_thresholds_hold_false_alarms_down() -> None:
    rng = np.random.default_rng(1)
    n = 500
    kind = np.array(["real"] * n + ["self_blend"] * n)
    data = Crops(np.zeros((2 * n, 1)), np.tile(np.arange(n), 2), kind, np.array(["clean", "jpeg_50"] * n))
    p = np.concatenate([rng.beta(1, 4, n), rng.beta(4, 1, n)])
    chosen = choose_thresholds(p, data)
    assert chosen["real"] <= 0.5 <= chosen["fake"]
    for delivery in ("clean", "jpeg_50"):
        rows = ~data.fake & (data.delivery == delivery)
        assert rate_at(p, data, rows, chosen["fake"], 0)["rate"] <= 0.03
    assert (p[:n] >= chosen["fake"]).mean() <= 0.02
    assert (p[n:] <= chosen["real"]).mean() <= 0.101


def test_kept_out_pictures_are_faked_within_the_frame(cache: FaceCache, portraits: Path) -> None:
    heldout = HeldOut(portraits, cache.names[:2], MODELS, seed=1)
    for kind in FAKES:
        fake = heldout.fake(0, kind)
        before = heldout.frames[0]
        assert fake.shape == before.shape
        changed = cv2.absdiff(fake, before).max(axis=2) > 12
        assert 0.002 < changed.mean() < 0.9
        np.testing.assert_array_equal(fake, heldout.fake(0, kind))
        crop = heldout.crop(fake)
        assert crop is not None
        assert crop.shape == (INPUT_SIZE, INPUT_SIZE, 3)


def test_input_is_rgb_in_minus_one_to_one() -> None:
    crop = np.zeros((300, 300, 3), np.uint8)
    crop[..., 0] = 255
    x = preprocess_face(crop)
    assert x.shape == (3, INPUT_SIZE, INPUT_SIZE)
    assert (x[0] == 1).all()
    assert (x[1:] == -1).all()
    with pytest.raises(ValueError, match="uint8"):
        preprocess_face(crop.astype(np.float32))


def test_saved_weights_load_into_a_fresh_network(tmp_path: Path) -> None:
    network = FaceBlendNetwork().eval()
    saved = save_weights(network.state_dict(), tmp_path / "x.safetensors")
    crops = np.random.default_rng(0).integers(0, 256, (3, INPUT_SIZE, INPUT_SIZE, 3), np.uint8)
    np.testing.assert_allclose(logits_of(network, crops), logits_of(saved, crops, batch=2), atol=1e-4)


def test_shipped_weights_are_those_that_were_measured() -> None:
    sidecar = json.loads(SHIPPED.with_suffix(".json").read_text())
    assert set(sidecar) == {"sha256", "canary", "calibration", "thresholds", "measured"}
    assert hashlib.sha256(SHIPPED.read_bytes()).hexdigest() == sidecar["sha256"]
    assert SHIPPED.stat().st_size < 20_000_000
    network = FaceBlendNetwork()
    network.load_state_dict(load_file(SHIPPED))
    with torch.inference_mode():
        logits = network.eval()(canary_input()).tolist()
    assert sidecar["canary"]["shape"] == [2, 3, INPUT_SIZE, INPUT_SIZE]
    np.testing.assert_allclose(logits, sidecar["canary"]["logits"], atol=sidecar["canary"]["tolerance"])
    assert sidecar["thresholds"]["real"] <= sidecar["thresholds"]["fake"]
    assert sidecar["calibration"]["scale"] > 0
