"""Pictures: any format that Pillow and pillow-heif decode, to upright 8-bit sRGB."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pillow_heif
from PIL import Image, UnidentifiedImageError

from drishtiksha.errors import MediaLimitError
from drishtiksha.media import cutoff
from drishtiksha.media.bounds import check_blocks
from drishtiksha.media.colour import ALL_SQUARE, Shown
from drishtiksha.media.cropping import crop_of_still
from drishtiksha.media.cutoff import missing_bytes, recover_cut
from drishtiksha.media.faults import UNTOLD, Fault, find_fault
from drishtiksha.media.formats import unreadable
from drishtiksha.media.guard import Pulse, as_sentence, guarded_call, no_check
from drishtiksha.media.partial import BROKEN_PICTURE, Recovered, recover
from drishtiksha.media.stillcolour import (
    EXIF_IFD,
    ColourTags,
    colour_tags,
    deep_pixels,
    profile_to_srgb,
    tagged_to_srgb,
)
from drishtiksha.settings import MediaLimits

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "JPEG2000", "HEIF", "AVIF")

ORIENTATION = 0x0112
NEW_SUBFILE_TYPE = 254
DNG_VERSION = 50706
SAMPLE_FORMAT = 339
COMPRESSION, PHOTOMETRIC, YCBCR, WHITE_IS_ZERO = 259, 262, 6, 0

BRIGHTEST_FLOAT = 1.5
"""Floats that run to 1 may go beyond it a little, where highlights are kept."""

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF's orientation to what undoes it."""

MAX_SIDE = 65_535
"""px. No JPEG is wider or higher; a strip of millions of rows takes a pointer a row, and shows nothing."""

STRIP_PIXELS = 4_000_000
"""Of a larger picture, so many pixels are converted at a time."""

PAPER = (255, 255, 255, 255)
"""What shows through transparent pixels: white, as on a page."""

CUT_TOO_EARLY = "its file ends before the first row of its pixels"
CUT = {
    "JPEG2000": "its file ends too early, and JPEG 2000 spreads the detail of the whole picture over all of it, so that no part "
    "stands by itself"
}
MAIN_DAMAGED = "its main picture is damaged, and what else the file holds is a part or a preview of it"
"""libheif passes over a HEIC's main picture that it cannot put together, and shows the first tile of it in its place."""
WHOLE_FILE = "Ask for the whole file."


def read_image(
    path: Path,
    *,
    limits: MediaLimits,
    check: Callable[[], None] = no_check,
    name: str | None = None,
) -> np.ndarray:
    """uint8 RGB (H, W, 3), upright, sRGB.

    EXIF orientation and the clean aperture of AVIF and HEIC are applied; a colour profile is converted to sRGB; 16 bits become 8; CMYK and grey become RGB;
    transparency lies on white; of an animation or a file of several pages, the first picture.

    Of a picture that is cut off or damaged, what can be decoded, and grey in place of the rest.

    Raises: UnreadableMediaError when nothing can be decoded; MediaLimitError, DecodeStalledError.
    """
    name = name or path.name

    def work(pulse: Pulse) -> np.ndarray:
        with open_picture(path, name, limits) as picture:
            decoded, _ = load_pixels(picture, path, name)
            pixels, (on_screen, stored) = _in_strips(decoded, path, pulse.beat), shown_of(picture, path)
            if on_screen.box is not None and stored == picture.size:  # libheif itself has cropped a HEIC
                left, top, right, bottom = on_screen.box
                pixels = pixels[top:bottom, left:right]
            return _upright(pixels, exif_of(decoded).get(ORIENTATION, 1))

    return guarded_call(work, path, name=name, stall_s=limits.stall_s, check=check)


