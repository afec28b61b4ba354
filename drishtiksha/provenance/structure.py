"""Traces of joining and cutting in how a video is stored: rhythm of its key pictures, time stamps, settings, edit lists.

None of it is proof: live streams, phones that pause, and services that join their own pieces leave the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from drishtiksha.casefile import ProvenanceFinding
from drishtiksha.provenance.boxes import Track
from drishtiksha.provenance.packets import Packets
from drishtiksha.results import fine_clock

LEAST_INTERVALS = 6
"""Intervals between key pictures from which on a rhythm can be seen."""
STEADY_SHARE = 0.8
"""Share of intervals that must be the same for the rest to be odd."""
MOST_ODD = 2
NO_SCENES = "scenecut=0"
"""In x264's signature: it was told not to look for new scenes, so that nothing breaks its rhythm."""
FLOW_TIMES = 4
"""How many times more data a second one part of the video must take than the other to be mentioned."""
FLOW_SPREAD = 0.5
"""Standard deviation (in octaves) of the groups' data rate that still counts as even."""
LEAST_PARTS = 3
"""Groups of pictures on each side of a change of habits."""
HOLE_S = 0.5
HOLE_STEPS = 5
"""A hole in time is longer than both: half a second, and so many usual steps."""
HIDDEN_S = 0.5
"""Stored pictures that an edit list hides count from here on; less is the start of the encoder."""
MOST_TIMES = 5

INNOCENT = (
    "Whether anything was changed: scene changes, paused recordings, live streams and services that join their own pieces leave "
    "the same trace."
)


def joined_finding(recordings: int) -> ProvenanceFinding:
    """Of a file of several recordings, one behind the other, each with a header or a codec of its own."""
    return _finding(
        f"It is joined of {recordings} recordings",
        "Each has a header or a codec of its own. What stands here was read in all of them.",
        "It was put together from pieces, by somebody or by a program.",
        notable=True,
    )


def packet_findings(packets: Packets, tracks: list[Track]) -> Iterator[ProvenanceFinding]:
    """Of a video; `tracks` are empty where it is not an MP4 or MOV file."""
    yield from _rhythm(packets)
    yield from _habits(packets)
    yield from _flow(packets)
    yield from _holes(packets)
    yield from _settings(packets, tracks)
    yield from _edits(tracks)


def _finding(title: str, detail: str, tells: str, *, notable: bool) -> ProvenanceFinding:
    return ProvenanceFinding(
        kind="structure",
        title=title,
        detail=detail,
        tells=tells,
        does_not_tell=INNOCENT,
        notable=notable,
    )


def _rhythm(packets: Packets) -> Iterator[ProvenanceFinding]:
    keys = np.flatnonzero(packets.key)
    if len(keys) == len(packets) or len(keys) <= LEAST_INTERVALS + 1:
        return
    steps = np.diff(keys)[1:]  # encoders often start with a group of another length
    keys = keys[1:]
    usual = int(np.bincount(steps).argmax())
    odd = np.flatnonzero(steps != usual)
    if len(odd) == 0:
        yield _finding(
            "Its key pictures come at a steady rhythm",
            f"Each {usual} pictures a complete one is stored.",
            "It was encoded in one go by a camera, program or service that keeps a fixed rhythm.",
            notable=False,
        )
    elif len(odd) <= MOST_ODD and len(odd) <= (1 - STEADY_SHARE) * len(steps):
        free = any(NO_SCENES in signature for signature in packets.signatures)
        yield _finding(
            "The rhythm of its key pictures is broken",
            f"Each {usual} pictures a complete one is stored, but not at {_at(packets, keys[odd + 1])}.",
            "Parts may have been joined there without encoding them anew"
            + (", or pictures are missing." if free or steps.max() > usual else ", or the encoder saw a new scene."),
            notable=free or bool(steps.max() > usual),
        )
    else:
        yield _finding(
            "Its key pictures come at no fixed rhythm",
            f"A complete picture is stored after {steps.min()} to {steps.max()} pictures.",
            "An encoder such as x264 that places them where scenes change wrote it, as most programs and services do.",
            notable=False,
        )


def _habits(packets: Packets) -> Iterator[ProvenanceFinding]:
    """Pictures stored out of order (B-frames) in one part of the file only."""
    starts = np.flatnonzero(packets.key)
    if len(starts) < 2 * LEAST_PARTS or np.isnan(packets.time_s).any():
        return
    bounds = [*starts.tolist(), len(packets)]
    reordered = np.array([bool((np.diff(packets.time_s[a:b]) < 0).any()) for a, b in itertools.pairwise(bounds)])
    changes = np.flatnonzero(np.diff(reordered.astype(int)))
    if len(changes) == 1 and LEAST_PARTS <= changes[0] + 1 <= len(reordered) - LEAST_PARTS:
        yield _finding(
            "Two parts of it were encoded in different ways",
            f"Pictures are stored out of order {'from' if not reordered[0] else 'until'} "
            f"{_at(packets, starts[changes + 1])} only.",
            "Two recordings, or two outputs of an encoder with other settings, were probably joined there.",
            notable=True,
        )


