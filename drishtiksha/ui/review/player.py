"""The player of a case under review: own buttons, frames by their real times, flagged stretches, and regions by dragging."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from drishtiksha.casefile import EvidenceKind
from drishtiksha.comparison import JOIN_S, compare, counts, evidence_of
from drishtiksha.errors import MediaError
from drishtiksha.report.files import write_whole
from drishtiksha.results import AnalysisResult, MediaInfo, MediaKind
from drishtiksha.services.workbench import OpenCase
from drishtiksha.ui.shared.templates import fill

PLAYER_ID = "dk-player-review"
MAX_TIMES = 40_000
"""Frames whose times are sent to the page; longer videos are stepped through at their average rate."""


class Flag(NamedTuple):
    """A stretch that detectors of one kind of trace suspect."""

    start_s: float
    end_s: float
    kind: EvidenceKind


def flagged(results: Sequence[AnalysisResult]) -> list[Flag]:
    """Stretches in time order that a kind of evidence suspects, each kind on its own; neighbours of a kind are joined."""
    by_kind: dict[EvidenceKind, list[AnalysisResult]] = {}
    for result in results:
        if counts(result):
            by_kind.setdefault(evidence_of(result), []).append(result)
    found: list[Flag] = []
    for kind, own in by_kind.items():
        runs: list[Flag] = []
        for cell in compare(own).strip:
            if not cell.agree:
                continue
            if runs and cell.start_s - runs[-1].end_s < JOIN_S:
                runs[-1] = Flag(runs[-1].start_s, cell.end_s, kind)
            else:
                runs.append(Flag(cell.start_s, cell.end_s, kind))
        found += runs
    return sorted(found)


def times_of(opened: OpenCase) -> list[float]:
    """When each frame of a video is shown, s; empty for other files, for very long ones, and where it cannot be told.

    Read once: the folder for derived copies, which goes with the case, keeps it.
    """
    if opened.media.kind is not MediaKind.VIDEO:
        return []
    kept = opened.derived() / "frame-times.json"
    if kept.is_file():
        return json.loads(kept.read_text(encoding="utf-8"))
    try:
        times: list[float] = opened.apart("times")
    except MediaError:  # the page then steps at the average rate
        times = []
    if len(times) > MAX_TIMES:
        times = []
    write_whole(kept, json.dumps(times).encode())
    return times


def stage(media: MediaInfo, copy: Path, times: Sequence[float], flags: Sequence[Flag]) -> str:
    """The player with its buttons; an empty `flags` says so."""
    return fill(
        "review/stage.html",
        media=media,
        copy=str(copy),
        times=",".join(f"{time:.5g}" if time < 1 else f"{time:.4f}" for time in times),
        flags=flags,
        player_id=PLAYER_ID,
    )


def keys() -> str:
    """The list of keys."""
    return fill("review/keys.html")
