"""Facts of a video or recording from its container, its packets and its first picture or sound."""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import av.error

from drishtiksha.errors import MediaLimitError, UnreadableMediaError, WrongMediaKindError
from drishtiksha.media.audio import sound_stream
from drishtiksha.media.channels import keep_order
from drishtiksha.media.colour import clockwise_degrees, display_matrix
from drishtiksha.media.container import (
    MIN_SAMPLE_RATE,
    audio_stream,
    decoder_options,
    demuxed,
    is_cover,
    open_container,
    picture_stream,
    picture_streams,
    sound_streams,
    too_coarse,
    video_stream,
)
from drishtiksha.media.cropping import shown
from drishtiksha.media.decode import check_pixels
from drishtiksha.media.embedded import attached, second_video
from drishtiksha.media.formats import unreadable
from drishtiksha.media.frameindex import (
    EXACT_COUNTS,
    STATED_LENGTH,
    FrameIndex,
    index_file,
    index_stream,
    too_many_frames,
)
from drishtiksha.media.guard import Pulse
from drishtiksha.media.interlace import is_interlaced
from drishtiksha.media.joined import Span, recordings_in
from drishtiksha.media.lengths import wrong_length
from drishtiksha.media.timeline import FRAME_SIZES, Timeline, TrackPackets, read_timeline
from drishtiksha.media.transport import layout_of
from drishtiksha.results import MediaKind, TrackInfo, TrackKind
from drishtiksha.settings import MediaLimits

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

FACT_LENGTH = 200
"""Characters of a metadata value that are kept."""

MOST_OF_A_PACKET_S = 10.0
"""A packet of sound that lasts longer holds a pause."""

COMB_LOOKS = 6
"""Pictures after the first in which a comb is looked for."""

LEAST_INTERLACED = 240
"""Lines of the smallest pictures that come from interlaced recordings."""

SECOND = "It holds {}. That was not judged: take it out as a file of its own, and examine that."
SECOND_VIDEO = "a second video behind the end of the first, which players pass over"
JOINED = "It is joined of {} recordings in different codecs; each that can be decoded is judged behind the one before."
LOOKED_THROUGH = (
    "It begins anew in too many places to be looked through: tracks that begin, or change to another codec, behind the first {:.0%} "
    "of it were not looked for."
)
UNKNOWN_SOUND = "Sound track {} cannot be decoded here and was not judged."

RATE_SLACK = 0.1
"""How far the time stamps may be from a stated rate."""

EDITED = "An edit list leaves out {:.1f} s of its {}, which players do not show; that was not judged."
NONE_DECODED = (
    "nothing of its {} can be decoded; it is damaged, or made with a form of the codec {} that is not known here"
)
CONVERT = {
    "picture": "Get the original file again, or save it as MP4 (H.264) with a program that plays it, such as VLC.",
    "sound": "Get the original file again, or save it as WAV with a program that plays it, such as VLC.",
}
FILLED_IN = (
    "It says that its first {:.1f} s are nothing but what its encoder filled in, so that players leave them out; they were not "
    "judged."
)
ALONE = ("alac", "flac", "tta", "wavpack")
"""Codecs of long packets, each of which is decoded by itself. The last one is shorter, which not every format tells."""

LEAST_EDITED_S = 1.0
"""Encoders leave out some of the first sound, and phones the pictures before a cut up to a keyframe."""

NEARLY_ALL = 0.98
"""Of a file: what lies behind it is an end without content."""

NOT_READ = "It is damaged or changes its form on the way: {:.0%} of the file could be read; the rest was not judged."

STATED_SHORT = "Its header states {:,} bytes of sound and the file holds {:,}; all of them were judged."

BRANDS = {"qt": "mov", "M4A": "m4a", "M4B": "m4a", "3gp": "3gp", "3g2": "3gp"}
"""Major brands of the ISO family whose files go by another name than mp4."""


