"""What the Review tab shows."""

from __future__ import annotations

from typing import TypedDict

from drishtiksha.ui.shared.parts import Change


class Update(TypedDict, total=False):
    """New values of the tab's components; what is left out stays as it is."""

    case: str
    deleted: str
    delete: str
    filters: str
    queue: str
    human: str
    player: str
    status: str
    form: str
    history: str
    origin: str
    machines: str
    chart: str
    findings: str
    stats: str
    csv: Change
    jsonl: Change
    upload: Change
    moved: str
