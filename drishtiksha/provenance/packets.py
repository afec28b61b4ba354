"""One pass over the packets of a video or recording; nothing is decoded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from drishtiksha.media.container import audio_stream, demuxed, video_stream
from drishtiksha.media.guard import Pulse
from drishtiksha.settings import MediaLimits

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

SOUND_PACKETS = 4
"""Encoders name themselves in the first packets of sound."""
SCANNED = 4096
"""Bytes at the start of a packet in which encoders name themselves."""
SIGNATURES = re.compile(
    rb"x264 - core [\x20-\x7e]{1,1500}|x265 \(build [\x20-\x7e]{1,1500}|Lavc\d+\.\d+\.\d+|LAME3\.\d+[\w.]*"
)
"""How x264 and x265 (in a message beside the picture), FFmpeg's encoders and LAME sign."""
MAX_SIGNATURES = 8
SPS_TYPES = {"h264": (lambda first: first & 0x1F, 7), "hevc": (lambda first: first >> 1 & 0x3F, 33)}
"""How a unit's type is read from its first byte, and the type of a sequence parameter set."""


@dataclass
class Packets:
    """Main video stream in decoding order. time_s: float64 (n,), NaN where there is none; dts_s likewise; size: int64 (n,) bytes;
    key: bool (n,). `parameter_sets`: the different ones that came. `signatures`: texts by which encoders sign.
    """

    time_s: np.ndarray
    dts_s: np.ndarray
    size: np.ndarray
    key: np.ndarray
    parameter_sets: set[bytes] = field(default_factory=set)
    signatures: list[str] = field(default_factory=list)

    @classmethod
    def none(cls) -> Packets:
        """Of a file whose packets could not be read."""
        return cls(np.zeros(0), np.zeros(0), np.zeros(0, np.int64), np.zeros(0, bool))

    @classmethod
    def joined(cls, parts: Sequence[Packets]) -> Packets:
        """Of recordings that follow on each other, each behind the one before."""
        found = cls.none()
        for part in parts:
            later_s = found._end_s() - part._begin_s() if len(found) else 0.0
            found = cls(
                np.concatenate([found.time_s, part.time_s + later_s]),
                np.concatenate([found.dts_s, part.dts_s + later_s]),
                np.concatenate([found.size, part.size]),
                np.concatenate([found.key, part.key]),
                found.parameter_sets | part.parameter_sets,
                list(dict.fromkeys([*found.signatures, *part.signatures])),
            )
        return found

    def _begin_s(self) -> float:
        return float(np.nanmin(self.time_s)) if np.isfinite(self.time_s).any() else 0.0

    def _end_s(self) -> float:
        times = np.sort(self.time_s[np.isfinite(self.time_s)])
        return float(times[-1] + np.median(np.diff(times))) if len(times) > 1 else self._begin_s()

    def __len__(self) -> int:
        return len(self.size)


def read_packets(container: InputContainer, name: str, limits: MediaLimits, pulse: Pulse) -> Packets:
    """Raises: DecodeStalledError."""
    video, audio = video_stream(container), audio_stream(container)
    codec = video.codec_context.codec.canonical_name if video is not None and video.codec_context is not None else ""
    rows: list[tuple[float, float, int, bool]] = []
    sets: set[bytes] = set(_sets_of_header(video, codec))
    signatures: dict[str, None] = {}
    sound = 0
    for packet in demuxed(container, [one for one in (video, audio) if one is not None], name, limits, pulse):
        if not packet.size:
            continue
        if video is not None and packet.stream_index == video.index:
            rows.append((_seconds(packet.pts, packet), _seconds(packet.dts, packet), packet.size, packet.is_keyframe))
            if packet.is_keyframe:
                data = bytes(packet)
                sets.update(_parameter_sets(data, codec))
                _sign(data, signatures, first=len(rows) == 1)
            if len(rows) > limits.max_frames:
                break
        elif sound < SOUND_PACKETS:
            sound += 1
            _sign(bytes(packet), signatures, first=True)
        elif video is None:
            break
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    return Packets(
        np.array(columns[0], float),
        np.array(columns[1], float),
        np.array(columns[2], np.int64),
        np.array(columns[3], bool),
        sets,
        list(signatures),
    )


def _seconds(stamp: int | None, packet: Packet) -> float:
    return float("nan") if stamp is None or not packet.time_base else float(stamp * packet.time_base)


def _sign(data: bytes, signatures: dict[str, None], *, first: bool) -> None:
    if first and len(signatures) < MAX_SIGNATURES:
        signatures.update({found.decode("ascii"): None for found in SIGNATURES.findall(data[:SCANNED])})


def _sets_of_header(video: VideoStream | None, codec: str) -> Iterator[bytes]:
    """The sequence parameter sets in an `avcC` box (ISO/IEC 14496-15, 5.3.3.1)."""
    data = video.codec_context.extradata if video is not None and video.codec_context is not None else None
    if codec != "h264" or not data or data[0] != 1 or len(data) < 8:
        return
    place = 6
    for _ in range(data[5] & 0x1F):
        length = int.from_bytes(data[place : place + 2], "big")
        yield bytes(data[place + 2 : place + 2 + length])
        place += 2 + length


def _parameter_sets(data: bytes, codec: str) -> Iterator[bytes]:
    """Sequence parameter sets within a packet, whose units begin with their length or with a start code."""
    if codec not in SPS_TYPES:
        return
    kind_of, wanted = SPS_TYPES[codec]
    units = _by_start_code(data) if data[:3] == b"\0\0\1" or data[:4] == b"\0\0\0\1" else _by_length(data)
    for unit in units:
        if unit and kind_of(unit[0]) == wanted:
            yield unit.rstrip(b"\0")


def _by_length(data: bytes) -> Iterator[bytes]:
    place = 0
    while place + 4 < len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        if not 0 < length <= len(data) - place - 4:
            return
        yield data[place + 4 : place + 4 + min(length, SCANNED)]
        place += 4 + length


def _by_start_code(data: bytes) -> Iterator[bytes]:
    for part in data.split(b"\0\0\1")[1:]:
        yield part[:SCANNED]
