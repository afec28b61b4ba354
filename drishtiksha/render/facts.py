"""Facts of a file and of a run, as rows of (what, value): the same in the browser and in reports."""

from __future__ import annotations

from drishtiksha.render import words
from drishtiksha.results import (
    TORCH,
    AnalysisResult,
    MediaInfo,
    MediaKind,
    RunProvenance,
    TrackInfo,
    TrackKind,
    clock,
)

KIND_NAMES = {MediaKind.IMAGE: "Picture", MediaKind.VIDEO: "Video", MediaKind.AUDIO: "Sound"}

Rows = list[tuple[str, str]]


def media_facts(media: MediaInfo) -> Rows:
    """What a person needs to judge whether the file can be examined at all."""
    rows: Rows = [("Kind", f"{KIND_NAMES[media.kind]} ({media.container})")]
    if media.duration_s is not None:
        rows.append(("Duration", words.duration(media.duration_s)))
    if media.width and media.height:
        turned = f", turned by {media.rotation_deg}°" if media.rotation_deg else ""
        rows.append(("Size on screen", f"{media.width} × {media.height} px{turned}"))
    if media.stored_size:
        rows.append(("Size as stored", _stored(media, *media.stored_size)))
    if media.interlaced:
        rows.append(("Interlaced", "yes; each picture is deinterlaced before it is judged"))
    if media.fps:
        varying = ", varying" if media.variable_frame_rate else ""
        rows.append(("Frame rate", f"{media.fps:.2f} per second{varying}"))
    if media.video_codec and media.kind is MediaKind.VIDEO:
        rows.append(("Video codec", media.video_codec))
    if media.kind is not MediaKind.IMAGE:
        rows.append(("Sound", _sound(media)))
    if media.time_breaks:
        rows.append(("Time stamps", f"restart or jump {words.counted(media.time_breaks, 'time')}; times here run on"))
    rows += [(f"Track {track.number}", track_words(track, number=False)) for track in media.tracks]
    rows.append(("File size", words.size(media.size_bytes)))
    rows += [("Made with", media.encoder)] if media.encoder else []
    rows += [("Created (as the file says)", media.created)] if media.created else []
    return rows


def _stored(media: MediaInfo, width: int, height: int) -> str:
    why = "the pixels are not square"
    if media.shown_box:
        left, top, right, bottom = media.shown_box
        why = f"of these {right - left} × {bottom - top} px are to be shown, from {left} px across and {top} px down"
    return f"{width} × {height} px; {why}"


def track_words(track: TrackInfo, *, number: bool = True) -> str:
    """What a track is, in one line."""
    kinds = {
        "picture": "moving picture",
        "sound": "sound",
        "cover": "cover or attached picture",
        "embedded": "carried along",
    }
    channels = {None: None, 1: "mono", 2: "stereo"}.get(track.channels, f"{track.channels} channels")
    main = "the one that players take" if track.main else None
    codec = track.codec or ("not known here" if track.kind is not TrackKind.EMBEDDED else None)
    length = None if track.duration_s is None else clock(track.duration_s)
    parts = filter(None, (kinds[track.kind], codec, channels, track.language, track.title, length, main))
    return (f"Track {track.number}: " if number else "") + ", ".join(parts)


def _sound(media: MediaInfo) -> str:
    if media.audio_codec is None:
        return "none"
    parts = [media.audio_codec]
    if media.sample_rate:
        parts.append(f"{media.sample_rate / 1000:g} kHz")
    if media.channels:
        parts.append({1: "mono", 2: "stereo"}.get(media.channels, f"{media.channels} channels"))
    return ", ".join(parts)


def custody_facts(result: AnalysisResult) -> Rows:
    """What it takes to check and to repeat the run."""
    run = result.provenance
    rows: Rows = [
        ("SHA-256 of the original", result.media.sha256),
        ("Started", words.moment(run.started_utc)),
        ("Model", f"{result.model_name} (experimental)" if result.experimental else result.model_name),
        ("Checkpoint SHA-256", run.checkpoint_sha256 or "not known"),
        *([("Licence of the weights", words.licence(run.licence, run.licence_class))] if run.licence else []),
        ("Device", f"{run.device}, {run.dtype}"),
        *([("Engine", _engine(run))] if run.engine != TORCH or run.engine_note else []),
        ("Scores", "calibrated on held-out data" if result.calibrated else "not calibrated"),
        ("Error rates", " ".join(result.odds) or "none, since nothing was scored"),
        (
            "Thresholds",
            f"{_cleared(result)}, from {result.thresholds.fake:.2f} suspicious",
        ),
        ("Versions", ", ".join(f"{name} {version}" for name, version in run.versions.items())),
        ("Time taken", _stages(result)),
    ]
    rows += [(name.replace("_", " "), _number(value)) for name, value in result.metrics.items()]
    return rows


def _engine(run: RunProvenance) -> str:
    return f"{run.engine}; ONNX Runtime was not used: {run.engine_note}" if run.engine_note else run.engine


def _cleared(result: AnalysisResult) -> str:
    real = result.thresholds.real
    return f"up to {real:.2f} nothing found" if real else "never cleared"


def _stages(result: AnalysisResult) -> str:
    stages = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in result.stage_seconds.items())
    return words.duration(result.processing_time) + (f" ({stages})" if stages else "")


def _number(value: float | int | str | None) -> str:
    if value is None:
        return "not known"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
