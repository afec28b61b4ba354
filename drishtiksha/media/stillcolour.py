"""Colours of pictures to 8-bit sRGB: by ICC profile, or by the tags of H.273 (nclx of AVIF and HEIC, cICP of PNG) and gAMA."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import pillow_heif
from av.video.reformatter import ColorRange, VideoReformatter
from PIL import Image, ImageCms

from drishtiksha.media.colour import HDR_TRANSFERS, RgbConverter
from drishtiksha.media.gamut import PRIMARIES, SRGB_PRIMARIES, Primaries, to_srgb

SRGB_TRANSFERS = (1, 2, 6, 13, 14, 15)
"""Of H.273: sRGB, those of SDR video, which are shown as if they were, and "unspecified"."""

GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0, 17: 2.6}
"""Of H.273: BT.470 M and B/G, linear, SMPTE 428-1."""

ADOBE_PRIMARIES = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, 0.3127, 0.3290)
ADOBE_GAMMA = 563 / 256
CAMERAS = ("JPEG", "MPO", "TIFF")
"""Formats in which cameras tell Adobe RGB by EXIF alone, without a profile."""
EXIF_IFD, INTEROP_IFD, COLOUR_SPACE, INTEROP_INDEX = 0x8769, 0xA005, 0xA001, 1
OWN_SPACE, ADOBE_SPACE, ADOBE_INDEX = 0xFFFF, 2, "R03"
"""How EXIF says so: "uncalibrated" with the index of DCF's second colour space, or, against the standard, 2."""

USUAL_GAMMA, GAMMA_SLACK = 2.2, 0.1
"""Of gAMA: what programs write for sRGB too."""

XY_SLACK = 0.01

PNG_START = 8
LONGEST_CHUNK = 1 << 20
"""What is read of a PNG chunk before the pixels, bytes: tags are shorter."""

SAME_PICTURE = 4.0
"""Of 255, on average: two readers of one picture round its colours by less, and a turned one is further off."""

UNREADABLE = (RuntimeError, ValueError, OSError, EOFError, SyntaxError)
"""What pillow-heif raises of a picture that it does not know, such as a sequence."""

SAME_COLOURS = 3
"""Of 255: a profile that moves no colour further is that of sRGB, whatever its name."""


@dataclass(frozen=True)
class ColourTags:
    """primaries: xy of red, green, blue, white; None: those of sRGB. gamma: exponent of the stored values; None: sRGB's curve.
    hdr: H.273's code of PQ or HLG, with which the code of the primaries goes."""

    primaries: Primaries | None = None
    gamma: float | None = None
    hdr: int | None = None
    code: int = 9

    @property
    def plain(self) -> bool:
        """Whether it is sRGB."""
        return self.primaries is None and self.gamma is None and self.hdr is None


def colour_tags(picture: Image.Image, path: Path) -> ColourTags | None:
    """What an opened picture says of its colours besides a profile; None where nothing, or the profile, counts.

    Raises: what Pillow's readers raise on damaged files.
    """
    tags = None
    if picture.format in CAMERAS and _is_adobe_rgb(picture):
        tags = ColourTags(ADOBE_PRIMARIES, ADOBE_GAMMA)
    elif picture.format in ("HEIF", "AVIF"):
        tags = _of_codes(*_nclx(picture, path))
    elif picture.format == "PNG":
        codes = next((body for kind, body in _png_chunks(path) if kind == b"cICP" and len(body) == 4), None)
        tags = _of_codes(codes[0], codes[1]) if codes else None
        if tags is not None:
            return tags
        if "gamma" in picture.info and "srgb" not in picture.info:
            tags = _of_gamma(picture.info["gamma"], picture.info.get("chromaticity"))
    # A profile says more than the codes, but ICC has no way to speak of PQ and HLG.
    profiled = bool(picture.info.get("icc_profile")) and (tags is None or tags.hdr is None)
    return None if tags is None or tags.plain or profiled else tags


def tagged_to_srgb(picture: Image.Image, tags: ColourTags, deep: np.ndarray | None = None) -> Image.Image:
    """picture: RGB, 8 bits. deep: the same as uint16 (H, W, 3), where it is known. HDR is tone-mapped as in videos."""
    values = np.asarray(picture).astype(np.uint16) * 257 if deep is None else deep
    if tags.hdr is not None:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(values), "rgb48le")
        frame.colorspace, frame.color_range = 0, 2  # RGB, full range
        frame.color_trc, frame.color_primaries = tags.hdr, tags.code
        return Image.fromarray(RgbConverter()(frame))
    return Image.fromarray(to_srgb(values, tags.primaries or SRGB_PRIMARIES, tags.gamma))