def track_facts(path: Path, name: str, limits: MediaLimits, pulse: Pulse) -> dict[str, Any]:
    """The fields of MediaInfo from `kind` on.

    Raises: UnreadableMediaError, MediaLimitError, DecodeStalledError.
    """
    spans = recordings_in(path)
    joined = _joined(path, spans, name, limits, pulse)
    with open_container(path, name, limits, joined.picture or joined.sound) as container:
        pulse.beat()
        video, audio = video_stream(container), audio_stream(container)
        if video is None and audio is None:
            raise unreadable(name, "it holds neither a picture nor sound")
        if (video or audio).codec_context is None:  # type: ignore[union-attr]
            raise unreadable(name, "it is made with a codec that is not known here")
        if audio is not None and audio.codec_context is None:
            audio = None  # sound that nobody here can decode does not stop the picture from being examined
        if audio is not None and audio.sample_rate < MIN_SAMPLE_RATE:
            if video is None:
                raise too_coarse(name, audio.sample_rate)
            audio = None
        _check_header(video, audio, name, limits)
        facts: dict[str, Any] = {
            "kind": MediaKind.AUDIO if video is None else MediaKind.VIDEO,
            "container": _container_name(container, path),
            "bit_rate": container.bit_rate or None,
            "encoder": _tag(container.metadata, "com.apple.quicktime.software", "encoder", "encoded_by"),
            "created": _tag(container.metadata, "com.apple.quicktime.creationdate", "creation_time", "date"),
        }
        facts["tracks"] = track_list(container)
        further = []
        if container.format.name in EXACT_COUNTS and second_video(path) is not None:
            hidden = TrackInfo(number=len(container.streams) + 1, kind=TrackKind.EMBEDDED, title=SECOND_VIDEO)
            facts["tracks"] = (*facts["tracks"], hidden)
            further.append(SECOND.format(SECOND_VIDEO))
        further += [*_unknown_sound(container, path), *_left_out(container)]
        layout = layout_of(path, container.format.name)
        if len(layout.parts) > 1:
            further.append(JOINED.format(len(layout.parts)))
        if layout.looked < NEARLY_ALL:
            further.append(LOOKED_THROUGH.format(layout.looked))
        if audio is not None:
            facts |= _sound_format(audio)
        if video is None:
            assert audio is not None
            facts |= _sound_facts(container, audio, path, name, limits, pulse)
        else:
            index = (
                index_file(path, name, limits, pulse) if spans else index_stream(container, video, name, limits, pulse)
            )
            facts |= _video_facts(video, index, name, limits, freely=container.format.name.startswith("matroska"))
            length_s = max(index.time_s(index.declared), index.sound_end_s)
            facts |= {"duration_s": length_s, "time_breaks": index.breaks}
            if not index.lost:
                facts |= _what_is_read(min(index.share, 1 - joined.unheard))
    if audio is None and joined.sound is not None:
        with open_container(path, name, limits, joined.sound) as container:
            facts |= _sound_format(sound_stream(container, name))
    if facts["duration_s"] > limits.max_duration_s:
        raise _too_long(name, facts["duration_s"], limits)
    if video is None:
        _require_sound(path, name, limits, pulse)
    else:
        first = _first_facts(path, joined.picture, name, limits, pulse)
        further += first.pop("notes")
        facts |= first
    return facts | {"notes": (*facts.get("notes", ()), *further)}


def _sound_format(audio: AudioStream) -> dict[str, Any]:
    return {"audio_codec": _codec_name(audio), "sample_rate": audio.sample_rate, "channels": audio.channels}


def _unknown_sound(container: InputContainer, path: Path) -> list[str]:
    """A sentence on each sound track that cannot be decoded; a broadcast may announce tracks that it does not hold."""
    parts = layout_of(path, container.format.name).parts
    return [
        UNKNOWN_SOUND.format(one.index + 1)
        for one in container.streams.audio
        if not _is_heard(one) and (not parts or any(one.id in part.begins for part in parts))
    ]


