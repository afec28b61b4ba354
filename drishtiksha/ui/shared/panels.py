"""Results, facts and errors as HTML. Everything that comes from a file or a message is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from drishtiksha.casefile import CaseFile
from drishtiksha.render import facts, provenance, timeline, words
from drishtiksha.results import DISCLAIMER, AnalysisResult, MediaInfo, MediaKind, PersonScore
from drishtiksha.ui.shared.icons import icon
from drishtiksha.ui.shared.templates import fill

EMPTY = (
    '<div class="dk-empty">'
    + icon("eye")
    + "<p>The verdict appears here, with the moments and faces that led to it.</p>"
    + "<ol><li>Choose a file or an example.</li><li>Choose a detector that fits it.</li><li>Press <b>Analyze</b>.</li></ol></div>"
)


PEOPLE_SHOWN = 6
"""People beyond these are folded away, so that the pictures stay near."""


def header(retention_hours: float) -> str:
    """The page's title and its promise about files."""
    kept = f"{retention_hours:g} hours" if retention_hours != 1 else "an hour"
    return (
        f'<div class="dk-header"><div class="dk-mark">{icon("eye")}</div><div><h1>Drishtiksha</h1>'
        "<p>Examine suspicious pictures, video and sound. "
        f"Files are sent nowhere else and deleted after {kept}.</p></div></div>"
    )


def step(number: int, title: str) -> str:
    """A numbered heading."""
    return f'<h2 class="dk-step"><span aria-hidden="true">{number}</span>{escape(title)}</h2>'


def status(text: str, spoken: str = "") -> str:
    """A line that screen readers speak when it changes; `spoken` is for them alone, where the page shows it elsewhere."""
    more = f'<span class="dk-quiet"> {escape(spoken)}</span>' if spoken else ""
    return f'<div class="dk-status" role="status" aria-live="polite">{escape(text)}{more}</div>'


def hint(text: str) -> str:
    """Small explanatory text."""
    return f'<p class="dk-hint">{escape(text)}</p>'


def heading(title: str, text: str) -> str:
    """The head of a box."""
    return f"<h3>{escape(title)}</h3>{hint(text)}"


def limits(max_bytes: int, max_duration_s: float, max_pixels: int) -> str:
    """What may be uploaded, said before anybody tries."""
    return (
        f'<p class="dk-hint">Pictures, video or sound, up to {words.size(max_bytes)}, '
        f"{words.duration(max_duration_s)} and {max_pixels / 1e6:.0f} megapixels a picture.</p>"
    )


def evidence(media: MediaInfo, remarks: Iterable[str] = (), question: str = "") -> str:
    """The file's name, facts and hash, and what was asked about it."""
    notes = "".join(f"<li>{escape(remark)}</li>" for remark in remarks)
    return (
        f'<section class="dk-evidence" aria-label="Facts of the file"><h3>{escape(media.name)}</h3>'
        + _rows(facts.media_facts(media))
        + f'<p class="dk-hash"><span>SHA-256</span> <code>{escape(media.sha256)}</code></p>'
        + (f'<p class="dk-asked"><span>Asked</span> {escape(question)}</p>' if question else "")
        + (f'<ul class="dk-remarks">{notes}</ul>' if notes else "")
        + "</section>"
    )


def origin(case: CaseFile) -> str:
    """Where the file says that it comes from; empty while nobody asked it."""
    return provenance.markup(case.provenance, case.media) if case.provenance is not None else ""


def verdict(result: AnalysisResult, preliminary: bool = False, overruled: bool = False) -> str:
    """The graded verdict: icon and words, reasons, score on its scale, coverage, disclaimer.

    `overruled`: people said a word, which stands above and counts.
    """
    look = words.GRADE_LOOKS[result.grade]
    judged = sum(score.p_fake is not None or score.gap is not None for score in result.scores)
    early = (
        f'<p class="dk-early"><b>Preliminary</b> First look at {words.counted(judged, "sample")}; '
        "the full answer follows.</p>"
        if preliminary
        else ""
    )
    if overruled:
        early += '<p class="dk-early"><b>Detector</b> Overridden by the human verdict above.</p>'
    more = "".join(f"<li>{escape(one)}</li>" for one in (*result.caveats, *result.notes))
    chip = ' <span class="dk-chip">Experimental</span>' if result.experimental else ""
    return (
        f'<section class="dk-verdict dk-{look.tone}{" dk-prelim" if preliminary else ""}{" dk-overruled" if overruled else ""}" '
        f'aria-label="{"What the detector says" if overruled else "Verdict"}">{early}'
        f'<div class="dk-grade"><div class="dk-badge">{icon(look.icon)}</div><div><h2>{escape(look.title)}</h2>'
        f'<p class="dk-model">{escape(result.model_name)} on {escape(result.media.name)}{chip}</p></div></div>'
        f'<p class="dk-reason">{escape(result.reason or look.meaning)}</p>'
        + _scale(result)
        + "".join(f'<p class="dk-odds">{escape(one)}</p>' for one in result.odds)
        + _coverage(result)
        + (f'<ul class="dk-more">{more}</ul>' if more else "")
        + f'<p class="dk-disclaimer">{escape(words.disclaimer(result))}</p></section>'
    )


def waiting(model_name: str, file_name: str) -> str:
    """Holds the place of the verdict until the first answer."""
    return (
        f'<div class="dk-empty dk-waiting">{icon("eye")}<p><b>{escape(model_name)}</b> examines '
        f"{escape(file_name)}. A first answer appears here as soon as some of it was judged.</p></div>"
    )


