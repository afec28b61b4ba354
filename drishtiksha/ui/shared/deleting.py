"""Deleting a case: asked once, and taken back for some seconds. `delete.js` and `undo.js` press the buttons."""

from __future__ import annotations

from drishtiksha.services.workbench import UNDO_S
from drishtiksha.ui.shared.templates import macro


def button(case_id: str) -> str:
    """Asks once before it deletes."""
    return macro("shared/delete.html", "button", case_id=case_id)


def deleted(case_id: str, name: str) -> str:
    """Says that a case is gone, and takes it back while there is time."""
    return macro("shared/delete.html", "deleted", case_id=case_id, name=name, seconds=round(UNDO_S))
