"""Making the training pictures: masks, blends, the common chain, the split."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from training.face_blend.blend import (
    MIN_CHANGE,
    affine_warp,
    composite,
    match_colours,
    mesh_warp,
    poisson,
    self_blend,
    soft_swap,
    swap,
)
from training.face_blend.data import SPLITS, FaceCache, split_groups
from training.face_blend.dataset import Pairs, mirrored, view, view_matrix
from training.face_blend.degrade import degrade, h264, jpeg
from training.face_blend.groups import group, without_lookalikes
from training.face_blend.masks import KINDS, SWAP_KINDS, deform, hull_mask, random_mask, soften
from training.face_blend.scene import SCENES, set_scene
from training.face_blend.sequence import encode, flicker, last_frame
from training.face_blend.stress import STRESSES

pytestmark = pytest.mark.slow

SIZE = 128


def drawn_face(seed: int, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """A picture with texture, and 468 points spread over an ellipse in its middle."""
    rng = np.random.default_rng(seed)
    image = cv2.resize(rng.integers(40, 216, (16, 16, 3), np.uint8), (size, size), interpolation=cv2.INTER_CUBIC)
    radius, angle = np.sqrt(rng.random(468)), rng.uniform(0, 2 * np.pi, 468)
    points = np.stack([radius * np.cos(angle) * 0.25, radius * np.sin(angle) * 0.33], axis=1) + 0.5
    return image, (points * size).astype(np.float32)


@pytest.fixture(scope="module")
def cache() -> FaceCache:
    faces = [drawn_face(seed) for seed in range(6)]
    boxes = np.tile(np.float32([0.25, 0.22, 0.75, 0.8]) * SIZE, (6, 1))
    crops, meshes = (np.stack(part) for part in zip(*faces, strict=True))
    return FaceCache([f"{i}.jpg" for i in range(6)], crops, meshes, boxes, np.full(6, float(SIZE)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_mask_covers_part_of_the_face(kind: str) -> None:
    _, mesh = drawn_face(0)
    mask = hull_mask(mesh, SIZE, kind, np.random.default_rng(1))
    assert set(np.unique(mask)) <= {0.0, 1.0}
    assert 0 < mask.mean() < 0.7


def test_soft_masks_stay_within_bounds_and_differ() -> None:
    _, mesh = drawn_face(0)
    masks = [random_mask(mesh, SIZE, np.random.default_rng(seed)) for seed in range(40)]
    for mask in masks:
        assert mask.shape == (SIZE, SIZE)
        assert mask.min() >= 0
        assert mask.max() <= 1
    assert len({round(float(mask.mean()), 5) for mask in masks}) > 35
    edges = [((mask > 0.05) & (mask < 0.95)).mean() for mask in masks]
    assert max(edges) > 3 * min(edges), "some edges are hard and some are wide"


def test_deforming_moves_a_mask_only_a_little() -> None:
    mask = hull_mask(drawn_face(0)[1], SIZE, "mesh", np.random.default_rng(0))
    bent = deform(mask, np.random.default_rng(2))
    both = np.minimum(mask, bent).sum() / np.maximum(mask, bent).sum()
    assert 0.4 < both < 0.999
    assert soften(np.zeros((SIZE, SIZE), np.float32), np.random.default_rng(0)).max() == 0


def test_outside_the_mask_the_target_stays_as_it_is() -> None:
    target, mesh = drawn_face(0)
    source, _ = drawn_face(1)
    mask = random_mask(mesh, SIZE, np.random.default_rng(3))
    made = composite(target, source, mask)
    np.testing.assert_array_equal(made[mask == 0], target[mask == 0])
    np.testing.assert_array_equal(made[mask == 1], source[mask == 1])
    assert (made[mask > 0.5] != target[mask > 0.5]).any()


@pytest.mark.parametrize("seed", range(8))
def test_a_self_blend_changes_the_face(seed: int) -> None:
    image, mesh = drawn_face(seed)
    layers = self_blend(image, mesh, np.random.default_rng(seed))
    fake = layers.fake()
    assert fake.dtype == np.uint8
    assert fake.shape == image.shape
    assert 0 <= layers.mask.min() <= layers.mask.max() <= 1
    assert layers.change() >= MIN_CHANGE
    assert cv2.absdiff(fake, image).max() > 2
    np.testing.assert_array_equal(fake, self_blend(image, mesh, np.random.default_rng(seed)).fake())


@pytest.mark.parametrize("seed", range(12))
def test_a_swap_keeps_the_target_outside_and_brings_the_other_inside(seed: int) -> None:
    (image, mesh), (other, other_mesh) = drawn_face(0), drawn_face(1)
    layers = swap(image, mesh, other, other_mesh, np.random.default_rng(seed))
    fake = layers.fake()
    np.testing.assert_array_equal(fake[layers.mask == 0], image[layers.mask == 0])
    assert layers.change() > MIN_CHANGE


@pytest.mark.parametrize("kind", SWAP_KINDS)
def test_a_soft_swap_fills_its_hull(kind: str) -> None:
    (image, mesh), (other, other_mesh) = drawn_face(0), drawn_face(1)
    layers, hull = soft_swap(image, mesh, other, other_mesh, np.random.default_rng(4), kind)
    assert set(np.unique(hull)) == {0.0, 1.0}
    assert layers.mask[hull > 0].mean() > 0.5
    assert layers.mask[hull == 0].mean() < 0.3


def test_the_warp_along_the_mesh_brings_each_point_to_its_place() -> None:
    (_, mesh), size = drawn_face(0), SIZE
    other_mesh = mesh + 6 * np.sin(mesh / 15).astype(np.float32) + (5, -3)
    other = np.zeros((size, size, 3), np.uint8)
    other[..., 0], other[..., 1] = np.meshgrid(np.arange(size), np.arange(size))
    inner = mesh[np.linalg.norm(mesh - mesh.mean(0), axis=1) < size * 0.2]
    goal = other_mesh[np.linalg.norm(mesh - mesh.mean(0), axis=1) < size * 0.2]
    x, y = inner.round().astype(int).T

    def miss(warped: np.ndarray) -> float:
        return float(np.abs(warped[y, x, :2].astype(float) - goal).mean())

    bent, flat = (warp(other, other_mesh, mesh, size) for warp in (mesh_warp, affine_warp))
    assert miss(bent) < 1.5 < miss(flat)
    assert bent[0, 0, 0] < size / 3, "outside the mesh the affine map goes on"


def test_poisson_pasting_leaves_no_step_of_brightness() -> None:
    target, mesh = drawn_face(0)
    brighter = np.clip(target.astype(int) + 60, 0, 255).astype(np.uint8)
    hull = hull_mask(mesh, SIZE, "mesh", np.random.default_rng(0))
    soft = self_blend(target, mesh, np.random.default_rng(0))
    pasted = poisson(type(soft)(target, brighter, hull), hull)
    hard = composite(target, brighter, hull)
    difference = [cv2.absdiff(made, target)[hull > 0].mean() for made in (pasted.fake(), hard)]
    assert difference[0] < difference[1] / 4
    nothing = np.zeros_like(hull)
    assert poisson(soft, nothing) is soft


@pytest.mark.parametrize("change", SCENES, ids=lambda change: change.__name__)
def test_each_scene_changes_a_picture_and_repeats_by_seed(change) -> None:  # type: ignore[no-untyped-def]
    image, mesh = drawn_face(2)
    changed = change(image, mesh, np.random.default_rng(5))
    assert changed.dtype == np.uint8
    assert changed.shape == image.shape
    assert cv2.absdiff(changed, image).max() > 2
    np.testing.assert_array_equal(changed, change(image, mesh, np.random.default_rng(5)))


def test_a_scene_is_drawn_from_the_seed_and_not_from_the_picture() -> None:
    """A thing put before the face, or a shadow on it, must not tell real from fake: grey pictures show what is drawn."""
    mesh = drawn_face(0)[1]
    grey, other = np.full((SIZE, SIZE, 3), 128, np.uint8), drawn_face(3)[0]
    different = 0
    for seed in range(40):
        on_grey = cv2.absdiff(set_scene(grey, mesh, seed), grey).max() > 12
        on_other = cv2.absdiff(set_scene(other, mesh, seed), other).max() > 3
        assert on_other or not on_grey
        different += on_grey
    assert 8 < different < 32, "about half of the pictures are changed"


def test_the_last_frame_shows_the_picture_itself() -> None:
    image, mesh = drawn_face(1)
    layers = self_blend(image, mesh, np.random.default_rng(1))
    for seed in range(6):
        real, fake = last_frame(image, layers, seed)
        assert real.shape == fake.shape
        small = cv2.resize(image, real.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(real.astype(int) - small).mean() < 14
        made = cv2.resize(layers.fake(), real.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(fake.astype(int) - made).mean() < 14
        np.testing.assert_array_equal(real, last_frame(image, layers, seed)[0])


def test_a_steady_fake_does_not_flicker() -> None:
    image, mesh = drawn_face(1)
    layers = self_blend(image, mesh, np.random.default_rng(1))
    np.testing.assert_array_equal(flicker(layers, 0.0, np.random.default_rng(0)), layers.fake())
    assert (flicker(layers, 1.0, np.random.default_rng(0)) != layers.fake()).any()
    assert encode([image] * 3, 23).shape == image.shape


def test_colours_are_matched_within_the_mask() -> None:
    target, mesh = drawn_face(0)
    source = (drawn_face(1)[0] // 3 + np.uint8([90, 20, 10])).astype(np.uint8)
    mask = hull_mask(mesh, SIZE, "mesh", np.random.default_rng(0))
    matched = match_colours(source, target, mask)
    goal = target[mask > 0.5].mean(0)
    assert np.abs(matched[mask > 0.5].mean(0) - goal).max() < 12
    assert np.abs(source[mask > 0.5].mean(0) - goal).max() > 25


def test_the_chain_depends_on_the_seed_alone() -> None:
    one, _ = drawn_face(0)
    for seed in range(12):
        np.testing.assert_array_equal(degrade(one, 96, seed), degrade(one, 96, seed))
    sizes = {degrade(one, 96, seed).shape for seed in range(12)}
    assert sizes == {(96, 96, 3)}
    assert len({degrade(one, 96, seed).tobytes() for seed in range(12)}) == 12


def test_the_chain_draws_the_same_steps_for_any_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[tuple[str, object]] = []
    module = "training.face_blend.degrade"
    monkeypatch.setattr(f"{module}.jpeg", lambda image, *a, **k: steps.append(("jpeg", (a, str(k)))) or image)
    monkeypatch.setattr(f"{module}.h264", lambda image, *a, **k: steps.append(("h264", a)) or image)
    dark, bright = np.zeros((SIZE, SIZE, 3), np.uint8), drawn_face(4)[0]
    for seed in range(60):
        steps.clear()
        degrade(dark, 64, seed)
        first = list(steps)
        steps.clear()
        degrade(bright, 64, seed)
        assert steps == first


def test_codecs_really_compress() -> None:
    image, _ = drawn_face(2)
    noisy = np.clip(image + np.random.default_rng(0).normal(0, 12, image.shape), 0, 255).astype(np.uint8)

    def damage(after: np.ndarray) -> float:
        return float(np.abs(after.astype(int) - noisy).mean())

    assert damage(jpeg(noisy, 30)) > damage(jpeg(noisy, 90)) > 0
    assert damage(h264(noisy, 40)) > damage(h264(noisy, 18)) > 0
    odd = h264(noisy[:121, :97], 23, frames=3, step=(2.0, 1.0))
    assert odd.shape == (121, 97, 3)
    assert np.abs(odd.astype(int) - noisy[:121, :97]).mean() < 12, (
        "the last frame is the picture itself, not a moved one"
    )


def test_without_chance_the_view_is_the_crop_of_use(cache: FaceCache) -> None:
    from drishtiksha.faces.crop import face_crop
    from drishtiksha.networks.efficientnet_lite import CROP_MARGIN

    box = tuple(float(v) for v in cache.boxes[0])
    wanted = face_crop(cache.crops[0], box, 100, CROP_MARGIN)  # type: ignore[arg-type]
    seen, _ = view(cache, 0, view_matrix(cache.boxes[0], 100, None), 100)
    assert np.abs(seen.astype(int) - wanted).mean() < 6


def test_a_mirrored_mesh_follows_its_picture() -> None:
    image, mesh = np.zeros((SIZE, SIZE, 3), np.uint8), np.array([[30.0, 40.0]])
    image[40, 30] = 255
    flipped, points = mirrored(image, mesh)
    x, y = points[0].astype(int)
    assert flipped[y, x].tolist() == [255, 255, 255]


def test_any_pair_can_be_made_again(cache: FaceCache) -> None:
    pairs = Pairs(cache, [0, 2, 3, 5], seed=9)
    first = [pairs.images(item) for item in range(8)]
    other = Pairs(cache, [0, 2, 3, 5], seed=9)
    for item in reversed(range(8)):
        for mine, theirs in zip(first[item], other.images(item), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert all((real != fake).any() for real, fake in first)
    assert pairs.tensors(0).shape == (2, 3, 224, 224)
    assert pairs.tensors(0, 96).shape == (2, 3, 96, 96)


def test_groups_never_cross_a_split() -> None:
    groups = np.random.default_rng(0).integers(0, 60, 200)
    splits = split_groups(groups, seed=1)
    assert sorted(member for members in splits.values() for member in members) == list(range(200))
    for name, share in SPLITS.items():
        assert abs(len(splits[name]) / 200 - share) < 0.08
    homes: dict[int, set[str]] = {}
    for name, members in splits.items():
        for member in members:
            homes.setdefault(int(groups[member]), set()).add(name)
    assert all(len(home) == 1 for home in homes.values())
    assert splits == split_groups(groups, seed=1)
    assert splits != split_groups(groups, seed=2)


def test_look_alikes_share_a_group_and_strangers_do_not() -> None:
    pixels = np.eye(5)
    features = np.eye(5)
    pixels[0, 1] = pixels[1, 0] = 0.95
    features[1, 3] = features[3, 1] = 0.8
    numbers = group(pixels, features)
    assert numbers[0] == numbers[1] == numbers[3]
    assert len({numbers[0], numbers[2], numbers[4]}) == 3


def test_who_resembles_someone_in_training_is_not_tested() -> None:
    features = np.eye(6)
    features[0, 2] = features[2, 0] = 0.6
    features[3, 5] = features[5, 3] = 0.6
    kept = without_lookalikes({"train": [0, 1], "val": [2, 3], "test": [4, 5]}, features)
    assert kept == {"train": [0, 1], "val": [3], "test": [4]}


@pytest.mark.parametrize("name", list(STRESSES))
def test_stresses_change_a_face_and_repeat_by_seed(name: str) -> None:
    image, _ = drawn_face(4)
    box = (0.25 * SIZE, 0.2 * SIZE, 0.75 * SIZE, 0.8 * SIZE)
    changed = STRESSES[name](image, box, np.random.default_rng(4))
    assert changed.shape == image.shape
    assert changed.dtype == np.uint8
    assert cv2.absdiff(changed, image).max() > 2
    np.testing.assert_array_equal(changed, STRESSES[name](image, box, np.random.default_rng(4)))
