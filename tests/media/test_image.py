import tracemalloc
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from media_factory import assert_upright, coded_frame, read_code
from PIL import Image, ImageCms, TiffImagePlugin

from drishtiksha.errors import MediaLimitError, UnreadableMediaError
from drishtiksha.media import image as image_module
from drishtiksha.media.image import read_image
from drishtiksha.media.probe import probe
from drishtiksha.settings import MediaLimits

PICTURE = coded_frame(37)

BEFORE_TURN = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, 1),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: np.rot90(image, -1),
}
"""How the pixels are stored when EXIF 2.3's orientation tag holds the key."""


@pytest.fixture(scope="module", autouse=True)
def _heif() -> None:
    pillow_heif.register_heif_opener()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".heic", ".avif"])
def test_every_orientation_comes_upright(tmp_path: Path, limits: MediaLimits, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"turned{suffix}"
    stored = Image.fromarray(np.ascontiguousarray(BEFORE_TURN[orientation](PICTURE)))
    options = {"quality": 95} if suffix in (".jpg", ".webp", ".heic", ".avif") else {}
    # As bytes, pillow-heif turns it into the transformation property that HEIF goes by.
    stored.save(path, exif=exif.tobytes(), **options)
    image = read_image(path, limits=limits)
    assert image.shape == PICTURE.shape
    assert read_code(image) == 37
    media = probe(path, path.name, "0" * 64, limits)
    assert (media.width, media.height) == (128, 96)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".gif"])
def test_lossless_pixels_are_unchanged(tmp_path: Path, limits: MediaLimits, suffix: str) -> None:
    Image.fromarray(PICTURE).save(tmp_path / f"a{suffix}")
    image = read_image(tmp_path / f"a{suffix}", limits=limits)
    assert image.dtype == np.uint8
    assert np.array_equal(image, PICTURE)


def test_grey_becomes_three_equal_channels(tmp_path: Path, limits: MediaLimits) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    Image.fromarray(ramp).save(tmp_path / "grey.png")
    assert np.array_equal(read_image(tmp_path / "grey.png", limits=limits), np.stack([ramp] * 3, axis=-1))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bit_grey_keeps_its_range(tmp_path: Path, limits: MediaLimits, suffix: str) -> None:
    ramp = np.tile(np.linspace(0, 65_535, 256).astype(np.uint16), (4, 1))
    Image.fromarray(ramp).save(tmp_path / f"deep{suffix}")
    image = read_image(tmp_path / f"deep{suffix}", limits=limits)
    assert np.abs(image[:, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_a_dark_sixteen_bit_picture_stays_dark(tmp_path: Path, limits: MediaLimits) -> None:
    Image.fromarray(np.full((8, 8), 200, np.uint16)).save(tmp_path / "dark.png")
    assert read_image(tmp_path / "dark.png", limits=limits).max() <= 1


def test_sixteen_bit_colour(tmp_path: Path, limits: MediaLimits) -> None:
    cv2 = pytest.importorskip("cv2")
    deep = PICTURE.astype(np.uint16) * 257
    assert cv2.imwrite(str(tmp_path / "deep.png"), deep[:, :, ::-1])
    assert np.abs(read_image(tmp_path / "deep.png", limits=limits).astype(int) - PICTURE).max() <= 1


def test_cmyk(tmp_path: Path, limits: MediaLimits) -> None:
    Image.fromarray(PICTURE).convert("CMYK").save(tmp_path / "print.jpg", quality=95)
    image = read_image(tmp_path / "print.jpg", limits=limits)
    assert read_code(image) == 37
    assert np.abs(image.astype(int) - PICTURE).mean() < 5


def test_transparency_lies_on_white(tmp_path: Path, limits: MediaLimits) -> None:
    alpha = np.zeros((96, 128, 1), np.uint8)
    alpha[:, :64] = 255
    Image.fromarray(np.concatenate([PICTURE, alpha], axis=2)).save(tmp_path / "cut.png")
    image = read_image(tmp_path / "cut.png", limits=limits)
    assert np.array_equal(image[:, :64], PICTURE[:, :64])
    assert (image[:, 64:] == 255).all()


def test_a_palette_with_a_transparent_colour(tmp_path: Path, limits: MediaLimits) -> None:
    picture = Image.new("P", (4, 4))
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putpixel((0, 0), 1)
    picture.save(tmp_path / "palette.png", transparency=0)
    image = read_image(tmp_path / "palette.png", limits=limits)
    assert image[0, 0].tolist() == [200, 100, 50]
    assert image[3, 3].tolist() == [255, 255, 255]


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".avif", ".tif"])
def test_of_several_pictures_the_first(tmp_path: Path, limits: MediaLimits, suffix: str) -> None:
    pictures = [Image.fromarray(coded_frame(i, 256, 192)) for i in (5, 6, 7)]
    pictures[0].save(tmp_path / f"many{suffix}", save_all=True, append_images=pictures[1:])
    assert read_code(read_image(tmp_path / f"many{suffix}", limits=limits)) == 5


