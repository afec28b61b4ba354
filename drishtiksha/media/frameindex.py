"""Where every frame of a video lies in time, read from the packets without decoding a picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import av.error
import numpy as np

from drishtiksha.errors import MediaLimitError
from drishtiksha.media.container import open_container, origin_s, picture_stream, stalled
from drishtiksha.media.guard import Pulse, guarded_call, no_check
from drishtiksha.media.limits import MediaLimits

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

JITTER_S = 0.002
"""Containers round time stamps to a millisecond: up to two of them are no change of rate."""

JITTER_SHARE = 0.1


@dataclass(frozen=True)
class FrameIndex:
    """Frames in presentation order.

    times: float64 (n,) s. pts: int64 (n,) in the stream's time base, or None where the container does not give them (then
    `times` are good to a few frames, and frames are counted while decoding). keyframes: int64 (k,), indices into `times`.
    end_s: when the last frame ends. lost: how many more frames the header declares than the file holds: it is cut off.
    damaged: cut off, or the packets could not be read to the end.
    """

    times: np.ndarray
    pts: np.ndarray | None
    keyframes: np.ndarray
    end_s: float
    lost: int
    damaged: bool

    def __len__(self) -> int:
        return len(self.times)

    @property
    def declared(self) -> int:
        """Frames that the undamaged file had, as far as it tells."""
        return len(self.times) + self.lost

    @property
    def frame_s(self) -> float:
        """Average time from frame to frame, s; 0 for a single frame without a duration."""
        return (self.end_s - float(self.times[0])) / len(self.times) if len(self.times) else 0.0

    @property
    def variable_rate(self) -> bool:
        steps = np.diff(self.times)
        if len(steps) < 2:
            return False
        usual = float(np.median(steps))
        return bool(np.any(np.abs(steps - usual) > max(JITTER_S, JITTER_SHARE * usual)))

    def time_s(self, index: int) -> float:
        """Presentation time; beyond the last frame (a file that is cut off) extrapolated."""
        if index < len(self.times):
            return float(self.times[index])
        return self.end_s + (index - len(self.times)) * self.frame_s


def read_index(
    path: Path, *, limits: MediaLimits, check: Callable[[], None] = no_check, name: str | None = None
) -> FrameIndex:
    """Raises: UnreadableMediaError, MediaLimitError, DecodeStalledError, WrongMediaKindError without a moving picture."""
    name = name or path.name

    def work(pulse: Pulse) -> FrameIndex:
        with open_container(path, name, limits) as container:
            return index_stream(container, picture_stream(container, name), name, limits, pulse)

    return guarded_call(work, name=name, stall_s=limits.stall_s, check=check)


def frame_times(path: Path, *, limits: MediaLimits, check: Callable[[], None] = no_check) -> np.ndarray:
    """float64 (n,): the presentation time of every frame, s."""
    return read_index(path, limits=limits, check=check).times


def count_frames(path: Path, *, limits: MediaLimits, check: Callable[[], None] = no_check) -> int:
    return len(read_index(path, limits=limits, check=check))


def index_stream(
    container: InputContainer, stream: VideoStream, name: str, limits: MediaLimits, pulse: Pulse
) -> FrameIndex:
    """Read all packets of `stream`; the container stands at its end afterwards."""
    rows: list[tuple[int, bool]] = []
    exact, hidden, broken, last_end = True, 0, False, 0
    try:
        for packet in container.demux(stream):
            pulse.beat()
            stamp = packet.dts if packet.pts is None else packet.pts
            if packet.size == 0 or stamp is None:
                exact = exact and packet.size == 0
                continue
            if packet.is_discard:
                hidden += 1
                continue
            exact = exact and packet.pts is not None
            rows.append((stamp, packet.is_keyframe))
            last_end = max(last_end, stamp + (packet.duration or 0))
            if len(rows) > limits.max_frames:
                raise too_many_frames(name, limits)
    except av.error.ExitError as error:
        raise stalled(name, limits) from error
    except av.error.FFmpegError:
        broken = True
    rows.sort()
    stamps = np.array([stamp for stamp, _ in rows], dtype=np.int64)
    scale, origin = float(stream.time_base or 0), origin_s(container)
    lost = max(0, stream.frames - len(rows) - hidden)
    return FrameIndex(
        times=stamps * scale - origin,
        pts=stamps if exact else None,
        keyframes=np.flatnonzero([key for _, key in rows]),
        end_s=last_end * scale - origin,
        lost=lost,
        damaged=broken or lost > 0,
    )


def too_many_frames(name: str, limits: MediaLimits) -> MediaLimitError:
    return MediaLimitError(
        f"{name} has more than {limits.max_frames:,} frames, the most that is taken. Cut out the part in question."
    )