def _left_out(container: InputContainer) -> list[str]:
    """A sentence on each track of an MP4 of which an edit list shows only a part."""
    told = []
    for stream in (*picture_streams(container), *sound_streams(container)):
        entries = len(stream.index_entries)
        if container.format.name not in EXACT_COUNTS or not entries or not stream.duration:
            continue
        if stream.type == "audio" and stream.codec_context.name not in FRAME_SIZES:
            continue  # of plain samples it counts something else
        left_s = (stream.frames - entries) * float(stream.duration * (stream.time_base or 0)) / entries
        if left_s > LEAST_EDITED_S:
            told.append(EDITED.format(left_s, "sound" if stream.type == "audio" else "picture"))
    return told


def _is_heard(stream: AudioStream) -> bool:
    return stream.codec_context is not None and bool(stream.sample_rate)


class _Joined(NamedTuple):
    """Of recordings that were joined: the first with a picture and the first with sound that can be decoded, and the share of the
    file that has sound which cannot be."""

    picture: Span | None = None
    sound: Span | None = None
    unheard: float = 0.0


def _joined(path: Path, spans: Sequence[Span], name: str, limits: MediaLimits, pulse: Pulse) -> _Joined:
    found = _Joined()
    for span in spans:
        pulse.beat()
        share = (span.end - span.start) / path.stat().st_size
        try:
            with open_container(path, name, limits, span) as container:
                video, audio = video_stream(container), audio_stream(container)
        except UnreadableMediaError:
            found = found._replace(unheard=found.unheard + share)
            continue
        if video is not None and video.codec_context is not None:
            found = found._replace(picture=found.picture or span)
        if audio is not None and _is_heard(audio):
            found = found._replace(sound=found.sound or span)
        elif audio is not None:
            found = found._replace(unheard=found.unheard + share)
    return found if found.sound else found._replace(unheard=0.0)


def track_list(container: InputContainer) -> tuple[TrackInfo, ...]:
    """All moving pictures, sound tracks, covers and attached media, in the order of the file; empty where there is at most one of each of
    the first two and nothing else."""
    video, audio = video_stream(container), audio_stream(container)
    found = []
    for stream in (one for one in container.streams if one.type in ("video", "audio")):
        kind = TrackKind.SOUND if stream.type == "audio" else TrackKind.COVER if is_cover(stream) else TrackKind.PICTURE
        sound = stream.codec_context if kind is TrackKind.SOUND else None
        found.append(
            TrackInfo(
                number=stream.index + 1,
                kind=kind,
                codec=_codec_name(stream),  # type: ignore[arg-type]
                language=fact(stream.language) if stream.language != "und" else None,
                title=fact(stream.metadata.get("title")),
                channels=sound.channels if sound is not None else None,  # type: ignore[attr-defined]
                duration_s=_stated_s(stream),
                main=any(main is not None and main.index == stream.index for main in (video, audio)),
            )
        )
    found += [
        TrackInfo(number=one.index + 1, kind=TrackKind.EMBEDDED, title=fact(f"attached file {one.name or ''}"))
        for one in attached(container)
    ]
    kinds = [track.kind for track in found]
    usual = max(kinds.count(TrackKind.SOUND), kinds.count(TrackKind.PICTURE)) < 2
    return () if usual and set(kinds) <= {TrackKind.SOUND, TrackKind.PICTURE} else tuple(found)


def _check_header(video: VideoStream | None, audio: AudioStream | None, name: str, limits: MediaLimits) -> None:
    """Refuse what the header already shows to be too much. Lengths are not among it: what is there is told by the packets."""
    if video is not None:
        check_pixels(name, (video.width, video.height), limits)
        if video.frames > limits.max_frames:
            raise too_many_frames(name, limits)
    if audio is not None and audio.channels > limits.max_audio_channels:
        raise MediaLimitError(
            f"The sound of {name} has {audio.channels} channels; at most {limits.max_audio_channels} are taken. "
            "Mix it down to stereo."
        )
    if audio is not None and audio.sample_rate > limits.max_sample_rate:
        raise MediaLimitError(
            f"The sound of {name} has {audio.sample_rate} samples a second; at most {limits.max_sample_rate} are taken. "
            "Convert it to 48 kHz."
        )