def open_picture(path: Path, name: str, limits: MediaLimits) -> Image.Image:
    """Only the header is read.

    Raises: PIL.UnidentifiedImageError when it is no picture; UnreadableMediaError, MediaLimitError.
    """
    _register_heif()
    check_blocks(path, name)
    try:
        picture = _opened(path, name)
    except Image.DecompressionBombError as error:
        raise MediaLimitError(_too_large(name, limits)) from error
    except UnidentifiedImageError:
        raise
    except BROKEN_PICTURE as error:
        raise as_sentence(error, path, name) from error
    width, height = picture.size
    if max(width, height) > MAX_SIDE:
        picture.close()
        raise MediaLimitError(
            f"{name} is {width} x {height}; at most {MAX_SIDE:,} pixels a side are taken. Cut out the part in question."
        )
    if width * height > limits.max_image_pixels:
        picture.close()
        raise MediaLimitError(_too_large(name, limits, f" {width} x {height},"))
    if not picture.info.get("primary", True):
        picture.close()
        raise unreadable(name, MAIN_DAMAGED)
    if picture.format == "TIFF" and _is_raw_preview(picture):
        picture.close()
        raise unreadable(name, "it is a camera's raw file", "Export it as JPEG from your photo program.")
    return picture


def _opened(path: Path, name: str) -> Image.Image:
    """Also a picture whose file ends too early for its reader; its pixels are `load_pixels`'s to decode.

    Raises: PIL.UnidentifiedImageError when it is none; UnreadableMediaError when not even its size is there.
    """
    try:
        return Image.open(path, formats=FORMATS)
    except BROKEN_PICTURE:  # an UnidentifiedImageError among them
        if not missing_bytes(path):
            raise
    try:
        return Image.open(cutoff.completed(path), formats=cutoff.FORMATS)
    except BROKEN_PICTURE as error:
        raise unreadable(name, CUT_TOO_EARLY, WHOLE_FILE) from error


def load_pixels(picture: Image.Image, path: Path, name: str) -> tuple[Image.Image, float | None]:
    """The picture at `path`, opened as `picture`, decoded, and the share of it that is there; None: it decodes without a
    fault. Raises: UnreadableMediaError when nothing of it can be decoded."""
    if missing_bytes(path):
        cut = recover_cut(path, str(picture.format)) if picture.format in cutoff.FORMATS else None
        if cut is None:
            raise unreadable(name, CUT.get(str(picture.format), CUT_TOO_EARLY), WHOLE_FILE)
        return cut.picture, cut.share
    if _is_plain_ycbcr(picture) and (decoded := _plain_ycbcr(picture, path)) is not None:
        return decoded, None
    try:
        picture.load()
    except BROKEN_PICTURE as error:
        found = _recovered(path, str(picture.format))
        if found is None:
            raise unreadable(name, "the picture is damaged or cut off") from error
        return found.picture, found.share
    return picture, None


def shown_of(picture: Image.Image, path: Path) -> tuple[Shown, tuple[int, int]]:
    """How an opened picture is shown, before any turn, and its size as stored, px."""
    crop = crop_of_still(path) if picture.format in ("AVIF", "HEIF") else None
    if crop is None:
        return ALL_SQUARE, picture.size
    return crop.shown(followed=crop.size != picture.size), crop.size


def fault_of(path: Path, form: str, share: float | None, decoded: Image.Image | None) -> Fault | None:
    """What is wrong with a picture, as far as that can be told. form: Pillow's name. share, decoded: as `load_pixels` gave them;
    only those of `BY_PIXELS` are looked at."""
    if share is not None:
        # Missing bytes shift what comes behind them, and of these formats nothing tells where they were.
        return Fault(share, damaged=share < 1 and form in UNTOLD)
    try:
        return find_fault(path, form, decoded)
    except BROKEN_PICTURE:
        return None


def _is_plain_ycbcr(picture: Image.Image) -> bool:
    """Whether it is a TIFF whose YCbCr pixels are not compressed, which Pillow takes for RGB."""
    tags = getattr(picture, "tag_v2", {})
    return picture.format == "TIFF" and tags.get(PHOTOMETRIC) == YCBCR and tags.get(COMPRESSION, 1) == 1


def _plain_ycbcr(picture: Image.Image, path: Path) -> Image.Image | None:
    """The first page of such a file in RGB, upright, so without EXIF; None where it cannot be decoded."""
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        return None
    decoded = Image.fromarray(pixels)
    decoded.info["icc_profile"] = picture.info.get("icc_profile")
    return decoded


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


