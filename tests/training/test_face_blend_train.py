"""A run of a few steps, what it leaves behind, and the weights that ship."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from drishtiksha.evaluation.manifest import read_manifest
from drishtiksha.faces.crop import face_crop
from drishtiksha.networks.efficientnet_lite import (
    CROP_MARGIN,
    INPUT_SIZE,
    WIDE_MARGIN,
    WIDE_SIZE,
    FaceBlendNetwork,
    preprocess_face,
)
from drishtiksha.scoring import calibrate
from training.export import canary_input
from training.face_blend.calibrate import MAX_FALSE_ALARMS_A_GROUP, Faces, choose, logits_of, read_faces
from training.face_blend.data import FaceCache, build_cache
from training.face_blend.export import CANARY_SHAPE, save_weights
from training.face_blend.fast import speed_up_depthwise
from training.face_blend.heldout import DELIVERIES, write_media
from training.face_blend.heldout_clips import FPS, FRAMES
from training.face_blend.heldout_fakes import FAKES
from training.face_blend.stress import STRESSES
from training.face_blend.train import TrainConfig, Trainer, imagenet_weights
from training.loop import Schedule

pytestmark = pytest.mark.slow

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

    def trainer(most: int) -> Trainer:
        schedule = Schedule(minutes=1e6, seed=3, max_steps=most)
        return Trainer(cache, [0, 1, 2, 3], start, tmp_path, schedule, TrainConfig(pairs=2, small_size=64))

    first = trainer(2)
    averaged = first.run()
    assert (first.loop.step, (tmp_path / "last.pt").exists()) == (2, True)
    changed = [n for n, v in first.network.state_dict().items() if not torch.equal(v, start[n])]
    assert any("classifier" in name for name in changed)
    assert not any(name.startswith(("backbone.conv_stem", "backbone.blocks.0")) for name in changed), "frozen"
    assert set(averaged) == set(start)

    second = trainer(3)
    assert second.loop.step == 2
    for name, value in first.network.state_dict().items():
        assert torch.equal(value, second.network.state_dict()[name])
    second.run()
    assert second.loop.step == 3


def test_the_last_part_of_the_time_sees_more_pixels(cache: FaceCache, tmp_path: Path) -> None:
    def batch(small_share: float) -> torch.Tensor:
        config = TrainConfig(pairs=1, small_size=64, small_share=small_share)
        schedule = Schedule(minutes=1e6, seed=3)
        return Trainer(cache, [0, 1], FaceBlendNetwork().state_dict(), tmp_path, schedule, config)._batch(0)

    assert batch(0.5).shape == (2, 3, 64, 64)
    assert batch(0.0).shape == (2, 3, INPUT_SIZE, INPUT_SIZE)


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


def _scored(n: int) -> tuple[np.ndarray, Faces]:
    """Logits of n reals and n fakes of each of two deliveries, one of which is harder, and of an unseen kind."""
    rng = np.random.default_rng(1)
    groups = ["real/clean", "real/shadow", "swap/clean", "swap/shadow", "multiband_swap/clean", "clip_real/crf23"]
    means = [-3, -1.5, 3, 2, -9, 9]
    logits = np.concatenate([rng.normal(mean, 1.5, n) for mean in means])
    group = np.repeat(groups, n)
    fake = np.repeat([False, False, True, True, True, False], n)
    return logits, Faces(np.zeros((len(group), 1)), np.arange(len(group)), fake, group, group == "clip_real/crf23")


def test_thresholds_hold_false_alarms_down_in_every_group() -> None:
    logits, faces = _scored(400)
    calibration, thresholds = choose(logits, faces)
    p = calibrate(logits, calibration.scale, calibration.offset)
    assert (calibration.n_real, calibration.n_fake) == (800, 800), "neither clips nor the unseen kind have a say"
    assert "multiband" not in calibration.data
    assert thresholds.real <= 0.5 <= thresholds.fake
    for group in ("real/clean", "real/shadow"):
        assert (p[faces.group == group] >= thresholds.fake).mean() <= MAX_FALSE_ALARMS_A_GROUP
    assert (p[np.char.startswith(faces.group, "real")] >= thresholds.fake).mean() <= 0.02
    assert (p[np.char.startswith(faces.group, "swap")] <= thresholds.real).mean() <= 0.101
    assert p[np.char.startswith(faces.group, "swap")].mean() > 0.8


@pytest.fixture(scope="module")
def media(portraits: Path, cache: FaceCache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_media(portraits, cache.names[:2], MODELS, tmp_path_factory.mktemp("heldout"))


def test_held_out_media_are_files_that_the_desk_reads(media: Path) -> None:
    items = read_manifest(media)
    assert len({item.source for item in items}) == 2
    groups = {item.group: item for item in items}
    assert {f"real/{name}" for name in (*DELIVERIES, *STRESSES)} <= set(groups)
    assert {f"{kind}/clean" for kind in FAKES} <= set(groups)
    assert all(item.fake == (not item.group.startswith(("real", "clip_real"))) for item in items)
    clips = [item for item in items if item.group.startswith("clip_")]
    assert {item.fake for item in clips} == {False, True}
    for item in clips:
        with av.open(item.path) as source:
            assert sum(1 for _ in source.decode(video=0)) == FRAMES
            assert float(source.streams.video[0].average_rate) == FPS


def test_fakes_differ_from_their_real_around_the_face_only(media: Path) -> None:
    by_group = {
        (item.source, item.group): cv2.imread(item.path)
        for item in read_manifest(media)
        if Path(item.path).suffix == ".png"
    }
    source = next(iter(by_group))[0]
    real = by_group[source, "real/clean"]
    for kind in FAKES:
        changed = cv2.absdiff(by_group[source, f"{kind}/clean"], real).max(axis=2) > 12
        assert 0.002 < changed.mean() < 0.9
        if kind != "self_blend":
            assert not changed[-5:].any(), "the lower edge of a portrait is no face"


def test_held_out_faces_are_found_and_kept(media: Path, tmp_path: Path) -> None:
    faces = read_faces(media, MODELS, tmp_path / "faces.npz")
    assert faces.crops.shape[1:] == (WIDE_SIZE, WIDE_SIZE, 3)
    assert len(faces.fake) == len(read_manifest(media))
    assert len(set(faces.item)) > 0.9 * len(faces.fake)
    again = read_faces(tmp_path / "nothing.csv", MODELS, tmp_path / "faces.npz")
    np.testing.assert_array_equal(faces.crops, again.crops)


def test_input_is_rgb_in_minus_one_to_one() -> None:
    crop = np.zeros((300, 300, 3), np.uint8)
    crop[..., 0] = 255
    x = preprocess_face(crop)
    assert x.shape == (3, INPUT_SIZE, INPUT_SIZE)
    assert (x[0] == 1).all()
    assert (x[1:] == -1).all()
    with pytest.raises(ValueError, match="uint8"):
        preprocess_face(crop.astype(np.float32))


def test_the_wide_crop_holds_the_crop_of_training_in_its_middle() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (500, 500, 3), np.uint8)
    box, edge = (180.0, 160.0, 320.0, 300.0), (WIDE_SIZE - INPUT_SIZE) // 2
    wide = face_crop(frame, box, WIDE_SIZE, WIDE_MARGIN)[edge:-edge, edge:-edge]
    near = face_crop(frame, box, INPUT_SIZE, CROP_MARGIN)
    assert wide.shape == near.shape
    blurred = [cv2.GaussianBlur(crop, (0, 0), 3).astype(int) for crop in (wide, near)]
    assert np.abs(blurred[0] - blurred[1]).mean() < 4


def test_saved_weights_load_into_a_fresh_network(tmp_path: Path) -> None:
    network = FaceBlendNetwork().eval()
    saved = save_weights(network.state_dict(), tmp_path / "x.safetensors")
    crops = np.random.default_rng(0).integers(0, 256, (3, WIDE_SIZE, WIDE_SIZE, 3), np.uint8)
    np.testing.assert_allclose(logits_of(network, crops), logits_of(saved, crops, batch=2), atol=1e-4)


def test_shipped_weights_are_those_that_were_measured() -> None:
    sidecar = json.loads(SHIPPED.with_suffix(".json").read_text())
    assert {"sha256", "canary", "calibration", "thresholds", "measured"} <= set(sidecar)
    assert hashlib.sha256(SHIPPED.read_bytes()).hexdigest() == sidecar["sha256"]
    assert SHIPPED.stat().st_size < 20_000_000
    network = FaceBlendNetwork()
    network.load_state_dict(load_file(SHIPPED))
    with torch.inference_mode():
        logits = network.eval().two_looks(canary_input(CANARY_SHAPE)).tolist()
    assert sidecar["canary"]["shape"] == [2, 3, WIDE_SIZE, WIDE_SIZE]
    np.testing.assert_allclose(logits, sidecar["canary"]["logits"], atol=sidecar["canary"]["tolerance"])
    assert sidecar["thresholds"]["real"] <= sidecar["thresholds"]["fake"]
    assert sidecar["calibration"]["scale"] > 0
