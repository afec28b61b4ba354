"""What the Analyze tab shows."""

from __future__ import annotations

from typing import TypedDict

from drishtiksha.ui.shared.parts import Change


class Update(TypedDict, total=False):
    """New values of the tab's components; what is left out stays as it is."""

    case: str
    job: str
    stress_job: str
    example: str
    notice: str
    chooser: Change
    drop: None
    examples: str
    desk: Change
    answer: str
    status: str
    stop: Change
    retry: Change
    keep: Change
    reports: str
    link: str
    player: str
    chart: str
    human: str
    lines: str
    left_out: str
    tracks: str
    moments: str
    try_it: Change
    note_box: Change
    note: str
    note_saved: str
    facts: str
    provenance: str
    details: str
    stress_box: Change
    stress: str
    stress_status: str
    stress_run: Change
    stress_stop: Change
    doubt_box: Change
    doubt: str
    look_box: Change
    look: str
    key_frames: str
    detectors: Change
    picks: Change
    again: Change
    again_wait: str
    again_status: str
    manage: Change
    another: Change
    delete: str