def deep_pixels(picture: Image.Image, path: Path) -> np.ndarray | None:
    """uint16 (H, W, 3) of an opened RGB picture whose file has more than the 8 bits that Pillow reads; None of others, and
    where the reader of all bits gives another picture."""
    read = {"PNG": _deep_png, "HEIF": _deep_heif, "AVIF": _deep_avif}.get(str(picture.format))
    try:
        deep = read(path) if read is not None else None
    except (*UNREADABLE, av.FFmpegError):
        return None
    if deep is None or deep.shape[:2] != picture.size[::-1]:
        return None
    apart = np.abs((deep >> 8).astype(np.int16) - np.asarray(picture)).mean()
    return deep if apart < SAME_PICTURE else None


def _deep_png(path: Path) -> np.ndarray | None:
    """RGB of a PNG with 16 bits and no transparency."""
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3 or pixels.shape[2] != 3:
        return None
    return np.ascontiguousarray(pixels[:, :, ::-1])


def _deep_heif(path: Path) -> np.ndarray | None:
    """RGB of 10 or 12 bits."""
    opened = pillow_heif.open_heif(path, convert_hdr_to_8bit=False)
    return np.asarray(opened) if opened.mode == "RGB;16" else None


def _deep_avif(path: Path) -> np.ndarray | None:
    """RGB of 10 or 12 bits, as it is stored: Pillow leaves the turn to EXIF's orientation as well."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    if max(component.bits for component in frame.format.components) <= 8:
        return None
    rgb = VideoReformatter().reformat(frame, format="rgb48le", dst_color_range=ColorRange.JPEG.value)
    return np.asarray(rgb.to_ndarray())


def profile_to_srgb(picture: Image.Image) -> Image.Image:
    """Through the embedded profile. A profile that is broken, or of another colour model, is passed over, as browsers do."""
    profile = picture.info.get("icc_profile")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if picture.mode != "RGB" or not _is_srgb(source):
                converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
                assert converted is not None
                return converted
        except (ImageCms.PyCMSError, OSError):
            return picture.convert("RGB")
    return picture.convert("RGB")


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Whether its curves and colorants are those of sRGB: names lie ("GIMP built-in Linear sRGB")."""
    levels = np.arange(0, 256, 15).astype(np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, len(levels), 3)
    seen = ImageCms.profileToProfile(
        Image.fromarray(colours), profile, ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC
    )
    return bool(np.abs(np.asarray(seen).astype(int) - colours).max() <= SAME_COLOURS)


def _nclx(picture: Image.Image, path: Path) -> tuple[int, int]:
    """Codes of primaries and transfer; 2, "unspecified", where there are none."""
    nclx = picture.info.get("nclx_profile")
    if nclx is None and picture.format == "AVIF":
        try:
            nclx = pillow_heif.open_heif(path).info.get("nclx_profile")
        except UNREADABLE:
            nclx = None  # taken for sRGB
    return (nclx["color_primaries"], nclx["transfer_characteristics"]) if nclx else (2, 2)


def _is_adobe_rgb(picture: Image.Image) -> bool:
    exif = picture.getexif()
    space = exif.get_ifd(EXIF_IFD).get(COLOUR_SPACE)
    index = exif.get_ifd(INTEROP_IFD).get(INTEROP_INDEX, "") if space == OWN_SPACE else ""
    told = index.decode("ascii", "replace") if isinstance(index, bytes) else str(index)
    return space == ADOBE_SPACE or told.rstrip("\0 ") == ADOBE_INDEX


def _of_codes(primaries: int, transfer: int) -> ColourTags:
    if transfer in HDR_TRANSFERS:
        return ColourTags(hdr=transfer, code=primaries if primaries in (1, *PRIMARIES) else 9)
    return ColourTags(PRIMARIES.get(primaries), None if transfer in SRGB_TRANSFERS else GAMMAS.get(transfer))


def _of_gamma(stored: float, chromaticity: tuple[float, ...] | None) -> ColourTags:
    """Of PNG's gAMA and cHRM; Pillow gives the white point first."""
    if not 0.1 <= stored <= 5:
        return ColourTags()
    gamma = 1 / stored
    primaries = None
    if chromaticity is not None and len(chromaticity) == 8 and min(chromaticity[1::2]) > 0:
        xy = (*chromaticity[2:], *chromaticity[:2])
        primaries = xy if np.abs(np.subtract(xy, SRGB_PRIMARIES)).max() > XY_SLACK else None
    return ColourTags(primaries, None if abs(gamma - USUAL_GAMMA) < GAMMA_SLACK else gamma)


def _png_chunks(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the chunks before the pixels."""
    with path.open("rb") as file:
        file.seek(PNG_START)
        while len(head := file.read(8)) == 8:
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            if kind == b"IDAT":
                return
            yield kind, file.read(length) if length <= LONGEST_CHUNK else b""
            file.seek(4 if length <= LONGEST_CHUNK else length + 4, io.SEEK_CUR)