def _video_facts(
    video: VideoStream, index: FrameIndex, name: str, limits: MediaLimits, *, freely: bool
) -> dict[str, Any]:
    """freely: the header may state any rate, whatever the time stamps are."""
    if not len(index):
        raise unreadable(name, "it is cut off before the first picture")
    if index.declared > limits.max_frames:
        raise too_many_frames(name, limits)
    measured = 1 / index.frame_s if index.frame_s > 0 else None
    stated = float(video.average_rate) if video.average_rate else None
    wrong = stated is None or (freely and measured is not None and abs(measured / stated - 1) > RATE_SLACK)
    return {
        "fps": measured if index.variable_rate or wrong else stated,
        "frame_count": index.declared,
        "variable_frame_rate": index.variable_rate,
        "video_codec": _codec_name(video),
    }


def _require_sound(path: Path, name: str, limits: MediaLimits, pulse: Pulse) -> None:
    """Decode up to the first sound of a track, the main one first. Raises: UnreadableMediaError where none has any."""
    tried: list[str] = []
    while True:
        with open_container(path, name, limits) as container:
            tracks = sound_streams(container)
            if len(tried) == len(tracks):
                break
            if _first_frame(container, tracks[len(tried)], name, limits, pulse) is not None:
                return
            tried.append(str(_codec_name(tracks[len(tried)])))
    raise unreadable(name, NONE_DECODED.format("sound", " or ".join(dict.fromkeys(tried))), CONVERT["sound"])


def _first_facts(path: Path, span: Span | None, name: str, limits: MediaLimits, pulse: Pulse) -> dict[str, Any]:
    """Decode up to the first picture: only this shows that the file can be decoded, and how it is turned."""
    with open_container(path, name, limits, span) as container:
        stream = picture_stream(container, name)
        frame = _first_frame(container, stream, name, limits, pulse)
        if not isinstance(frame, av.VideoFrame):
            raise unreadable(name, NONE_DECODED.format("picture", _codec_name(stream)), CONVERT["picture"])
        interlaced = _any_interlaced(container, stream, frame, pulse)
        on_screen = shown(container, stream)(frame)
    stored = frame.width, frame.height
    size = on_screen.size(*stored)
    check_pixels(name, size, limits)
    turned = clockwise_degrees(display_matrix(frame))
    width, height = size if turned in (0, 180) else size[::-1]
    return {
        "width": width,
        "height": height,
        "stored_size": stored if stored != size else None,
        "shown_box": on_screen.box,
        "notes": (on_screen.note,) if on_screen.note else (),
        "interlaced": interlaced,
        "rotation_deg": turned,
        "pixel_format": frame.format.name,
    }


def _first_frame(
    container: InputContainer, stream: VideoStream | AudioStream, name: str, limits: MediaLimits, pulse: Pulse
) -> object | None:
    stream.codec_context.options = decoder_options(limits)
    for packet in demuxed(container, [stream], name, limits, pulse):
        try:
            frames = [keep_order(one) if isinstance(one, av.AudioFrame) else one for one in packet.decode()]
        except av.error.FFmpegError:
            continue
        if frames:
            return frames[0]
    return None


def _any_interlaced(container: InputContainer, stream: VideoStream, first: av.VideoFrame, pulse: Pulse) -> bool:
    """Of the first pictures: a scene that stands still has no comb."""
    if is_interlaced(first):
        return True
    if first.height < LEAST_INTERLACED:
        return False
    looked = 0
    try:
        for packet in container.demux(stream):
            pulse.beat()
            for frame in packet.decode():
                looked += 1
                if is_interlaced(frame) or looked >= COMB_LOOKS:
                    return is_interlaced(frame)
    except av.error.FFmpegError:
        return False
    return False