def test_a_colour_profile_is_turned_into_srgb(tmp_path: Path, limits: MediaLimits) -> None:
    """Against LittleCMS's own Lab values: the same Lab colour, stored through Lab and through sRGB, reads the same."""
    lab = ImageCms.createProfile("LAB")
    srgb = ImageCms.createProfile("sRGB")
    to_lab = ImageCms.buildTransform(srgb, lab, "RGB", "LAB")
    stored = ImageCms.applyTransform(Image.fromarray(PICTURE), to_lab)
    assert stored is not None
    stored.save(tmp_path / "lab.tif", icc_profile=ImageCms.ImageCmsProfile(lab).tobytes())
    image = read_image(tmp_path / "lab.tif", limits=limits)
    assert np.abs(image.astype(int) - PICTURE).max() <= 6


def test_a_broken_colour_profile_is_passed_over(tmp_path: Path, limits: MediaLimits) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "odd.png", icc_profile=b"not a profile" * 20)
    assert np.array_equal(read_image(tmp_path / "odd.png", limits=limits), PICTURE)


def test_an_srgb_profile_changes_no_pixel(tmp_path: Path, limits: MediaLimits) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "srgb.png", icc_profile=profile)
    assert np.array_equal(read_image(tmp_path / "srgb.png", limits=limits), noise)


def test_ten_bit_heic(tmp_path: Path, limits: MediaLimits) -> None:
    deep = np.ascontiguousarray(PICTURE.astype(np.uint16) * 257)
    heif = pillow_heif.from_bytes("RGB;16", (128, 96), deep.tobytes())
    heif.save(tmp_path / "deep.heic", quality=95)
    image = read_image(tmp_path / "deep.heic", limits=limits)
    assert image.dtype == np.uint8
    assert read_code(image) == 37


def test_a_raw_file_s_thumbnail_is_not_judged(tmp_path: Path, limits: MediaLimits) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[50706] = b"\x01\x04\x00\x00"
    Image.fromarray(PICTURE).save(tmp_path / "shot.tif", tiffinfo=tags)
    with pytest.raises(UnreadableMediaError, match="raw file"):
        read_image(tmp_path / "shot.tif", limits=limits)


def test_the_limit_is_checked_from_the_header(tmp_path: Path) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    with pytest.raises(MediaLimitError, match="128 x 96"):
        read_image(tmp_path / "a.png", limits=MediaLimits(max_image_pixels=128 * 96 - 1))


def test_the_shared_portrait(shared: Path, limits: MediaLimits) -> None:
    path = shared / "data/portraits/b0895.jpg"
    if not path.is_file():
        pytest.skip(f"{path} is absent from the shared material")
    assert np.array_equal(read_image(path, limits=limits), np.asarray(Image.open(path).convert("RGB")))


def test_the_factory_s_marks_tell_a_mirrored_picture() -> None:
    assert_upright(PICTURE)
    with pytest.raises(AssertionError):
        assert_upright(PICTURE[:, ::-1])


def test_a_large_deep_grey_is_converted_in_strips(tmp_path: Path, monkeypatch) -> None:
    """The same pixels, scaled by what is brightest in all of it, and a fraction of the memory."""
    values = np.linspace(-3, 900, 240 * 300, dtype=np.float32).reshape(240, 300)
    values[5, 5], values[200, 7], values[100, 9] = np.inf, -np.inf, np.nan
    kinds = {
        "f": values,
        "i": values.clip(-1e6, 1e6).astype(np.int32),
        "s": np.abs(values).clip(0, 900).astype(np.uint16),
    }
    for name, kind in kinds.items():
        path = tmp_path / f"{name}.tif"
        Image.fromarray(kind).save(path)
        whole = read_image(path, limits=MediaLimits())
        monkeypatch.setattr(image_module, "STRIP_PIXELS", 3000)
        assert np.array_equal(read_image(path, limits=MediaLimits()), whole)
        monkeypatch.undo()


def test_memory_of_a_large_deep_grey_is_bounded(tmp_path: Path, monkeypatch) -> None:
    """In arrays at most 10 bytes a pixel; in one piece it took 40."""
    monkeypatch.setattr(image_module, "STRIP_PIXELS", 50_000)
    side = 1500
    path = tmp_path / "deep.tif"
    Image.fromarray(np.arange(side * side, dtype=np.float32).reshape(side, side)).save(path)
    tracemalloc.start()
    try:
        read_image(path, limits=MediaLimits())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * side * side
