"""The answer of a case as HTML."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from drishtiksha.answer import Answer, LeftOut, Texts, look_of
from drishtiksha.answer.doubts import Doubt
from drishtiksha.casefile import LineKind, StressResult
from drishtiksha.render import facts, words
from drishtiksha.render.comparison import comparison_chart, has_chart
from drishtiksha.results import GAP_TEXT, AnalysisResult, FaceScore, MediaInfo, MediaKind, PersonScore, TrackKind
from drishtiksha.ui.shared import shown
from drishtiksha.ui.shared.templates import fill

PLAYER_ID = "dk-player-answer"
STOPPED = "Stopped. What was finished is kept."
PEOPLE_SHOWN = 6
STRESS_KINDS = {"jpeg": "JPEG", "h264": "H.264", "excerpt": "A part of the file"}


class Shot(NamedTuple):
    """A picture of a moment."""

    path: str
    title: str
    time_s: float | None


def head(answer: Answer, *, overruled: bool = False, example: str = "") -> str:
    """State, why, the sentence to quote and what the answer does not prove. example: what is said of a finished example."""
    return fill(
        "analyze/answer.html",
        answer=answer,
        look=look_of(answer.state, answer.grade),
        overruled=overruled,
        example=example,
    )


def lines(answer: Answer, job_id: str = "", case_id: str = "", *, may_add: bool) -> str:
    """Every line of evidence, those that are still at work, and what to do next. may_add: detectors are added on the page."""
    advice = "advised.own" if may_add else "advised.host"
    told = Texts.of(answer.language)(advice, models=", ".join(answer.advised)) if answer.advised else ""
    return fill(
        "analyze/lines.html",
        answer=answer,
        advice=told,
        may_add=may_add,
        looks={line.kind: look_of(line.state, line.grade) for line in answer.lines},
        history=LineKind.HISTORY,
        player_id=PLAYER_ID if answer.media.kind is not MediaKind.IMAGE else "",
        job_id=job_id,
        case_id=case_id,
    )


def tracks(media: MediaInfo, chosen: int | None, *, may_run: bool, ready: bool) -> str:
    """The sound and picture tracks of a file that has several of a kind, each to be examined alone; "" where it has not.

    chosen: the track that the answer is about; None: all. may_run: else they are only told. ready: nothing is at work.
    """
    several = [track for kind in (TrackKind.PICTURE, TrackKind.SOUND) for track in media.several(kind)]
    offered = [(track, facts.track_words(track)) for track in several]
    return fill("analyze/tracks.html", tracks=offered, chosen=chosen, may_run=may_run, ready=ready)


class Offer(NamedTuple):
    """A button that runs detectors."""

    models: tuple[str, ...]
    text: str


def left_out(answer: Answer, recommended: Collection[str], *, may_run: bool) -> str:
    """The detectors that have not run, each with a button, and one for several of them; "" where all have run.

    recommended: names of the recommended set. may_run: else there are no buttons. They wait for what is at work.
    """
    chosen = [one for one in answer.left_out if one.model_name in recommended]
    together = [_offer("the recommended ones", chosen)] if chosen and len(chosen) < len(answer.left_out) else []
    if len(answer.left_out) > 1:
        together.append(_offer(f"all {len(answer.left_out)}", answer.left_out))
    return fill(
        "analyze/left_out.html",
        answer=answer,
        each=[(one, _offer("", [one])) for one in answer.left_out],
        together=together,
        may_run=may_run,
        ready=answer.complete,
    )


def _offer(which: str, some: Sequence[LeftOut]) -> Offer:
    """ "Also run all 3 (2 to 6 min)"."""
    known = [one.seconds for one in some if one.seconds is not None]
    time = f" ({words.between(*(sum(ends) for ends in zip(*known, strict=True)))})" if len(known) == len(some) else ""
    which = some[0].model_name if len(some) == 1 else which
    return Offer(tuple(one.model_name for one in some), f"Also run {which}{time}")


def timeline(results: Sequence[AnalysisResult], answer: Answer) -> str:
    """One drawing of all lines over time, of the detector that decides each; "" for a picture."""
    by_name = {result.model_name: result for result in results}
    drawn: list[tuple[str, AnalysisResult]] = []
    for line in answer.lines:
        behind = sorted(line.detectors, key=lambda one: not one.decides)
        found = next((by_name[one.model_name] for one in behind if one.model_name in by_name), None)
        if found is not None and any(one.time_s is not None and one.p_fake is not None for one in found.scores):
            drawn.append((line.title, found))
    if not has_chart([result for _, result in drawn]):
        return ""
    chart = comparison_chart([result for _, result in drawn], names=[title for title, _ in drawn])
    told = replace(chart, title="All checks over time", lines=tuple(replace(one, detail="") for one in chart.lines))
    at = words.fine_clock(chart.axis.start_s)
    return fill("analyze/timeline.html", chart=told, key="dk-answer-chart", players=PLAYER_ID, at=at)


def moments(result: AnalysisResult, shots: Sequence[Shot]) -> str:
    """Pictures of the moments that led to a suspicion; "" without any."""
    title, told = shown.gallery_caption(result)
    return fill("analyze/moments.html", title=title, told=told, shots=shots, player_id=PLAYER_ID) if shots else ""


def details(results: Sequence[AnalysisResult]) -> str:
    """Detector by detector: its score on its scale, coverage, persons, and what it takes to repeat the run."""
    return fill("analyze/details.html", cards=[_detail(result) for result in results], player_id=PLAYER_ID)


def _detail(result: AnalysisResult) -> dict[str, object]:
    people = ranked_people(result)
    return {
        "result": result,
        "look": words.GRADE_LOOKS[result.grade],
        "span": words.time_range(result),
        "people": [(person, _highest_s(result, person.person)) for person in people[:PEOPLE_SHOWN]],
        "more": max(0, len(people) - PEOPLE_SHOWN),
        "faces": _faces(result),
        "custody": [row for row in facts.custody_facts(result) if row[0] != "Error rates"],  # told above it
    }


def ranked_people(result: AnalysisResult) -> list[PersonScore]:
    """The people with samples enough to be judged, the most suspicious first."""
    enough = result.seen_enough
    return sorted(enough, key=lambda row: row.p_fake, reverse=True)


def _faces(result: AnalysisResult) -> list[FaceScore]:
    """The faces of a picture, the most suspicious first."""
    faces = [face for score in result.scores for face in score.faces if result.media.kind is MediaKind.IMAGE]
    return sorted(faces, key=lambda face: face.p_fake, reverse=True)


def _highest_s(result: AnalysisResult, person: int) -> float | None:
    """When the score of a person was highest."""
    seen = [(f.p_fake, s.time_s) for s in result.scores for f in s.faces if f.person == person and s.time_s is not None]
    return max(seen)[1] if seen else None


def doubt(found: Doubt, *, may_run: bool) -> str:
    """Why it may be a false alarm. may_run: the viewer may start a stress test."""
    return fill("analyze/doubt.html", doubt=found, player_id=PLAYER_ID, may_run=may_run)


def stress_test(stress: StressResult) -> str:
    """The band of scores, what it tells in sentences, and every change as a row of a table."""
    groups = [
        (STRESS_KINDS.get(kind, kind.capitalize()), list(points))
        for kind, points in groupby(stress.points, lambda point: point.kind)
    ]
    return fill("analyze/stress.html", stress=stress, groups=groups, gap_text=GAP_TEXT)