def _in_strips(picture: Image.Image, path: Path, beat: Callable[[], None]) -> np.ndarray:
    """uint8 RGB (H, W, 3). A large picture is converted strip by strip: each step takes a copy of what it converts."""
    tags = _colour_tags(picture, path)
    width, height = picture.size
    rows = max(1, STRIP_PIXELS // width)
    deep = deep_pixels(picture, path) if tags is not None and picture.mode == "RGB" else None
    scale = _scale_of(picture, rows) if picture.mode.startswith(("I", "F")) else None
    whole = np.empty((height, width, 3), np.uint8)
    rows = (
        rows if tags is None or tags.hdr is None else height
    )  # its tones are mapped by what is brightest in all of it
    for top in range(0, height, rows):
        beat()
        bottom = min(top + rows, height)
        strip = picture if rows >= height else picture.crop((0, top, width, bottom))
        whole[top:bottom] = np.asarray(_to_rgb(strip, scale, tags, None if deep is None else deep[top:bottom]))
    return whole


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turned as EXIF asks."""
    turn = TURNS.get(orientation)
    return pixels if turn is None else np.asarray(Image.fromarray(pixels).transpose(turn))


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


def _colour_tags(picture: Image.Image, path: Path) -> ColourTags | None:
    try:
        return colour_tags(picture, path)
    except BROKEN_PICTURE:
        return None


def _to_rgb(
    picture: Image.Image, scale: _Scale | None, tags: ColourTags | None, deep: np.ndarray | None
) -> Image.Image:
    """scale: of a deep grey picture. deep: the same rows with 16 bits, where they are known."""
    profile = picture.info.get("icc_profile")
    if scale is not None:
        flat = _plain_grey(picture, scale)
        flat.info["icc_profile"] = profile
    elif picture.has_transparency_data:
        grey = picture.mode in ("1", "L", "LA", "La")
        picture = picture.convert("RGBA")
        flat = Image.alpha_composite(Image.new("RGBA", picture.size, PAPER), picture).convert("L" if grey else "RGB")
        flat.info["icc_profile"] = profile
    elif picture.mode not in ("RGB", "L", "CMYK", "LAB"):
        flat = picture.convert("RGB")
    else:
        flat = picture
    return profile_to_srgb(flat) if tags is None else tagged_to_srgb(flat.convert("RGB"), tags, deep)


class _Scale(NamedTuple):
    """Of deep grey: which values are black and white, the least and the largest that are finite, and whether they are stored
    without a sign."""

    black: float
    white: float
    low: float
    high: float
    unsigned: bool


def _scale_of(picture: Image.Image, rows: int) -> _Scale:
    """16 bits keep their range. Others have their own: floats up to about 1 run to 1, values up to 255 to 255, larger ones to
    the largest; black is 0, or the least where that is negative."""
    tags = getattr(picture, "tag_v2", {})
    unsigned = picture.mode == "I" and picture.format == "TIFF" and tags.get(SAMPLE_FORMAT, (1,))[0] == 1
    low, high = np.inf, -np.inf
    for top in range(0, picture.height, rows):
        values = _values(picture.crop((0, top, picture.width, min(top + rows, picture.height))), unsigned)
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if low > high:
        low, high = 0.0, 1.0
    if picture.mode.startswith("I;") or picture.format == "PNG":
        # Pillow turns round only 8 bits of a TIFF that stores white as 0.
        inverted = picture.format == "TIFF" and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO
        return _Scale(*((65535.0, 0.0) if inverted else (0.0, 65535.0)), low, high, unsigned)
    nominal = 1.0 if picture.mode == "F" and high <= BRIGHTEST_FLOAT else 255.0
    return _Scale(min(low, 0.0), nominal if high <= max(nominal, BRIGHTEST_FLOAT) else high, low, high, unsigned)


def _values(picture: Image.Image, unsigned: bool) -> np.ndarray:
    values = np.asarray(picture)
    return values.view(np.uint32) if unsigned else values


def _plain_grey(picture: Image.Image, scale: _Scale) -> Image.Image:
    values = np.nan_to_num(
        _values(picture, scale.unsigned).astype(np.float64), nan=0.0, posinf=scale.high, neginf=scale.low
    )
    grey = np.clip((values - scale.black) / (scale.white - scale.black) * 255, 0, 255).round().astype(np.uint8)
    return Image.fromarray(grey)