def _sound_facts(
    container: InputContainer, audio: AudioStream, path: Path, name: str, limits: MediaLimits, pulse: Pulse
) -> dict[str, Any]:
    """Length and breaks of a recording, and how much of it can be read."""
    spans = recordings_in(path)
    if not spans:
        length_s, timeline = _length_s(container, audio, name, limits, pulse)
        claim = wrong_length(path)
        told = [] if claim is None or claim.stated is None else [STATED_SHORT.format(claim.stated, claim.found)]
        if (skipped_s := timeline.tracks[audio.index].skipped_s) > LEAST_EDITED_S:
            told.append(FILLED_IN.format(skipped_s))
        notes = {"notes": tuple(told)}
        return {"duration_s": length_s, "time_breaks": timeline.breaks} | notes | _what_is_read(timeline.share)
    length_s, read = 0.0, 0
    for span in spans:
        with (
            contextlib.suppress(UnreadableMediaError, WrongMediaKindError),
            open_container(path, name, limits, span) as one,
        ):
            length_s += _length_s(one, sound_stream(one, name), name, limits, pulse)[0]
            read += span.end - span.start
    if not read:
        raise unreadable(name, "it is cut off before the first sound")
    return {"duration_s": length_s, "time_breaks": len(spans) - 1} | _what_is_read(read / path.stat().st_size)


def _what_is_read(share: float) -> dict[str, Any]:
    """share: of the file that its packets were read from."""
    if share > NEARLY_ALL:
        return {}
    return {"decoded_share": share, "damaged": True, "notes": (NOT_READ.format(share),)}


def _length_s(
    container: InputContainer, audio: AudioStream, name: str, limits: MediaLimits, pulse: Pulse
) -> tuple[float, Timeline]:
    """From the packets: headers of recordings often guess or say nothing."""
    held = 0

    def watch(track: TrackPackets) -> None:
        nonlocal held
        held += min(track.durations[-1], round(MOST_OF_A_PACKET_S / track.tick_s)) if track.tick_s else 0
        if held * track.tick_s > limits.max_duration_s:
            raise _too_long(name, limits.max_duration_s, limits)

    timeline = read_timeline(container, [audio], name, limits, pulse, watch)
    track = timeline.tracks[audio.index]
    if all(pts is None for pts in track.pts):
        raise unreadable(name, "it is cut off before the first sound")
    if audio.codec_context.name in ALONE and (last := _decoded_s(audio, track.last)):
        track.durations[-1] = max(round(last / track.tick_s), 1)
    return track.end_s() - track.begin_s(), timeline


def _decoded_s(audio: AudioStream, packet: Packet | None) -> float:
    """How long a packet is that stands alone, s; 0 where it cannot be decoded."""
    try:
        return sum(keep_order(frame).samples for frame in audio.codec_context.decode(packet)) / audio.sample_rate
    except av.error.FFmpegError:
        return 0.0


def _stated_s(stream: Stream) -> float | None:
    """How long a track is by its own header."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    stated = STATED_LENGTH.fullmatch(stream.metadata.get("DURATION", ""))
    if stated is None:
        return None
    hours, minutes, seconds = map(float, stated.groups())
    return 3600 * hours + 60 * minutes + seconds


def _too_long(name: str, length_s: float, limits: MediaLimits) -> MediaLimitError:
    return MediaLimitError(
        f"{name} lasts {length_s / 60:.0f} minutes or more; at most {limits.max_duration_s / 60:g} are taken. "
        "Cut out the part in question."
    )


def _container_name(container: InputContainer, path: Path) -> str:
    family = container.format.name
    if family.startswith("mov,"):
        return BRANDS.get(container.metadata.get("major_brand", "")[:3].strip(), "mp4")
    if family.startswith("matroska"):
        with path.open("rb") as file:
            return "webm" if b"webm" in file.read(64) else "mkv"
    return family.split(",")[0]


def _codec_name(stream: VideoStream | AudioStream) -> str | None:
    """The format's name, not that of the library that decodes it."""
    return stream.codec_context.codec.canonical_name if stream.codec_context is not None else None


def _tag(metadata: Mapping[str, str], *keys: str) -> str | None:
    lower = {key.lower(): value for key, value in metadata.items()}
    return next((fact(lower[key]) for key in keys if key in lower), None)


def fact(value: object) -> str | None:
    """A metadata value fit to be shown: no control characters, limited in length; None when nothing is left."""
    if value is None:
        return None
    visible = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in str(value))
    return " ".join(visible.split())[:FACT_LENGTH] or None
