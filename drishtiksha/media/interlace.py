"""Pictures that hold two moments, one in every other row: told apart, and made one with bwdif."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av.error
import numpy as np
from av.filter import Graph

if TYPE_CHECKING:
    from av import VideoFrame

BWDIF = "mode=send_frame:parity=auto:deint=all"

COMB_STEP = 20
"""Of 255: how far a row of a combed picture differs from both its neighbours."""

FIELD_STEP = 12
"""How little rows of one moment, two apart, differ there."""

COMBED_SHARE = 0.003
"""Of the pixels: more such teeth than textures have."""

COLUMNS = 160
"""About so many are looked at, evenly spread."""

LUMA = ("yuv", "nv12", "nv21", "gray")


def is_interlaced(frame: VideoFrame) -> bool:
    """Whether a picture is flagged as interlaced or shown to be combed."""
    return bool(frame.interlaced_frame) or is_combed(frame)


def is_combed(frame: VideoFrame) -> bool:
    """Whether rows alternate between two moments somewhere in the picture; told of formats with 8 bits of luma."""
    form = frame.format
    if not form.name.startswith(LUMA) or form.components[0].bits != 8 or frame.height < 16:
        return False
    plane: Any = frame.planes[0]  # a buffer, which PyAV's types tell from Python 3.12 on only
    step = max(frame.width // COLUMNS, 1)
    whole = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    rows = whole[: frame.height, : frame.width : step]
    luma = rows.astype(np.int16)
    up, down = luma[1:-1] - luma[:-2], luma[1:-1] - luma[2:]
    tooth = (np.minimum(np.abs(up), np.abs(down)) > COMB_STEP) & ((up > 0) == (down > 0))
    tooth &= np.abs(luma[2:] - luma[:-2]) < FIELD_STEP
    combed = tooth[:-3] & tooth[1:-2] & tooth[2:-1] & tooth[3:]
    return bool(combed.mean() > COMBED_SHARE)


def deinterlaced(frame: VideoFrame, before: VideoFrame | None, after: VideoFrame | None) -> VideoFrame:
    """The first of the two moments of an interlaced picture, in all rows. before, after: its neighbours, which show what
    moves."""
    pictures = [one for one in (before, frame, after) if one is not None and _alike(one, frame)]
    try:
        found = _filtered(pictures)
    except av.error.FFmpegError:
        # The filter does not take pictures of this kind: better combed than not seen.
        return frame
    result = found[pictures.index(frame)]
    result.colorspace, result.color_range = frame.colorspace, frame.color_range
    result.color_trc, result.color_primaries = frame.color_trc, frame.color_primaries
    return result


def _filtered(pictures: list[VideoFrame]) -> list[VideoFrame]:
    """One picture for each. Raises: FFmpegError, also for one alone, which has nothing to be compared with."""
    first = pictures[0]
    graph = Graph()
    source = graph.add_buffer(
        width=first.width, height=first.height, format=first.format, time_base=first.time_base or Fraction(1, 25)
    )
    bwdif, sink = graph.add("bwdif", BWDIF), graph.add("buffersink")
    source.link_to(bwdif)
    bwdif.link_to(sink)
    graph.configure()
    for picture in (*pictures, None):
        graph.vpush(picture)
    return [graph.vpull() for _ in pictures]


def _alike(one: VideoFrame, other: VideoFrame) -> bool:
    return (one.width, one.height, one.format.name) == (other.width, other.height, other.format.name)
