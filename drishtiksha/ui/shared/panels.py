"""Results, facts and errors as HTML."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from drishtiksha.casefile import CaseFile
from drishtiksha.provenance import reverse_search_links
from drishtiksha.render import facts, timeline, words
from drishtiksha.render.provenance import CAUTION, LOOKS
from drishtiksha.results import DISCLAIMER, AnalysisResult, MediaInfo, MediaKind, PersonScore
from drishtiksha.ui.shared.templates import fill, macro

PEOPLE_SHOWN = 6
"""People beyond these are folded away, so that the pictures stay near."""
_line = partial(macro, "shared/lines.html")
_no_verdict = partial(macro, "shared/no_verdict.html")


def header(retention_hours: float) -> str:
    """The page's title and its promise about files."""
    return _line("header", kept=f"{retention_hours:g} hours" if retention_hours != 1 else "an hour")


def step(number: int, title: str) -> str:
    """A numbered heading."""
    return _line("step", number=number, title=title)


def status(text: str, spoken: str = "") -> str:
    """A line that screen readers speak when it changes; `spoken` is for them alone, where the page shows it elsewhere."""
    return _line("status", text=text, spoken=spoken)


def heading(title: str, text: str = "") -> str:
    """The head of a box, with a line of explanation."""
    return _line("heading", title=title, text=text)


def limits(max_bytes: int, max_duration_s: float, max_pixels: int) -> str:
    """What may be uploaded, said before anybody tries."""
    return _line("limits", max_bytes=max_bytes, max_duration_s=max_duration_s, max_pixels=max_pixels)


def evidence(media: MediaInfo, remarks: Iterable[str] = (), question: str = "") -> str:
    """The file's name, facts and hash, and what was asked about it."""
    rows = facts.media_facts(media)
    return fill("shared/evidence.html", media=media, rows=rows, remarks=list(remarks), question=question)


def origin(case: CaseFile) -> str:
    """Where the file says that it comes from, the notable in the open, the rest folded; empty while nobody asked it."""
    if case.provenance is None:
        return ""
    return fill(
        "shared/provenance.html",
        provenance=case.provenance,
        look=LOOKS[case.provenance.credentials],
        media=case.media,
        searches=() if case.media.kind is MediaKind.AUDIO else reverse_search_links(),
        caution=CAUTION,
    )


def verdict(result: AnalysisResult, preliminary: bool = False, overruled: bool = False) -> str:
    """The graded verdict: icon and words, reasons, score on its scale, coverage, disclaimer.

    `overruled`: people said a word, which stands above and counts.
    """
    judged = sum(score.p_fake is not None or score.gap is not None for score in result.scores)
    return fill("analyze/verdict.html", result=result, preliminary=preliminary, overruled=overruled, judged=judged)


def empty() -> str:
    """Holds the place of the verdict while no file is chosen."""
    return _no_verdict("empty")


def waiting(model_name: str, file_name: str) -> str:
    """Holds the place of the verdict until the first answer."""
    return _no_verdict("waiting", model_name=model_name, file_name=file_name)


def problem(message: str, reference: str | None = None, title: str = "This could not be analyzed") -> str:
    """An error, in the place where the verdict would be, so that it stays readable."""
    return _no_verdict("problem", title=title, message=message, reference=reference)


def comparison(job_id: str) -> str:
    """In place of a verdict, where a link leads to a job of several detectors."""
    return _no_verdict("comparison", job_id=job_id)


def cancelled() -> str:
    """Shown after Stop."""
    return _no_verdict("cancelled", disclaimer=DISCLAIMER)


def score_over_time(result: AnalysisResult) -> str:
    """The timeline; empty for a picture."""
    if not timeline.has_timeline(result):
        return ""
    chart = timeline.score_chart(result)
    return fill("shared/score_over_time.html", chart=chart, key="dk-score", reading=_reading(result))


def _reading(result: AnalysisResult) -> str:
    """How to read the timeline: what a point stands for, and why parts of it are hatched."""
    window = next(
        (score.end_s - score.time_s for score in result.scores if score.end_s and score.time_s is not None), None
    )
    point = f"Each point stands for {words.duration(window)} of sound. " if window else ""
    why = ", ".join(dict.fromkeys(timeline.gap_words(gap.reason) for gap in timeline.gaps(result)))
    hatched = f"Hatched stretches could not be judged ({why}). " if why else ""
    return f"{point}{hatched}Click a moment to go there in the player."


def faces_of_picture(result: AnalysisResult) -> str:
    """One line a face of a picture, most suspicious first; empty when there are none."""
    faces = [face for score in result.scores for face in score.faces]
    if result.media.kind is not MediaKind.IMAGE or not faces:
        return ""
    return fill("analyze/faces.html", faces=sorted(faces, key=lambda face: face.p_fake, reverse=True))


def people(result: AnalysisResult) -> str:
    """One button a person, the most suspicious first; pressing it goes to that person's highest score."""
    ranked = ranked_people(result)
    if not ranked:
        return ""
    return fill("analyze/people.html", first=ranked[:PEOPLE_SHOWN], others=ranked[PEOPLE_SHOWN:])


def ranked_people(result: AnalysisResult) -> list[PersonScore]:
    """The people of a result, the most suspicious first."""
    return sorted(result.people, key=lambda row: row.p_fake, reverse=True)


def custody(result: AnalysisResult) -> str:
    """What it takes to check and repeat the run."""
    return fill("analyze/custody.html", rows=facts.custody_facts(result))
