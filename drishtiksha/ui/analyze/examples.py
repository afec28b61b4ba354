"""Finished examples: files that come with the project, each with what the detectors found, to be read before anything is run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import gradio as gr

from drishtiksha.answer import Answer, answer_of, look_of
from drishtiksha.answer.doubts import Doubt, deciding_conditions, doubt_of
from drishtiksha.casefile import CaseFile
from drishtiksha.media.evidence import Evidence
from drishtiksha.settings import ROOT, MediaLimits
from drishtiksha.ui.analyze import reading, view
from drishtiksha.ui.analyze.state import Update
from drishtiksha.ui.shared import links, panels, player
from drishtiksha.ui.shared.templates import fill

FOLDER = ROOT / "assets" / "examples"
NOTE = "A finished one: nothing was run for you. Below it can be examined here."


@dataclass(frozen=True)
class Example:
    """A file of the project and the case that was made of it."""

    name: str
    title: str
    path: Path
    case: CaseFile
    answer: Answer


@cache
def all_of_them() -> dict[str, Example]:
    """By name, in the order of the titles file; without those whose file is not here."""
    found: dict[str, Example] = {}
    for path in sorted(FOLDER.glob("*.json")):
        case = CaseFile.model_validate_json(path.read_text(encoding="utf-8"))
        media = ROOT / "assets" / case.media.name
        if media.is_file():
            answer = answer_of(case.media, case.results, case.provenance)
            found[case.media.name] = Example(case.media.name, case.question, media, case, answer)
    return found


@cache
def _doubt(name: str) -> Doubt | None:
    """Why the example may be a false alarm."""
    one = all_of_them()[name]
    seen = deciding_conditions(one.answer, Evidence(one.path, one.case.media), MediaLimits())
    return doubt_of(one.answer, one.case.results, seen, one.case.stress)


def path_of(name: str) -> Path | None:
    """The file of an example; None for a name that is none."""
    found = all_of_them().get(name)
    return found.path if found is not None else None


def cards() -> str:
    """A button an example with its picture, its state and what it says."""
    shown = [(one, look_of(one.answer.state, one.answer.grade)) for one in all_of_them().values()]
    return fill("analyze/examples.html", examples=shown)


def show(name: str, *, may_add: bool) -> Update:
    """The finished example in the place of a case; nothing of it can be changed. may_add: detectors are added on the page."""
    found = all_of_them().get(name)
    if found is None:
        return {}
    from drishtiksha.ui.analyze.handlers import cleared

    case = found.case
    return (
        cleared()
        | reading.written(case, found.answer, "", may_add=may_add)
        | reading.doubted(_doubt(name), may_run=False)
        | Update(
            case="",
            example=name,
            notice="",
            answer=view.head(found.answer, example=NOTE),
            lines=view.lines(found.answer, may_add=may_add),
            chooser=gr.update(visible=False),
            desk=gr.update(visible=True),
            player=player.player(case.media, found.path, view.PLAYER_ID),
            facts=panels.evidence(case.media),
            provenance=panels.origin(case),
            note_box=gr.update(visible=False),
            detectors=gr.update(visible=False),
            manage=gr.update(visible=True),
            try_it=gr.update(visible=True),
            delete="",
            link=links.nothing("job"),
        )
    )
