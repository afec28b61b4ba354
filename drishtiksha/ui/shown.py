"""Copies for the screen. The browser is given these, never the evidence itself."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from PIL import Image

from drishtiksha.media.image import read_image
from drishtiksha.render.findings import findings
from drishtiksha.render.moments import QUALITY, moment_pictures
from drishtiksha.results import AnalysisResult, MediaInfo, MediaKind
from drishtiksha.settings import MediaLimits
from drishtiksha.ui.desk import Case

LONG_SIDE = 1600
"""px of a picture on screen."""
_SUFFIXES = {"matroska": "mkv", "mov": "mp4", "quicktime": "mp4", "ogg": "ogg", "mpegts": "ts"}
_UNPLAYABLE = frozenset({"hevc", "prores", "mpeg4", "mpeg2video", "mjpeg", "dnxhd", "wmv3"})


def display_copy(case: Case, limits: MediaLimits) -> Path:
    """A picture as an upright JPEG; video and sound byte for byte, named by what the bytes are, not by the user."""
    media = case.evidence.media
    if media.kind is MediaKind.IMAGE:
        target = case.shown_dir / "evidence.jpg"
        picture = Image.fromarray(read_image(case.evidence.path, limits=limits, name=media.name))
        picture.thumbnail((LONG_SIDE, LONG_SIDE))
        picture.save(target, quality=90)
        return target
    container = media.container.split(",")[0].lower()
    suffix = re.sub(r"[^a-z0-9]", "", _SUFFIXES.get(container, container)) or "bin"
    target = case.shown_dir / f"evidence.{suffix}"
    shutil.copyfile(case.evidence.path, target)
    return target


def playback_remark(media: MediaInfo) -> str | None:
    """Said when a browser may show a black player, so that nobody takes it for a damaged file."""
    if media.kind is MediaKind.VIDEO and media.video_codec in _UNPLAYABLE:
        return f"Some browsers cannot play {media.video_codec}; the analysis does not depend on the player."
    return None


def gallery(case: Case, result: AnalysisResult, limits: MediaLimits) -> list[tuple[str, str]]:
    """(path, caption) of the most suspicious moments, composed from the evidence's own pixels."""
    items = []
    for number, (finding, picture) in enumerate(moment_pictures(case.evidence, result, limits)):
        path = case.shown_dir / f"finding-{number}.jpg"
        Image.fromarray(picture).save(path, quality=QUALITY)
        items.append((str(path), finding.title()))
    return items


def gallery_caption(result: AnalysisResult) -> tuple[str, str]:
    """Heading of the pictures, and what they are and are not."""
    title = "Where the score came from" if result.media.kind is MediaKind.IMAGE else "Highest-scoring moments"
    captions = " ".join(dict.fromkeys(heatmap.caption for heatmap in result.heatmaps))
    if any(finding.is_sound for finding in findings(result)):
        below = f"; below it the same sound under its heatmap. {captions}" if captions else "."
        return title, f"Each stretch of sound over time, low pitches at the bottom, loud ones bright{below}"
    if not captions:
        return title, "Boxes show the faces that were judged."
    return (
        title,
        f"The judged faces; beside them one face enlarged, and below it the same face under its heatmap. {captions}",
    )


def json_file(case: Case, result: AnalysisResult) -> Path:
    """The whole result as JSON, for download."""
    stem = re.sub(r"[^\w.-]+", "_", Path(result.media.name).stem)[:60] or "result"
    path = case.shown_dir / f"{stem}-{result.model_name}.json"
    path.write_text(result.model_dump_json(indent=2), encoding="utf-8")
    return path
