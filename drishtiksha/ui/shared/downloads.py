"""Reports of a case to keep: made when somebody asks for one, so that the newest word of people is in it."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from drishtiksha.casefile import CaseFile, Viewer
from drishtiksha.ui.shared.desk import Desk
from drishtiksha.ui.shared.failure import failure_line, guarded
from drishtiksha.ui.shared.templates import fill

FORMATS = {
    "pdf": "Report (PDF)",
    "html": "Report (HTML)",
    "zip": "Signed bundle (ZIP)",
    "json": "Everything (JSON)",
    "csv": "Scores (CSV)",
}


def buttons(made: Path | None = None, told: str = "", of: str = "") -> str:
    """A button a format; `made` is downloaded at once. of: stands before them where there are several files."""
    return fill("shared/downloads.html", formats=FORMATS, made=made, told=told, of=of)


def make(desk: Desk, case_id: str | None, kind: str, viewer: Viewer, of: str = "") -> str:
    """Write one and answer the buttons with its link, or with why there is none."""
    if not case_id or kind not in FORMATS:
        return buttons(of=of)

    @guarded(lambda error: buttons(told=failure_line(error), of=of))
    def made() -> str:
        opened = desk.workbench.seen_by(viewer).open(case_id)
        case = opened.read()
        target = opened.derived() / f"{_stem(case)}.{kind}"
        opened.report(target, case)
        return buttons(target, "Saved as ", of)

    return made()


def _stem(case: CaseFile) -> str:
    """Letters with their marks, which Hindi has many of, digits, and little else."""
    plain = "".join(c if c in "._-" or unicodedata.category(c)[0] in "LMN" else " " for c in Path(case.media.name).stem)
    return ("_".join(plain.split())[:60].lstrip(".") or "case") + "-report"
