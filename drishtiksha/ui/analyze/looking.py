"""Look closer: one frame under a magnifier and through filters, and the first frames of the scenes."""

from __future__ import annotations

import gradio as gr

from drishtiksha.answer.looking import key_frames_text, look_text, magnifier_help, reverse_search_text
from drishtiksha.casefile import Viewer
from drishtiksha.errors import CaseGoneError, DrishtikshaError
from drishtiksha.forensics import Filter
from drishtiksha.provenance import reverse_search_links
from drishtiksha.results import MediaInfo, MediaKind
from drishtiksha.services.looking import KeyFrames, Look
from drishtiksha.services.workbench import OpenCase
from drishtiksha.ui.analyze import view
from drishtiksha.ui.analyze.state import Update
from drishtiksha.ui.shared.desk import Desk
from drishtiksha.ui.shared.failure import failure_sentence
from drishtiksha.ui.shared.templates import fill


def offered(media: MediaInfo) -> Update:
    """The panel before anybody looked; none for sound."""
    return Update(
        look_box=gr.update(visible=media.has_video),
        look=_frame(media) if media.has_video else "",
        key_frames=_scenes() if media.kind is MediaKind.VIDEO else "",
    )


def nothing() -> Update:
    """No panel."""
    return Update(look_box=gr.update(visible=False, open=False), look="", key_frames="")


def look(desk: Desk, case_id: str | None, through: str, time_s: object, viewer: Viewer) -> Update:
    """A frame through a filter. Raises: CaseGoneError; ValueError for a filter or a time that is none."""
    if not case_id:
        return {}
    opened = desk.workbench.seen_by(viewer).open(case_id)
    chosen, at = Filter(through), float(str(time_s))
    try:
        return Update(look=_frame(opened.media, opened.look(chosen, at)))
    except CaseGoneError:
        raise
    except DrishtikshaError as error:
        return Update(look=_frame(opened.media, problem=failure_sentence(error)[0]))


def scenes(desk: Desk, case_id: str | None, viewer: Viewer) -> Update:
    """The key frames of a video. Raises: CaseGoneError."""
    if not case_id:
        return {}
    opened = desk.workbench.seen_by(viewer).open(case_id)
    try:
        return Update(key_frames=_scenes(opened.key_frames(), opened))
    except CaseGoneError:
        raise
    except DrishtikshaError as error:
        return Update(key_frames=_scenes(problem=failure_sentence(error)[0]))


def _frame(media: MediaInfo, seen: Look | None = None, problem: str = "") -> str:
    return fill(
        "analyze/look.html",
        filters=[(one, look_text(one)) for one in Filter],
        seen=seen,
        told=look_text(seen.filter) if seen is not None else None,
        moving=media.kind is MediaKind.VIDEO,
        player_id=view.PLAYER_ID,
        help=magnifier_help(),
        searches=reverse_search_links(),
        search_told=reverse_search_text(),
        problem=problem,
    )


def _scenes(found: KeyFrames | None = None, opened: OpenCase | None = None, problem: str = "") -> str:
    folder = opened.derived() if opened is not None else None
    return fill(
        "analyze/key_frames.html",
        found=found,
        frames=[(one, str(folder / one.file)) for one in found.frames]
        if found is not None and folder is not None
        else [],
        told=key_frames_text(len(found.frames), found.found, found.step_s, found.until_s, opened.media.duration_s)
        if found is not None and opened is not None
        else "",
        player_id=view.PLAYER_ID,
        problem=problem,
    )
