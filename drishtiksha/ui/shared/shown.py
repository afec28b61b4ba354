"""Copies for the screen, in the folder of a case that the browser may fetch from. It is never given the evidence itself."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from drishtiksha.render.findings import findings
from drishtiksha.report.files import once
from drishtiksha.results import AnalysisResult, MediaInfo, MediaKind
from drishtiksha.services.workbench import OpenCase

_SUFFIXES = {"mov": "mp4", "mpegts": "ts"}
_UNPLAYABLE = frozenset({"hevc", "prores", "mpeg4", "mpeg2video", "mjpeg", "dnxhd", "wmv3"})


def display_copy(opened: OpenCase) -> Path:
    """A picture as an upright JPEG; video and sound byte for byte, named by what the bytes are, not by the user. Made once.

    Raises: CaseGoneError, MediaError.
    """
    media, folder = opened.media, opened.derived()
    if media.kind is MediaKind.IMAGE:
        return once(folder / "evidence.jpg", lambda target: opened.apart("picture", target=str(target.absolute())))
    container = media.container.split(",")[0].lower()
    suffix = re.sub(r"[^a-z0-9]", "", _SUFFIXES.get(container, container)) or "bin"
    return once(folder / f"evidence.{suffix}", lambda target: shutil.copyfile(opened.evidence().path, target))


def playback_remark(media: MediaInfo) -> str | None:
    """Said when a browser may show a black player, so that nobody takes it for a damaged file."""
    if media.kind is MediaKind.VIDEO and media.video_codec in _UNPLAYABLE:
        return f"Some browsers cannot play {media.video_codec}; the analysis does not depend on the player."
    return None


def gallery(opened: OpenCase, result: AnalysisResult, stem: str) -> list[tuple[str, str]]:
    """(path, caption) of the most suspicious moments, composed from the evidence's own pixels; `stem` tells runs apart.

    Raises: CaseGoneError, MediaError.
    """
    folder = opened.derived()
    titles_file = folder / f"{stem}-moments.txt"
    if titles_file.is_file():
        titles = titles_file.read_text(encoding="utf-8").splitlines()
    else:
        titles = opened.apart("moments", result=result.model_dump_json(), folder=str(folder.absolute()), stem=stem)
        once(titles_file, lambda target: target.write_text("\n".join(titles), encoding="utf-8"))
    return [(str(folder / f"{stem}-{number}.jpg"), title) for number, title in enumerate(titles)]


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