def problem(message: str, reference: str | None = None, title: str = "This could not be analyzed") -> str:
    """An error, in the place where the verdict would be, so that it stays readable."""
    tail = f'<p class="dk-hint">Reference for the log: <code>{escape(reference)}</code></p>' if reference else ""
    return (
        f'<section class="dk-verdict dk-problem" role="alert"><div class="dk-grade"><div class="dk-badge">{icon("broken")}'
        f'</div><div><h2>{escape(title)}</h2></div></div><p class="dk-reason">{escape(message)}</p>{tail}'
        '<p class="dk-disclaimer">Nothing was concluded about the file.</p></section>'
    )


def comparison(job_id: str) -> str:
    """In place of a verdict, where a link leads to a job of several detectors."""
    return (
        f'<div class="dk-empty">{icon("eye")}<p>Several detectors examine this file: '
        f'<a class="dk-elsewhere" href="?compare={escape(job_id)}">open the comparison</a>.</p></div>'
    )


def cancelled() -> str:
    """Shown after Stop."""
    return (
        f'<section class="dk-verdict dk-grey" aria-label="Verdict"><div class="dk-grade"><div class="dk-badge">{icon("stop")}'
        '</div><div><h2>Stopped</h2></div></div><p class="dk-reason">The analysis was stopped before it was complete; '
        "nothing was concluded. Retry goes on from where it was.</p>"
        f'<p class="dk-disclaimer">{DISCLAIMER}</p></section>'
    )


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
    rows = "".join(
        f"<li><b>Face {number}</b> score {face.p_fake:.2f}, "
        f"{face.face_box[2] - face.face_box[0]:.0f} × {face.face_box[3] - face.face_box[1]:.0f} px</li>"
        for number, face in enumerate(sorted(faces, key=lambda face: face.p_fake, reverse=True), 1)
    )
    return f'<section class="dk-faces" aria-label="Faces"><h3>Faces, one by one</h3><ul>{rows}</ul></section>'


def people(result: AnalysisResult) -> str:
    """One button a person, the most suspicious first; pressing it goes to that person's highest score."""
    rows = []
    for row in ranked_people(result):
        look = words.GRADE_LOOKS[row.grade]
        rows.append(
            f'<li><button type="button" data-person="{row.person}"><span><b>Person {row.person}</b>'
            f"<small>{words.clock(row.first_s)}-{words.clock(row.last_s)}, {words.counted(row.samples, 'sample')}</small></span>"
            f'<span class="dk-person-grade">{icon(look.icon)}{escape(look.title)}</span>'
            f'<span class="dk-person-score"><b>{row.p_fake:.2f}</b><small>highest {row.highest_p_fake:.2f}</small></span>'
            "</button></li>"
        )
    if not rows:
        return ""
    shown, rest = rows[:PEOPLE_SHOWN], rows[PEOPLE_SHOWN:]
    more = (
        f'<details class="dk-people-more"><summary>{words.counted(len(rest), "more person", "more people")}</summary>'
        f'<ul class="dk-people">{"".join(rest)}</ul></details>'
        if rest
        else ""
    )
    return (
        '<section class="dk-faces" aria-label="Person by person"><h3>Person by person</h3>'
        f"{hint('Choose a person to go to the moment of the highest score.')}"
        f'<ul class="dk-people">{"".join(shown)}</ul>{more}</section>'
    )


def ranked_people(result: AnalysisResult) -> list[PersonScore]:
    """The people of a result, the most suspicious first."""
    return sorted(result.people, key=lambda row: row.p_fake, reverse=True)


def custody(result: AnalysisResult) -> str:
    """What it takes to check and repeat the run."""
    return _rows(facts.custody_facts(result), mono=("SHA-256 of the original", "Checkpoint SHA-256"))


def _rows(rows: Sequence[tuple[str, str]], mono: Sequence[str] = ()) -> str:
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{f'<code>{escape(value)}</code>' if name in mono else escape(value)}</dd></div>"
        for name, value in rows
    )
    return f'<dl class="dk-facts">{cells}</dl>'


def _scale(result: AnalysisResult) -> str:
    """The score on its way from 0 to 1, with the three zones that the thresholds make."""
    if result.p_fake is None:
        return ""
    low, high = result.thresholds.real * 100, result.thresholds.fake * 100
    at = result.p_fake * 100
    kind = "" if result.calibrated else ' <span class="dk-hint">not calibrated</span>'
    cleared = "nothing found" if low else ""
    others = f"Up to {low / 100:.2f} nothing found, between them" if low else "Below it"
    zones = f"From {high / 100:.2f} suspicious. {others}"
    return (
        f'<div class="dk-scale"><div class="dk-figure"><span>Score</span><b>{result.p_fake:.2f}</b>{kind}</div>'
        f'<div class="dk-bar" role="img" aria-label="Score {result.p_fake:.2f} of 1. {zones} inconclusive.">'
        f'<i class="dk-zone dk-z0" style="width:{low:.2f}%"></i><i class="dk-zone dk-z1" style="width:{high - low:.2f}%"></i>'
        f'<i class="dk-zone dk-z2" style="width:{100 - high:.2f}%"></i><i class="dk-pin" style="left:{at:.2f}%"></i></div>'
        f'<div class="dk-zones" aria-hidden="true"><span style="width:{low:.2f}%">{cleared}</span>'
        f'<span style="width:{high - low:.2f}%">unclear</span><span style="width:{100 - high:.2f}%">suspicious</span></div></div>'
    )


def _coverage(result: AnalysisResult) -> str:
    span = words.time_range(result)
    return (
        f'<p class="dk-coverage"><span>Coverage</span> <b>{words.share(result.coverage)}</b> '
        f"{escape(words.judged(result))}{f', {span}' if span else ''}</p>"
    )
