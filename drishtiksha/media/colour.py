"""Decoded video frames to upright 8-bit RGB."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation, VideoReformatter

from drishtiksha.media.gamut import PRIMARIES, to_srgb

HD_HEIGHT = 720
"""From this many lines on, players take BT.709 for a frame that does not name its matrix, below it BT.601."""

KNOWN_MATRICES = (0, 1, 4, 5, 6, 7, 9)
"""Of AVColorSpace (libavutil/pixfmt.h): RGB, BT.709, FCC, BT.601 twice, SMPTE 240M, BT.2020. swscale refuses the others."""

KNOWN_PRIMARIES = (1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 22)
"""Of AVColorPrimaries: all that are named, and "unspecified"."""

WIDE_PRIMARIES = (ColorPrimaries.BT2020.value, ColorPrimaries.SMPTE431.value, ColorPrimaries.SMPTE432.value)
"""Those whose colours look pale where they are taken for BT.709's: BT.2020, DCI P3, Display P3."""

HDR_TRANSFERS = (ColorTrc.SMPTE2084.value, ColorTrc.ARIB_STD_B67.value)

SQUARE = Fraction(1)

NEARLY_SQUARE = 0.01
"""Pixels this near to square are taken for square: such ratios come from rounding the size on screen."""

WIDEST_PIXEL = 4
"""Pixels wider or taller than this are no real format (half D1 in 16:9 has 2.9) and are taken for square."""

Matrix = tuple[int, int, int, int]
"""a, b, c, d of a display matrix: a point (x, y) is shown at (a x + c y, b x + d y)."""

UPRIGHT: Matrix = (1, 0, 0, 1)
TURNED: tuple[Matrix, ...] = (UPRIGHT, (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0))
"""By 0, 90, 180 and 270 degrees clockwise."""


class Box(NamedTuple):
    """A part of a picture as stored, px; right and bottom lie behind it."""

    left: int
    top: int
    right: int
    bottom: int


class Shown(NamedTuple):
    """How a stored picture is shown. pixel_aspect: width of a pixel by its height. box: the part that is shown; None: all.
    note: a sentence on what the file says of that."""

    pixel_aspect: Fraction = SQUARE
    box: Box | None = None
    note: str = ""

    def size(self, width: int, height: int) -> tuple[int, int]:
        """On screen, before any turn, of a picture that is stored in this size, px."""
        if self.box is not None:
            width, height = self.box.right - self.box.left, self.box.bottom - self.box.top
        return square_size(width, height, self.pixel_aspect)


ALL_SQUARE = Shown()


class RgbConverter:
    """Turns frames of one file into uint8 RGB (H, W, 3), upright. Keeps swscale's tables between frames; one per thread."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._matrices: dict[float, Matrix] = {}

    def __call__(self, frame: av.VideoFrame, shown: Shown = ALL_SQUARE) -> np.ndarray:
        """Matrix, range, wide primaries and, for HDR (PQ and HLG), the transfer follow the frame's own tags. The picture comes
        with square pixels, and only the part that is shown."""
        options: dict[str, int] = {}
        width, height = square_size(frame.width, frame.height, shown.pixel_aspect)
        if (width, height) != (frame.width, frame.height):
            options |= {"width": width, "height": height, "interpolation": Interpolation.BICUBIC.value}
        hdr = frame.color_trc in HDR_TRANSFERS
        if frame.colorspace not in KNOWN_MATRICES:
            usual = Colorspace.ITU709 if frame.height >= HD_HEIGHT else Colorspace.ITU601
            options["src_colorspace"] = (Colorspace.BT2020 if hdr else usual).value
        if hdr:
            # Shown as they are, PQ and HLG look pale and grey, nothing like the faces that networks were trained on.
            options |= {
                "dst_colorspace": Colorspace.ITU709.value,
                "dst_color_trc": ColorTrc.IEC61966_2_1.value,
                "dst_color_primaries": ColorPrimaries.BT709.value,
            }
            if frame.color_primaries not in KNOWN_PRIMARIES:
                frame.color_primaries = ColorPrimaries.BT2020.value
        rgb = self._reformatter.reformat(frame, format="rgb24", dst_color_range=ColorRange.JPEG.value, **options)
        pixels = rgb.to_ndarray()
        if shown.box is not None:
            wide, high = shown.size(frame.width, frame.height)
            left = min(round(shown.box.left * width / frame.width), width - wide)
            top = min(round(shown.box.top * height / frame.height), height - high)
            pixels = pixels[top : top + high, left : left + wide]
        if not hdr and frame.color_primaries in WIDE_PRIMARIES:
            # By swscale it takes seconds to begin.
            pixels = to_srgb(pixels.astype(np.uint16) * 257, PRIMARIES[frame.color_primaries])
        return turn(pixels, self._matrix(frame))

    def _matrix(self, frame: av.VideoFrame) -> Matrix:
        """As `display_matrix`, read from the first frame of each turn alone: PyAV ties a frame whose side data were looked at
        into a cycle, and the garbage collector, which counts objects, would let gigabytes of them wait."""
        if frame.rotation not in self._matrices:
            self._matrices[frame.rotation] = display_matrix(frame)
        return self._matrices[frame.rotation]


def square_size(width: int, height: int, pixel_aspect: Fraction) -> tuple[int, int]:
    """The size, before any turn, with square pixels: the side that is stored too short is stretched, so nothing is lost."""
    if not 1 / WIDEST_PIXEL <= pixel_aspect <= WIDEST_PIXEL or abs(pixel_aspect - 1) < NEARLY_SQUARE:
        return width, height
    return (round(width * pixel_aspect), height) if pixel_aspect > 1 else (width, round(height / pixel_aspect))


def display_matrix(frame: av.VideoFrame) -> Matrix:
    """The turn or mirroring that the file asks for, reduced to quarter turns."""
    # PyAV declares no type for its side data.
    data: Any
    try:
        data = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:
        # PyAV knows not all kinds of side data (such as the EXIF block of MJPEG), but the turn; mirroring is lost.
        return TURNED[round(-frame.rotation / 90) % 4]
    if data is None:
        return UPRIGHT
    # Row by row a, b, u, c, d, v, x, y, w; 16.16 fixed point (libavutil/display.h).
    a, b, _, c, d = np.frombuffer(data, dtype=np.int32)[:5].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (-1 if a < 0 else 1, 0, 0, -1 if d < 0 else 1)
    return (0, -1 if b < 0 else 1, -1 if c < 0 else 1, 0)


def turn(image: np.ndarray, matrix: Matrix) -> np.ndarray:
    """Apply a display matrix to (H, W, C)."""
    a, b, c, d = matrix
    if a == 0:
        image = image.swapaxes(0, 1)
    if a + c < 0:
        image = image[:, ::-1]
    if b + d < 0:
        image = image[::-1]
    return np.ascontiguousarray(image)


def clockwise_degrees(matrix: Matrix) -> int:
    """The turn in a display matrix: 0, 90, 180 or 270. Of a mirrored one, the turn that follows a left-right mirroring."""
    a, b, c, d = matrix
    if a * d - b * c < 0:
        a, b = -a, -b
    return {(1, 0): 0, (0, 1): 90, (-1, 0): 180, (0, -1): 270}[(a, b)]