def _flow(packets: Packets) -> Iterator[ProvenanceFinding]:
    """One lasting jump in how much data a picture takes, group by group."""
    starts = np.flatnonzero(packets.key)
    if len(starts) <= 2 * LEAST_PARTS or len(starts) == len(packets):
        return
    sums = np.add.reduceat(packets.size, starts)
    # The first group holds the encoder's messages and its first guesses.
    octaves = np.log2(np.maximum(1, sums / np.diff([*starts.tolist(), len(packets)])))[1:]
    starts = starts[1:]
    places = range(LEAST_PARTS, len(starts) - LEAST_PARTS + 1)
    jump, place = max((abs(float(octaves[:at].mean() - octaves[at:].mean())), at) for at in places)
    even = max(float(octaves[:place].std()), float(octaves[place:].std())) <= FLOW_SPREAD
    if jump >= np.log2(FLOW_TIMES) and even:
        yield _finding(
            "Its pictures take much more data in one part than in the other",
            f"The change comes at {_at(packets, starts[place : place + 1])}: {2**jump:.0f} times as much a picture.",
            "Another scene begins there, or a part of another quality was joined.",
            notable=False,
        )


def _holes(packets: Packets) -> Iterator[ProvenanceFinding]:
    known = packets.dts_s[~np.isnan(packets.dts_s)]
    if (np.diff(known) < 0).any():
        yield _finding(
            "Its time stamps go back",
            f"{int((np.diff(known) < 0).sum())} times the clock of the file jumps back.",
            "It was put together from pieces with clocks of their own.",
            notable=True,
        )
        return
    times = np.sort(packets.time_s[~np.isnan(packets.time_s)])
    steps = np.diff(times)
    if len(steps) < 2 * LEAST_INTERVALS:
        return
    usual = float(np.median(steps))
    holes = np.flatnonzero(steps > max(HOLE_S, HOLE_STEPS * usual))
    # A slide show or a screen recording holds its pictures for long everywhere.
    if 0 < len(holes) <= (1 - STEADY_SHARE) * len(steps):
        shown = ", ".join(f"{steps[hole]:.1f} s at {fine_clock(times[hole])}" for hole in holes[:MOST_TIMES])
        yield _finding(
            "Pictures are missing in its time line",
            f"No picture is stored for {shown}.",
            "The recording was interrupted there, pictures were lost, or something was cut out without closing the gap.",
            notable=True,
        )


def _settings(packets: Packets, tracks: list[Track]) -> Iterator[ProvenanceFinding]:
    declared = max((track.descriptions for track in tracks if track.kind == "vide"), default=1)
    different = max(len(packets.parameter_sets), declared)
    if different > 1:
        yield _finding(
            "Its picture was encoded with more than one set of settings",
            f"It holds {different} different descriptions of how its pictures are encoded.",
            "Parts from different encoders or with different settings were joined, or a live stream changed its quality.",
            notable=True,
        )


def _edits(tracks: list[Track]) -> Iterator[ProvenanceFinding]:
    for track in tracks:
        edits = [edit for edit in track.edits if edit.start_s is not None]
        if track.kind != "vide" or not edits:
            continue
        shown = sum(edit.length_s for edit in edits)
        hidden = track.length_s - shown
        if len(edits) > 1:
            detail = (
                f"An edit list plays {len(edits)} stretches of what is stored, {shown:.1f} s of {track.length_s:.1f} s."
            )
        elif hidden > HIDDEN_S:
            detail = f"An edit list hides {hidden:.1f} s of the {track.length_s:.1f} s of stored pictures."
        else:
            continue
        yield _finding(
            "Players show less than is stored, or in another order",
            detail,
            "It was trimmed or rearranged without being encoded anew, as phones do. The hidden pictures may still be in the file: "
            "a program that ignores edit lists (FFmpeg with -ignore_editlist 1) shows them.",
            notable=True,
        )


def _at(packets: Packets, places: np.ndarray) -> str:
    times = [packets.time_s[place] for place in places[:MOST_TIMES] if place < len(packets)]
    return ", ".join("an unknown time" if np.isnan(time) else fine_clock(float(time)) for time in times)
