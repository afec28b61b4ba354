"""Setting up a comparison, as plain functions on a `Desk`: files, detectors and the plan. No component is known here.

Each answers a dict of output name -> new value; the tab maps names to its components.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import gradio as gr

from drishtiksha.casefile import Right, Viewer
from drishtiksha.errors import NotAllowedError
from drishtiksha.registry import ModelStatus
from drishtiksha.results import MediaInfo
from drishtiksha.services.intake import deleted_on_failure
from drishtiksha.services.plan import fitting
from drishtiksha.services.workbench import REFUSALS, OpenCase
from drishtiksha.ui.compare import sections
from drishtiksha.ui.compare.setup import plan
from drishtiksha.ui.compare.state import Update
from drishtiksha.ui.shared import choice, deleting, downloads, links, panels, player, shown
from drishtiksha.ui.shared.desk import Desk, discard_upload
from drishtiksha.ui.shared.failure import failure_sentence, guarded

Side = Literal["a", "b"]
Mode = Literal["models", "files"]
Quick = Literal["all", "each", "none"]
PLAYERS = {"a": "dk-player-a", "b": "dk-player-b"}


@dataclass(frozen=True)
class Setup:
    """What is chosen: up to two cases, several models on one file or one model on two files, and the models."""

    case_a: str = ""
    case_b: str = ""
    mode: Mode = "models"
    picks: tuple[str, ...] = ()

    @classmethod
    def of(cls, case_a: str | None, case_b: str | None, mode: str | None, picks: str | None) -> Setup:
        """From the values of the components."""
        kind: Mode = "files" if mode == "files" else "models"
        return cls(case_a or "", case_b or "", kind, tuple(choice.picked(picks)))

    @property
    def cases(self) -> tuple[str, ...]:
        """The cases that take part, in order; a file that is not chosen yet is left out."""
        return tuple(case for case in ((self.case_a, self.case_b)[: 2 if self.mode == "files" else 1]) if case)

    @property
    def lacking(self) -> str:
        """What must be chosen before anything can be run; "" where nothing is missing."""
        if len(self.cases) < (2 if self.mode == "files" else 1):
            return "Choose two files first." if self.mode == "files" else "Choose a file first."
        if not self.picks:
            return "Choose a detector first." if self.mode == "files" else "Choose two or more detectors first."
        return ""

    def with_case(self, side: Side, case_id: str) -> Setup:
        """The same with another file on one side."""
        return Setup(
            case_id if side == "a" else self.case_a, case_id if side == "b" else self.case_b, self.mode, self.picks
        )


def failed(error: BaseException, title: str = "This could not be compared") -> Update:
    """A failure, in the place of the result, so that it stays readable; what somebody may not do changes nothing there."""
    if isinstance(error, NotAllowedError):
        return {"status": panels.status(str(error))}
    message, reference = failure_sentence(error)
    return emptied() | {
        "board": panels.problem(message, reference, title),
        "status": panels.status(f"{title}."),
        "run": gr.update(visible=True),
        "stop": gr.update(visible=False),
    }


@guarded(lambda error: failed(error, "This file could not be opened"))
def take(desk: Desk, setup: Setup, side: Side, path: Path, viewer: Viewer, *, upload: bool) -> Update:
    """Copy and hash a file at once, delete gradio's copy of an upload, show what it is, and choose detectors that fit."""
    try:
        case = desk.take(path, path.name, viewer)
        with deleted_on_failure(case):
            shown = show_file(side, case)
            setup = setup.with_case(side, case.case_id)
            if side == "a":
                setup = suited(desk, setup, case.media)
            return cleared() | shown | refresh(desk, setup, viewer)
    finally:
        if upload:
            discard_upload(path, desk.settings.upload_kept_s)


def suited(desk: Desk, setup: Setup, media: MediaInfo) -> Setup:
    """The picks that can examine the file; where none is left, one of each kind of trace."""
    statuses = desk.models()
    able = {status.name for status in statuses if status.can_examine(media)}
    kept = tuple(name for name in setup.picks if name in able)
    picks = kept or tuple(choice.one_of_each(statuses, media))
    return Setup(setup.case_a, setup.case_b, setup.mode, picks)


def show_file(side: Side, opened: OpenCase) -> Update:
    """Facts and player of a case in place of the drop zone. Raises: CaseGoneError, MediaError."""
    case = opened.read()
    copy = shown.display_copy(opened)
    return _of_side(
        side,
        case=case.case_id,
        chooser=gr.update(visible=False),
        box=gr.update(visible=True),
        delete=deleting.button(case.case_id) if opened.may(Right.CHANGE) else "",
        notice="",
        player=player.player(case.media, copy, PLAYERS[side]),
        facts=panels.evidence(case.media) + panels.origin(case),
    )


