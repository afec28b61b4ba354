"""One time line for all tracks of a file, however often its time stamps restart or jump: read from the packets alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import av
import numpy as np

from drishtiksha.media.container import CLOCKED, demuxed
from drishtiksha.media.guard import Pulse
from drishtiksha.settings import MediaLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.stream import Stream

PacketT = TypeVar("PacketT", bound=av.Packet)

_COUNTED = (
    "mov,mp4,m4a,3gp,3g2,mj2 avi wav w64 aiff caf au mp3 aac loas flac amr amrnb amrwb ac3 eac3 dts dtshd truehd mlp ape "
    "wv tta tak mpc mpc8 gsm voc"
)
COUNTED = frozenset(_COUNTED.split())
"""Formats whose time stamps are counted up from what is there. Elsewhere each packet carries its own, which may restart or jump."""

BACK_S = 0.1
"""A decoding time that steps back by more begins a new segment; less is a muxer's rounding."""

BACK_UNORDERED_S = 1.0
"""The same of presentation times, which step back by a few frames in any video."""

INTERLEAVED_S = 2.0
"""Packets of one moment lie in the file about this far apart, at most."""

HOLE_S = 1.0
"""Nothing of any track for longer: in broadcast formats the clock jumped, and players go on at once."""

LONG_HOLE_S = 60.0
"""The same in formats whose players wait until the time has come."""


STILL_S = 600.0
"""The same of a moving picture without sound, which may stand still for long."""


def may_jump(container: InputContainer) -> bool:
    """Whether stamps may restart or jump, as far as can be told without reading the packets."""
    if container.format.name not in COUNTED:
        return True
    return is_fragmented(container) or any(map(_stored_shorter, container.streams.audio))


def is_fragmented(container: InputContainer) -> bool:
    """Whether an MP4 comes in fragments, each with a time of its own; its header then counts nothing."""
    streams = [*container.streams.video, *container.streams.audio]
    return container.format.name.startswith("mov,") and not all(stream.frames for stream in streams)


def _stored_shorter(stream: AudioStream) -> bool:
    """Whether a sound track of counted samples lasts much longer than they do: a pause is stored as one long sample."""
    if stream.codec_context is None or not stream.frames or not stream.duration or not stream.sample_rate:
        return False
    held_s = stream.frames * _samples(stream) / stream.sample_rate
    return bool(held_s) and float(stream.duration * (stream.time_base or 0)) - held_s > LONG_HOLE_S


def _samples(stream: AudioStream) -> int:
    """Of each packet; 0 where the codec does not say."""
    context = stream.codec_context
    return context.frame_size or FRAME_SIZES.get(context.name, 0)


STANDING = 2
"""How many times longer packets of sound are together than their stamps run on for, where these stand still and tell nothing."""

FRAME_SIZES = {"aac": 1024, "mp3": 1152, "opus": 960}
"""Samples of a packet, where the header does not say."""


