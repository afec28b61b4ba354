"""The player of a case under review: own buttons, frames by their real times, flagged stretches, and regions by dragging."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from drishtiksha.casefile import EvidenceKind
from drishtiksha.comparison import JOIN_S, compare, counts, evidence_of
from drishtiksha.errors import MediaError
from drishtiksha.media.evidence import Evidence
from drishtiksha.render import words
from drishtiksha.results import AnalysisResult, MediaInfo, MediaKind
from drishtiksha.settings import MediaLimits
from drishtiksha.ui import compare_player

PLAYER_ID = "dk-player-review"
MAX_TIMES = 40_000
"""Frames whose times are sent to the page; longer videos are stepped through at their average rate."""
PLAYER_JS = compare_player.PLAYER_JS + Path(__file__).with_name("review_player.js").read_text(encoding="utf-8")
KEYS = (
    (("Space", "K"), "play, pause"),
    (("J", "L"), "1 s back, on (also ← →)"),
    ((",", "."), "one frame back, on"),
    (("[", "]"), "flagged stretch before, after"),
    (("R",), "loop the stretch"),
    (("-", "+"), "slower, faster"),
    (("T",), "note at this time"),
    (("G", "M", "U"), "genuine, manipulated, unclear"),
    (("1", "2", "3"), "confidence low, medium, high"),
    (("Enter",), "save"),
    (("N", "P"), "next, previous case"),
)


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


def times_of(evidence: Evidence, folder: Path, limits: MediaLimits) -> list[float]:
    """When each frame of a video is shown, s; empty for other files, for very long ones, and where it cannot be told.

    Read once: `folder` keeps it, that of the case which goes with the case.
    """
    if evidence.media.kind is not MediaKind.VIDEO:
        return []
    kept = folder / "frame-times.json"
    if kept.is_file():
        return json.loads(kept.read_text(encoding="utf-8"))
    try:
        times = evidence.reader(limits).index().times.tolist()
    except MediaError:  # the page then steps at the average rate
        times = []
    if len(times) > MAX_TIMES or not all(before < after for before, after in pairwise(times)):
        times = []
    partial = kept.with_name(f".{secrets.token_hex(4)}-{kept.name}")
    partial.write_text(json.dumps(times), encoding="utf-8")
    partial.replace(kept)
    return times


def markup(media: MediaInfo, copy: Path, times: Sequence[float], flags: Sequence[Flag]) -> str:
    """The stage of a case; an empty `flags` says so."""
    source, name = f"gradio_api/file={quote(str(copy))}", escape(media.name)
    if media.kind is MediaKind.IMAGE:
        shown = f'<img src="{source}" alt="The picture {name}" draggable="false">'
    elif media.kind is MediaKind.VIDEO:
        shown = f'<video playsinline preload="auto" src="{source}" aria-label="The video {name}"></video>'
    else:
        shown = f'<audio controls preload="metadata" src="{source}" aria-label="The recording {name}"></audio>'
    if media.kind is not MediaKind.AUDIO:
        shown = f'<div class="dk-shot">{shown}<div class="dk-region" hidden></div></div>'
    facts = f' data-fps="{media.fps or ""}" data-times="{",".join(f"{time:.5g}" if time < 1 else f"{time:.4f}" for time in times)}"'
    size = f' data-width="{media.width}" data-height="{media.height}"' if media.width and media.height else ""
    return (
        f'<section class="dk-stage" tabindex="-1" aria-label="Player of {name}"{facts}{size}>'
        f'<div class="dk-player" id="{PLAYER_ID}"><div class="dk-player-frame">'
        '<button type="button" class="dk-undock" aria-label="Put the player back in its place">'
        f'<span aria-hidden="true">×</span></button>{shown}{_controls(media.kind)}'
        '<div class="dk-loop" hidden><button type="button" class="dk-act dk-loop-stop">Stop looping</button>'
        '<span class="dk-hint" aria-hidden="true">or press Esc</span></div>'
        '<p class="dk-hint dk-loop-line" role="status" aria-live="polite"></p></div></div>'
        f"{_flags(flags) if media.kind is not MediaKind.IMAGE else ''}</section>"
    )


def keys() -> str:
    """The list of keys."""
    rows = "".join(
        f"<div><dt>{' '.join(f'<kbd>{escape(key)}</kbd>' for key in names)}</dt><dd>{escape(told)}</dd></div>"
        for names, told in KEYS
    )
    return (
        f'<details class="dk-keys" open><summary>Keys</summary><dl>{rows}</dl><p class="dk-hint">Keys rest while you type in a '
        "field; <kbd>Esc</kbd> leaves the field, <kbd>Ctrl</kbd>+<kbd>Enter</kbd> saves from within it.</p></details>"
    )


def _button(act: str, text: str, key: str, label: str) -> str:
    return (
        f'<button type="button" class="dk-act" data-do="{act}" aria-label="{label}" title="{label} ({escape(key)})"><b>{text}</b>'
        f'<kbd aria-hidden="true">{escape(key)}</kbd></button>'
    )


def _controls(kind: MediaKind) -> str:
    region = _button("region", "Mark a region", "drag", "Mark a region on the picture")
    if kind is MediaKind.IMAGE:
        return f'<div class="dk-controls">{region}</div>'
    scrub, frames = "", ""
    if kind is MediaKind.VIDEO:
        scrub = '<input class="dk-scrub" type="range" min="0" max="1" step="any" value="0" aria-label="Moment in the video">'
        frames = _button("back", "−1 frame", ",", "One frame back") + _button("forth", "+1 frame", ".", "One frame on")
    return (
        f'{scrub}<div class="dk-controls">{_button("play", "Play", "K", "Play or pause")}{frames}'
        f'{_button("slower", "Slower", "-", "Slower")}<output class="dk-rate" aria-label="Speed">1×</output>'
        f"{_button('faster', 'Faster', '+', 'Faster')}{region if kind is MediaKind.VIDEO else ''}"
        '<span class="dk-readout">00:00.000</span></div>'
    )


def _flags(flags: Sequence[Flag]) -> str:
    if not flags:
        return '<p class="dk-hint">No stretch is flagged by a detector.</p>'
    buttons = "".join(
        f'<li><button type="button" data-flag="{number}" data-start="{flag.start_s:.3f}" data-end="{flag.end_s:.3f}" '
        f'aria-pressed="false"><b>{words.fine_clock(flag.start_s)}–{words.fine_clock(flag.end_s)}</b>'
        f"<span>{escape(flag.kind.value)}</span></button></li>"
        for number, flag in enumerate(flags, start=1)
    )
    return (
        '<div class="dk-flags"><h4>Flagged stretches</h4>'
        f'<ul>{buttons}</ul><div class="dk-controls">{_button("before", "Before", "[", "Flagged stretch before")}'
        f"{_button('after', 'Next', ']', 'Next flagged stretch')}{_button('loop', 'Loop', 'R', 'Loop the flagged stretch')}</div></div>"
    )
