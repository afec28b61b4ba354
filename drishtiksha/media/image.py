"""Pictures: any format that Pillow and pillow-heif decode, to upright 8-bit sRGB."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from drishtiksha.errors import MediaLimitError
from drishtiksha.media.bounds import check_blocks
from drishtiksha.media.formats import unreadable
from drishtiksha.media.guard import guarded_call, no_check
from drishtiksha.media.partial import JPEGS, Fault, Recovered, jpeg_fault, recover
from drishtiksha.settings import MediaLimits

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "JPEG2000", "HEIF", "AVIF")

EXIF_IFD = 0x8769
ORIENTATION = 0x0112
NEW_SUBFILE_TYPE = 254
DNG_VERSION = 50706

MAX_SIDE = 65_535
"""px. No JPEG is wider or higher; a strip of millions of rows takes a pointer a row, and shows nothing."""

STRIP_PIXELS = 4_000_000
"""Of a larger picture, so many pixels are converted at a time."""

PAPER = (255, 255, 255, 255)
"""What shows through transparent pixels: white, as on a page."""

BROKEN_PICTURE = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError)
"""What Pillow's and libheif's readers raise on damaged files."""


def read_image(
    path: Path,
    *,
    limits: MediaLimits,
    check: Callable[[], None] = no_check,
    name: str | None = None,
) -> np.ndarray:
    """uint8 RGB (H, W, 3), upright, sRGB.

    EXIF orientation is applied; a colour profile is converted to sRGB; 16 bits become 8; CMYK and grey become RGB;
    transparency lies on white; of an animation or a file of several pages, the first picture.

    Of a picture that is cut off or damaged, what can be decoded, and grey in place of the rest.

    Raises: UnreadableMediaError when nothing can be decoded; MediaLimitError, DecodeStalledError.
    """
    name = name or path.name

    def work(_: object) -> np.ndarray:
        with open_picture(path, name, limits) as picture:
            decoded, _ = load_pixels(picture, path, name)
            return _in_strips(_upright(decoded))

    return guarded_call(work, path, name=name, stall_s=limits.stall_s, check=check)


def open_picture(path: Path, name: str, limits: MediaLimits) -> Image.Image:
    """Only the header is read.

    Raises: PIL.UnidentifiedImageError when it is no picture; UnreadableMediaError, MediaLimitError.
    """
    _register_heif()
    check_blocks(path, name)
    try:
        picture = Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise MediaLimitError(_too_large(name, limits)) from error
    except UnidentifiedImageError:
        raise
    except BROKEN_PICTURE as error:
        raise unreadable(name, "the picture is damaged") from error
    width, height = picture.size
    if max(width, height) > MAX_SIDE:
        picture.close()
        raise MediaLimitError(
            f"{name} is {width} x {height}; at most {MAX_SIDE:,} pixels a side are taken. Cut out the part in question."
        )
    if width * height > limits.max_image_pixels:
        picture.close()
        raise MediaLimitError(_too_large(name, limits, f" {width} x {height},"))
    if picture.format == "TIFF" and _is_raw_preview(picture):
        picture.close()
        raise unreadable(name, "it is a camera's raw file", "Export it as JPEG from your photo program.")
    return picture


def load_pixels(picture: Image.Image, path: Path, name: str) -> tuple[Image.Image, float | None]:
    """The picture at `path`, opened as `picture`, decoded, and the share of it that is there; None: it decodes without a
    fault. Raises: UnreadableMediaError when nothing of it can be decoded."""
    try:
        picture.load()
    except BROKEN_PICTURE as error:
        found = _recovered(path, str(picture.format))
        if found is None:
            raise unreadable(name, "the picture is damaged or cut off") from error
        return found.picture, found.share
    return picture, None


def fault_of(picture: Image.Image, path: Path) -> Fault | None:
    """What is wrong with a picture that decodes without complaint, as far as that can be told: of JPEG."""
    if picture.format not in JPEGS:
        return None
    try:
        return jpeg_fault(path)
    except BROKEN_PICTURE:
        return None


def _recovered(path: Path, form: str) -> Recovered | None:
    try:
        return recover(path, form)
    except BROKEN_PICTURE:
        return None


def exif_of(picture: Image.Image) -> Image.Exif:
    """What the camera noted; nothing where that block is damaged, since the picture can be examined without it."""
    try:
        exif = picture.getexif()
        exif.get_ifd(EXIF_IFD)
    except BROKEN_PICTURE:
        return Image.Exif()
    return exif


def _in_strips(picture: Image.Image) -> np.ndarray:
    """uint8 RGB (H, W, 3). A large picture is converted strip by strip: each step takes a copy of what it converts."""
    width, height = picture.size
    rows = max(1, STRIP_PIXELS // width)
    if rows >= height or picture.mode.startswith(
        ("I", "F")
    ):  # deep ones are scaled by what is brightest in all of them
        return np.asarray(_to_rgb(picture))
    whole = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        whole[top:bottom] = np.asarray(_to_rgb(picture.crop((0, top, width, bottom))))
    return whole


def _upright(picture: Image.Image) -> Image.Image:
    """Turned as EXIF asks, where that can be read."""
    if exif_of(picture).get(ORIENTATION, 1) == 1:
        return picture  # transposing would copy it
    try:
        return ImageOps.exif_transpose(picture)
    except BROKEN_PICTURE:
        return picture


@functools.cache
def _register_heif() -> None:
    pillow_heif.register_heif_opener(thumbnails=False)


def _too_large(name: str, limits: MediaLimits, size: str = "") -> str:
    return (
        f"{name} is{size} larger than {limits.max_image_pixels / 1e6:g} megapixels, the most that is taken. "
        "Make a smaller copy or cut out the part in question."
    )


def _is_raw_preview(picture: Image.Image) -> bool:
    """Raw files are TIFFs whose first page is a thumbnail: judging that one would judge another picture."""
    tags = getattr(picture, "tag_v2", {})
    return DNG_VERSION in tags or bool(int(tags.get(NEW_SUBFILE_TYPE, 0)) & 1)


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):
        return _deep_grey_to_rgb(picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        under = Image.new("RGBA", picture.size, PAPER)
        profile = picture.info.get("icc_profile")
        picture = Image.alpha_composite(under, picture).convert("RGB")
        picture.info["icc_profile"] = profile
    elif picture.mode not in ("RGB", "L", "CMYK", "LAB"):
        picture = picture.convert("RGB")
    return _to_srgb(picture)


def _deep_grey_to_rgb(picture: Image.Image) -> Image.Image:
    """Whole numbers have 16 bits; floats run to 1, or to 255 where they exceed 1. What is brighter is white."""
    values = np.nan_to_num(np.asarray(picture).astype(np.float64))
    full = 65535.0 if picture.mode.startswith("I") else 1.0 if values.max(initial=0.0) <= 1 else 255.0
    grey = np.clip(values / full * 255, 0, 255).round().astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _to_srgb(picture: Image.Image) -> Image.Image:
    """Through the embedded profile. A profile that is broken, or of another colour model, is passed over, as browsers do."""
    profile = picture.info.get("icc_profile")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "srgb" not in ImageCms.getProfileDescription(source).lower():
                converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
                assert converted is not None
                return converted
        except (ImageCms.PyCMSError, OSError):
            return picture.convert("RGB")
    return picture.convert("RGB")