@dataclass
class TrackPackets:
    """The packets of one track in the order of the file; those without content are left out.

    pts, dts, durations: in ticks of `tick_s` seconds. segments: number of the segment of each, counted up where stamps
    restart. derived: decoding times are FFmpeg's guess, which a restart puts out of order. hidden: packets that are decoded and never shown, which only an edit list asks for. shifts: int64 (n,), what to add to the stamps so that they
    run on through the file; None where they do so by themselves. packet_s: how long a packet of sound is by its codec, s; 0 where
    that is not known. rate: Hz, of sound. skipped_s: what its decoder leaves out at the beginning, s. last: the packet that was
    added last.
    """

    tick_s: float
    sound: bool
    derived: bool = False
    packet_s: float = 0.0
    rate: int = 0
    pts: list[int | None] = field(default_factory=list)
    dts: list[int | None] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)
    keys: list[bool] = field(default_factory=list)
    hidden: list[bool] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)
    shifts: np.ndarray | None = None
    skipped_s: float = 0.0
    last: av.Packet | None = None
    _segment: int = 0
    _reached: dict[bool, int | None] = field(default_factory=lambda: {True: None, False: None})

    def steps_back(self, pts: int | None, dts: int | None) -> bool:
        """Whether a packet begins a new segment of this track."""
        ordered = dts is not None
        stamp, reached = (dts if ordered else pts), self._reached[ordered]
        if stamp is None or reached is None:
            return False
        return (reached - stamp) * self.tick_s > (BACK_S if ordered and not self.derived else BACK_UNORDERED_S)

    def add(self, packet: av.Packet, segment: int) -> None:
        if segment != self._segment:
            self._segment, self._reached = segment, {True: None, False: None}
        ordered = packet.dts is not None
        stamp = packet.dts if ordered else packet.pts
        if stamp is not None:
            reached = self._reached[ordered]
            self._reached[ordered] = stamp if reached is None else max(stamp, reached)
        before, behind = self._left_out(packet)
        if not len(self):
            self.skipped_s = before
        length = packet.duration or 0
        if behind and self.durations and length >= self.durations[-1]:  # elsewhere it is a shorter one already
            length = max(length - round(behind / self.tick_s), 1)
        self.last = packet
        self.pts.append(packet.pts)
        self.dts.append(packet.dts)
        self.durations.append(length)
        self.keys.append(packet.is_keyframe)
        self.hidden.append(packet.is_discard and not segment)
        self.segments.append(segment)

    def _left_out(self, packet: av.Packet) -> tuple[float, float]:
        """What the decoder leaves out of a packet of sound at its beginning and at its end, s: what an encoder filled in."""
        if not self.rate or not packet.has_sidedata("skip_samples"):
            return 0.0, 0.0
        before, behind = np.frombuffer(bytes(packet.get_sidedata("skip_samples")), "<u4", 2)
        return int(before) / self.rate, int(behind) / self.rate

    def stamp_s(self, packet: av.Packet) -> float | None:
        """When a packet is decoded, as stored, s."""
        stamp = packet.pts if packet.dts is None else packet.dts
        return None if stamp is None else stamp * self.tick_s

    @property
    def last_s(self) -> float | None:
        """The stamp of the packet added last, as stored, s."""
        stamp = (self.dts[-1] if self.dts[-1] is not None else self.pts[-1]) if self.pts else None
        return None if stamp is None else stamp * self.tick_s

    @property
    def segment(self) -> int:
        return self._segment

    def __len__(self) -> int:
        return len(self.pts)

    def intervals(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Begin and end in s of every packet that has a stamp, as stored, and its segment."""
        stamps = [dts if pts is None else pts for pts, dts in zip(self.pts, self.dts, strict=True)]
        known = np.array([stamp is not None for stamp in stamps], bool)
        begins = np.array([stamp for stamp in stamps if stamp is not None], np.int64) * self.tick_s
        lengths = np.array(self.durations, np.int64)[known] * self.tick_s
        usual = float(np.median(lengths)) if len(lengths) else 0.0
        if not usual and len(begins) > 1:
            usual = min(abs(float(np.median(np.diff(np.sort(begins))))), HOLE_S)
        segments = np.array(self.segments, np.int64)[known]
        if self.sound and len(begins) > 1 and not segments.any():
            held = np.full(len(begins), self.packet_s) if self.packet_s else lengths
            if held.sum() > STANDING * (begins.max() - begins.min() + held[-1]):
                return begins[0] + np.cumsum(held) - held, begins[0] + np.cumsum(held), segments
        # A sample before a pause is stored as lasting through it; of sound, only what was decoded is there.
        lengths = np.where(lengths > 0, np.minimum(lengths, 10 * usual) if self.sound else lengths, usual)
        return begins, begins + lengths, segments

    def begin_s(self) -> float:
        """When the first packet of sound begins to be heard, as stored; 0 without packets that have a stamp."""
        first = next((pts for pts in self.pts if pts is not None), 0)
        return max(first * self.tick_s + self.skipped_s, 0.0)

    def end_s(self) -> float:
        """When the last packet ends, on the common time line; 0 without packets."""
        _, ends, _ = self.intervals()
        if self.shifts is not None:
            known = [pts is not None or dts is not None for pts, dts in zip(self.pts, self.dts, strict=True)]
            ends = ends + self.shifts[known] * self.tick_s
        return float(ends.max(initial=0.0))


@dataclass(frozen=True)
class Timeline:
    """tracks: by the index of the stream. breaks: how often stamps restart or jump. broken: not read to the end. share: of the
    file up to where it broke."""

    tracks: dict[int, TrackPackets]
    breaks: int
    broken: bool
    share: float = 1.0


def read_timeline(
    container: InputContainer,
    streams: Sequence[Stream],
    name: str,
    limits: MediaLimits,
    pulse: Pulse,
    watch: Callable[[TrackPackets], None] | None = None,
) -> Timeline:
    """Read all packets of these streams; the container stands at its end afterwards. watch: called after each packet of
    the first stream, and raises to stop.

    Raises: DecodeStalledError; whatever `watch` raises.
    """
    derived = container.format.name.startswith("matroska")
    tracks = {s.index: _without_packets(s, derived=derived) for s in streams}
    first = tracks[streams[0].index]
    newest = 0
    joint: tuple[float | None, float | None] = None, None
    """Of the track that began the newest segment, its stamps before and behind the joint, s."""
    broken: list[bool] = []
    read = 0
    for packet in demuxed(container, streams, name, limits, pulse, lambda: broken.append(True)):
        if not packet.size:
            continue
        read = max(read, (packet.pos or 0) + packet.size)
        track = tracks[packet.stream.index]
        segment = track.segment
        if not len(track):
            segment = newest
        elif track.steps_back(packet.pts, packet.dts):
            # The first track that steps back begins a segment; the others follow it there.
            if segment == newest:
                newest, joint = newest + 1, (track.last_s, track.stamp_s(packet))
            segment = newest
        elif segment < newest and _beyond(track.stamp_s(packet), joint):
            segment = newest
        track.add(packet, segment)
        if watch is not None and track is first:
            watch(track)
    clocked = container.format.name in CLOCKED
    breaks = _lay_out(list(tracks.values()), newest, clocked=clocked)
    size = container.size
    share = min(read / size, 1.0) if broken and size and read else 1.0
    return Timeline(tracks, breaks, bool(broken), share)


def _without_packets(stream: Stream, *, derived: bool) -> TrackPackets:
    tick_s = float(stream.time_base or 0)
    if stream.type != "audio":
        return TrackPackets(tick_s, sound=False, derived=derived)
    rate = stream.sample_rate or 0  # type: ignore[attr-defined]
    packet_s = _samples(stream) / rate if rate else 0.0  # type: ignore[arg-type]
    return TrackPackets(tick_s, sound=True, derived=derived, packet_s=packet_s, rate=rate)


def _beyond(stamp_s: float | None, joint: tuple[float | None, float | None]) -> bool:
    """Whether a packet of another track, which did not step back, belongs behind the joint: its stamp is nearer to what is
    there. So it is where a sound track ended, or had begun, long before or after the picture."""
    before, behind = joint
    if stamp_s is None or before is None or behind is None or before - behind < INTERLEAVED_S:
        return False
    return abs(stamp_s - behind) < abs(stamp_s - before)


def shifted(packet: PacketT, ticks: int) -> PacketT:
    """The packet with its stamps moved, to be decoded."""
    if ticks and packet.is_discard:
        # FFmpeg marks what steps back in a fragmented MP4 as not to be shown; a copy has no marks.
        copy = av.Packet(bytes(packet))
        copy.stream, copy.time_base, copy.pts, copy.dts = packet.stream, packet.time_base, packet.pts, packet.dts
        packet = copy  # type: ignore[assignment]
    if packet.pts is not None:
        packet.pts += ticks
    if packet.dts is not None:
        packet.dts += ticks
    return packet


def _lay_out(tracks: Sequence[TrackPackets], newest: int, *, clocked: bool) -> int:
    """Set the shifts of the tracks: each segment lies behind the one before, and holes are closed. Returns how often."""
    spans = [track.intervals() for track in tracks]
    shifts = [np.zeros(len(begins)) for begins, _, _ in spans]
    breaks, reached = 0, 0.0
    for segment in range(newest + 1):
        here = [own == segment for _, _, own in spans]
        parts = [(b[at], e[at], track) for (b, e, _), at, track in zip(spans, here, tracks, strict=True) if at.any()]
        if not parts:
            continue
        holes = _holes(parts, clocked=clocked)
        begin = min(float(b.min()) for b, _, _ in parts)
        offset = reached - begin if segment else 0.0
        breaks += bool(segment) + len(holes)
        end = max(float(e.max()) for _, e, _ in parts)
        for (begins, _, _), at, moved in zip(spans, here, shifts, strict=True):
            closed = sum((begins[at] >= stop) * (stop - start) for start, stop in holes) if holes else 0.0
            moved[at] = offset - closed
        reached = end + offset - sum(stop - start for start, stop in holes)
    if breaks:
        for track, moved in zip(tracks, shifts, strict=True):
            track.shifts = _for_all(track, moved)
    return breaks


def _holes(parts: Sequence[tuple[np.ndarray, np.ndarray, TrackPackets]], *, clocked: bool) -> list[tuple[float, float]]:
    """Begin and end of every stretch in which no track has anything."""
    if not clocked:
        # A picture may stand still for long, so it is the sound that must be missing, with no new picture meanwhile.
        sounds = [b for b, _, track in parts if track.sound]
        first = min((b.min() for b in sounds), default=-np.inf)
        last = max((b.max() for b in sounds), default=np.inf)
        parts = [(b, e if track.sound else b, track) for b, e, track in parts]
    begins = np.concatenate([b for b, _, _ in parts])
    order = np.argsort(begins, kind="stable")
    begins = begins[order]
    ends = np.maximum.accumulate(np.concatenate([e for _, e, _ in parts])[order])
    least = HOLE_S if clocked else LONG_HOLE_S if any(track.sound for _, _, track in parts) else STILL_S
    found = np.flatnonzero(begins[1:] - ends[:-1] > least)
    holes = [(float(ends[i]), float(begins[i + 1])) for i in found]
    return holes if clocked else [(start, stop) for start, stop in holes if first < start and stop <= last]


def _for_all(track: TrackPackets, moved: np.ndarray) -> np.ndarray:
    """In ticks, also of the packets without a stamp: they go with the one before."""
    known = np.array([pts is not None or dts is not None for pts, dts in zip(track.pts, track.dts, strict=True)], bool)
    ticks = np.zeros(len(track), np.int64)
    if known.any():
        place = np.maximum(np.cumsum(known) - 1, 0)
        ticks = np.round(moved / track.tick_s).astype(np.int64)[place]
    return ticks
