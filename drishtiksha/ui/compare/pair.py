"""Two files under one detector, side by side, as HTML."""

from __future__ import annotations

from collections.abc import Sequence

from drishtiksha.casefile import CaseFile, JobState, JobView
from drishtiksha.comparison import contrast
from drishtiksha.errors import without_server_paths
from drishtiksha.render import words
from drishtiksha.render.comparison_words import letters
from drishtiksha.results import DISCLAIMER, AnalysisResult, MediaInfo
from drishtiksha.ui.compare.sections import highest
from drishtiksha.ui.shared.human import HUMAN_WORDS
from drishtiksha.ui.shared.templates import fill


def file_names(media: Sequence[MediaInfo]) -> list[str]:
    """The names of the files; told apart by the start of their hashes where they are called the same."""
    called = [one.name for one in media]
    if len(set(called)) == len(called):
        return called
    return [f"{one.name} ({one.sha256[:8]})" for one in media]


def difference(results: Sequence[AnalysisResult | None]) -> str:
    """How the answers differ, in words, once both are there."""
    first, second = (*results, None, None)[:2]
    if first is None or second is None:
        told = "The second answer is still to come." if first or second else "Neither file was judged yet."
        return fill("compare/difference.html", complete=False, same_file=False, sentence=told)
    return fill(
        "compare/difference.html",
        complete=True,
        same_file=first.media.sha256 == second.media.sha256,
        sentence=contrast(first, second),
        disclaimer=words.INDICATION if {first.grade, second.grade} & words.MANIPULATED else DISCLAIMER,
    )


def cards(views: Sequence[JobView], cases: Sequence[CaseFile], players: Sequence[str]) -> str:
    """A card for each file with its graded answer, or with why there is none; a person's verdict above it."""
    called = file_names([case.media for case in cases])
    each = zip(letters(len(views)), called, views, cases, players, strict=True)
    return fill(
        "compare/pair.html",
        cards=[
            {
                "letter": letter,
                "name": name,
                "human": HUMAN_WORDS[case.human_verdict] if case.human_verdict is not None else None,
                "answer": view.results[0] if view.results else None,
                "highest": highest(view.results[:1]),
                "why": _why_none(view),
                "player_id": player_id,
            }
            for letter, name, view, case, player_id in each
        ],
    )


def _why_none(view: JobView) -> str:
    """Why a job has no result."""
    if view.errors:
        return without_server_paths(" ".join(view.errors.values()))
    if view.state is JobState.CANCELLED:
        return "Stopped before it was judged."
    return "No result." if view.state.ended else "Waiting for its turn."
