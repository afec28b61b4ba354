"""Autoencoders that learn, pairs whose two sides differ in nothing but the reconstruction, files kept out."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from drishtiksha.evaluation.manifest import read_manifest
from drishtiksha.networks.face_synth import TRAINING_PX, neighbour_residuals
from training.face_blend.data import FaceCache
from training.face_synth import heldout
from training.face_synth.chain import as_sharp_as, delivered, resampled, sides
from training.face_synth.generate import clean_picture, cut, large_enough, patches, train_autoencoder
from training.face_synth.generators import (
    RECIPES,
    Autoencoder,
    Recipe,
    reconstruct,
    to_images,
    to_tensor,
)
from training.face_synth.pairs import PICTURE_PX, Pairs, Pool
from training.face_synth.train import Plan, judge, train
from training.face_synth.views import log_spectrum, pixels
from training.loop import Schedule

pytestmark = pytest.mark.slow

MEMBERS = [0, 1, 2]


def _texture(seed: int, size: int) -> np.ndarray:
    """Smooth patches with edges and fine grain, as a photograph has; uint8 RGB (size, size, 3)."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 220, (size // 24, size // 24, 3)).astype(np.uint8)
    image = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    image[:, size // 3 : size // 2] *= 0.6
    return np.clip(image + rng.normal(0, 5, image.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def cache() -> FaceCache:
    crops = np.stack([_texture(seed, 448) for seed in range(4)])
    boxes = np.tile(np.array([122, 122, 326, 326], np.float32), (4, 1))
    native = np.array([900, 700, 600, 200], np.float32)
    return FaceCache([f"{n}.jpg" for n in range(4)], crops, np.zeros((4, 468, 2), np.float32), boxes, native)


@pytest.fixture(scope="module")
def pool(cache: FaceCache) -> Pool:
    pictures = {}
    for recipe in RECIPES:
        torch.manual_seed(0)
        autoencoder = Autoencoder(recipe.up, recipe.factor).eval()
        rows = []
        for member in MEMBERS:
            rng = np.random.default_rng(member)
            real = cut(clean_picture(cache, member, rng, PICTURE_PX), PICTURE_PX, rng)
            fake = reconstruct(autoencoder, torch.from_numpy(real)[None])[0].numpy()
            rows.append(np.stack([real, fake, as_sharp_as(real, fake)]))
        pictures[recipe.name] = np.stack(rows, axis=1)
    return Pool({recipe.name: MEMBERS for recipe in RECIPES}, pictures)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_kind_of_enlarging_starts_as_a_plain_enlarger_and_keeps_size(recipe: Recipe) -> None:
    torch.manual_seed(0)
    image = cv2.GaussianBlur(_texture(1, 96), (0, 0), 4)
    batch = torch.from_numpy(image)[None]
    made = reconstruct(Autoencoder(recipe.up, recipe.factor).eval(), batch)
    assert made.shape == batch.shape
    middle = (slice(None), slice(16, -16), slice(16, -16))
    assert (made[middle].float() - batch[middle].float()).abs().mean() < 12


def test_pictures_survive_the_way_to_tensors_and_back() -> None:
    batch = torch.from_numpy(_texture(2, 64))[None]
    assert torch.equal(to_images(to_tensor(batch)), batch)


def test_twenty_steps_bring_an_autoencoder_nearer(cache: FaceCache, tmp_path: Path) -> None:
    recipe = Recipe("subpixel", 2, "adversarial")
    real = patches(cache, MEMBERS, seed=99, step=0)

    def error(steps: int) -> float:
        folder = tmp_path / str(steps)
        schedule = Schedule(minutes=1e6, seed=1, warm_steps=5, ema_decay=0.5, max_steps=steps)
        train_autoencoder(recipe, cache, MEMBERS, folder, schedule, Path("unused"))
        weights = torch.load(folder / "last.pt", weights_only=True)["ema"]["autoencoder"]
        network = Autoencoder(recipe.up, recipe.factor)
        network.load_state_dict(weights)
        with torch.inference_mode():
            return float((network(real) - real).abs().mean())

    assert error(20) < 0.8 * error(1)


def test_small_originals_are_left_out_and_others_are_made_smaller(cache: FaceCache) -> None:
    assert large_enough(cache, [0, 1, 2, 3]) == MEMBERS
    for seed in range(20):
        assert 160 <= clean_picture(cache, 2, np.random.default_rng(seed)).shape[0] <= 600 / 1.5


def test_the_chain_treats_both_sides_alike() -> None:
    image = _texture(3, PICTURE_PX)
    for seed in range(25):
        assert np.array_equal(delivered(image, [seed]), delivered(image.copy(), [seed]))
    shapes = {delivered(image, [seed]).shape for seed in range(25)}
    assert shapes == {(TRAINING_PX, TRAINING_PX, 3)}


def test_the_softened_real_has_the_sharpness_of_the_fake() -> None:
    real = _texture(4, PICTURE_PX)
    fake = cv2.GaussianBlur(real, (0, 0), 0.8)

    def sharpness(image: np.ndarray) -> float:
        return float(cv2.Laplacian(image.astype(np.float32), cv2.CV_32F)[16:-16, 16:-16].var())

    assert sharpness(real) > 3 * sharpness(fake)
    assert sharpness(as_sharp_as(real, fake)) == pytest.approx(sharpness(fake), rel=0.35)


def test_the_two_sides_come_in_several_guises_and_stay_on_their_side() -> None:
    real, fake = _texture(5, PICTURE_PX), _texture(6, PICTURE_PX)
    soft = as_sharp_as(real, fake)
    made = [sides(real, fake, soft, np.random.default_rng(seed)) for seed in range(60)]
    assert any(np.array_equal(one, real) and np.array_equal(two, fake) for one, two in made)
    assert any(np.array_equal(one, soft) for one, _ in made)
    for one, two in made:
        likeness = [np.corrcoef(one.ravel(), other.ravel())[0, 1] for other in (real, fake)]
        assert likeness[0] > 0.8 > likeness[1]
        assert np.corrcoef(two.ravel(), fake.ravel())[0, 1] > 0.8
    assert resampled(real, np.random.default_rng(0)).shape == real.shape


def test_items_depend_on_seed_and_number_alone(pool: Pool) -> None:
    recipes = Plan().recipes
    one, again = Pairs(pool, MEMBERS, recipes, 7), Pairs(pool, MEMBERS, recipes, 7)
    assert torch.equal(one.batch(12, 2), torch.cat([again.batch(12, 1), again.batch(13, 1)]))
    assert not torch.equal(one.batch(12, 2), Pairs(pool, MEMBERS, recipes, 8).batch(12, 2))


def test_a_family_left_out_and_what_is_kept_out_are_never_seen() -> None:
    names = {recipe.name for recipe in Plan(left_out="transposed").recipes}
    assert names
    assert not any("transposed" in name or "fir" in name for name in names)
    assert {recipe.up for recipe in RECIPES if recipe.kept_out} == {"fir"}


@pytest.mark.parametrize("view", [neighbour_residuals, pixels, log_spectrum])
def test_every_view_fits_its_network(view) -> None:
    with torch.inference_mode():
        assert Plan(view).network().eval()(torch.zeros(2, 3, TRAINING_PX, TRAINING_PX)).shape == (2,)


def test_a_short_training_and_its_judgement(pool: Pool, tmp_path: Path) -> None:
    schedule = Schedule(minutes=1e6, seed=2, warm_steps=1, max_steps=2)
    network, run = train(Plan(), pool, MEMBERS, tmp_path, schedule)
    assert run.step == 2
    report = judge(network, pool, MEMBERS, [RECIPES[0]])
    assert 0 <= report[RECIPES[0].name]["clean"]["auc"] <= 1


def test_files_kept_out_are_real_media_of_both_labels(shared: Path, tmp_path: Path, monkeypatch) -> None:
    def fresh(recipe: Recipe, folder: Path, state: str) -> Autoencoder:
        torch.manual_seed(0)
        return Autoencoder(recipe.up, recipe.factor).eval()

    monkeypatch.setattr(heldout, "load_autoencoder", fresh)
    portraits = shared / "data/portraits"
    manifest = heldout.write_media(portraits, ["a0000.jpg"], tmp_path, tmp_path / "out", kept_out=True)
    items = read_manifest(manifest)
    assert {item.path.suffix for item in items} == {".png", ".jpg", ".mp4"}
    assert {item.source for item in items} == {"a0000.jpg"}
    groups = {item.group: item.fake for item in items}
    assert groups["real/clean"] is groups["real_softened/jpeg_70"] is False
    assert groups["fir_x4_perceptual/jpeg_90"] is True
    pictures = {item.group: cv2.imread(str(item.path)) for item in items if item.path.suffix == ".png"}
    assert pictures["real/clean"].shape == pictures["fir_x4_perceptual/clean"].shape


def test_without_autoencoders_it_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="face_synth --data"):
        heldout.write_media(tmp_path, [], tmp_path, tmp_path / "out", kept_out=True)
