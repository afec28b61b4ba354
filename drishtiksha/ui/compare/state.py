"""What the Compare tab shows."""

from __future__ import annotations

from typing import TypedDict

from drishtiksha.ui.shared.parts import Change


class Update(TypedDict, total=False):
    """New values of the tab's components; what is left out stays as it is. `_a` and `_b`: the two files."""

    case_a: str
    case_b: str
    code: str
    spoken: str
    mode: str
    drop_a: None
    drop_b: None
    chooser_a: Change
    chooser_b: Change
    box_a: Change
    box_b: Change
    player_a: str
    player_b: str
    facts_a: str
    facts_b: str
    another_a: Change
    another_b: Change
    delete_a: str
    delete_b: str
    notice_a: str
    notice_b: str
    second: Change
    quick: Change
    all: Change
    each: Change
    none: Change
    picks: Change
    plan: str
    lacking: str
    run: Change
    stop: Change
    retry: Change
    status: str
    board: str
    table: str
    chart: str
    segments: str
    seen: str
    report: Change
    reports_a: str
    reports_b: Change
    link: str