def _of_side(side: Side, **values: object) -> Update:
    """The outputs of one of the two files, by their names without the side."""
    return cast(Update, {f"{name}_{side}": value for name, value in values.items()})


@guarded(failed)
def quick(desk: Desk, setup: Setup, which: Quick, viewer: Viewer) -> Update:
    """All that fit this file, one of each kind of trace, or none."""
    statuses = desk.models()
    media = desk.workbench.seen_by(viewer).open(setup.case_a).media if setup.case_a else None
    picks: Sequence[str] = ()
    if which == "each":
        picks = choice.one_of_each(statuses, media)
    elif which == "all":
        picks = fitting(statuses, media) if media else [s.name for s in statuses if s.can_examine(None)]
    return refresh(desk, Setup(setup.case_a, setup.case_b, setup.mode, tuple(picks)), viewer)


def refresh(desk: Desk, setup: Setup, viewer: Viewer) -> Update:
    """Detectors and plan as they fit what is chosen now. Raises: CaseGoneError."""
    single = setup.mode == "files"
    picks = setup.picks[:1] if single else setup.picks
    media = desk.workbench.seen_by(viewer).open(setup.case_a).media if setup.case_a else None
    statuses = desk.models()
    return {
        "picks": gr.update(value=choice.value_of(picks), markup=choice.checkboxes(statuses, picks, media, single)),
        "quick": gr.update(visible=not single),
        "all": gr.update(interactive=media is not None),
        "second": gr.update(visible=single),
    } | _planned(desk, Setup(setup.case_a, setup.case_b, setup.mode, picks), statuses, viewer)


@guarded(failed)
def planned(desk: Desk, setup: Setup, viewer: Viewer) -> Update:
    """The plan after other detectors were picked; the list itself stays as it is."""
    return _planned(desk, setup, desk.models(), viewer)


def _planned(desk: Desk, setup: Setup, statuses: Sequence[ModelStatus], viewer: Viewer) -> Update:
    """The plan, and whether it can be run, with the reason where it cannot.

    Raises: CaseGoneError for a file that the viewer may not see.
    """
    configured = {status.name for status in statuses}
    asked = [name for name in setup.picks if name in configured]
    opened = [desk.workbench.seen_by(viewer).open(case_id) for case_id in setup.cases]
    plans = [case.plan(asked) for case in opened] if asked else []
    lacking = setup.lacking
    if not all(case.may(Right.RUN) for case in opened):
        lacking = REFUSALS[Right.RUN]
    return {
        "plan": plan(plans),
        "lacking": panels.status(lacking),
        "run": gr.update(interactive=not lacking and all(one.runnable for one in plans)),
    }


@guarded(failed)
def change_mode(desk: Desk, setup: Setup, viewer: Viewer) -> Update:
    """From several detectors to two files and back."""
    return cleared() | refresh(desk, setup, viewer)


@guarded(failed)
def close(desk: Desk, setup: Setup, side: Side, viewer: Viewer, *, delete: bool = False) -> Update:
    """Back to the drop zone of one side; the case stays until its time is over unless it is deleted."""
    case_id = setup.case_a if side == "a" else setup.case_b
    notice = ""
    if delete and case_id:
        case = desk.workbench.seen_by(viewer).open(case_id)
        case.delete_soon()
        notice = deleting.deleted(case_id, case.media.name)
    left = setup.with_case(side, "")
    empty = _of_side(
        side,
        case="",
        chooser=gr.update(visible=True),
        box=gr.update(visible=False),
        player="",
        facts="",
        delete="",
        notice=notice,
    )
    return cleared() | empty | refresh(desk, left, viewer)


@guarded(failed)
def undo(desk: Desk, setup: Setup, side: Side, case_id: str, viewer: Viewer) -> Update:
    """Take a deletion back and show the file again on its side."""
    case = desk.workbench.seen_by(viewer).restore(case_id)
    setup = setup.with_case(side, case_id)
    return cleared() | show_file(side, case) | refresh(desk, setup, viewer)


def emptied() -> Update:
    """The result without anything in it."""
    return {"board": "", "table": "", "chart": "", "segments": "", "seen": ""}


def cleared() -> Update:
    """The result side with nothing in it, and no comparison in the address line."""
    return emptied() | {
        "board": sections.empty(),
        "status": panels.status(""),
        "link": links.nothing("compare"),
        "code": "",
        "run": gr.update(visible=True),
        "stop": gr.update(visible=False),
        "retry": gr.update(visible=False),
        "report": gr.update(visible=False),
        "reports_a": downloads.buttons(),
        "reports_b": gr.update(visible=False),
    }
