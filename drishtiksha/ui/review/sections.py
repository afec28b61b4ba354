"""What is known of a case under review, and what all reviews amount to, as HTML. Everything of others is escaped here."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from drishtiksha.casefile import CaseFile, PinnedNote, Review
from drishtiksha.comparison import compare
from drishtiksha.render import words
from drishtiksha.results import DISCLAIMER, AnalysisResult, Prediction
from drishtiksha.services.reviews import Agreement, ModelRecord, ReviewStats, Share
from drishtiksha.ui.review.player import PLAYER_ID
from drishtiksha.ui.shared.human import HUMAN_WORDS
from drishtiksha.ui.shared.icons import icon

EMPTY = (
    f'<div class="dk-empty">{icon("eye")}<p>Choose a case from the queue, or press <kbd>N</kbd>. The player, the scores, the '
    "findings and earlier reviews appear here.</p></div>"
)
STATS_HINT = (
    "Reviewers saw what the detectors said before they judged, so these numbers flatter the detectors. Intervals are 95 % "
    "(Wilson)."
)
DOWNLOAD_JS = """
watch('value', () => setTimeout(() => element.querySelector('a[data-fresh]')?.click(), 0));
"""


def title(case: CaseFile) -> str:
    """The name of the file, its hash, and what was asked."""
    asked = f'<p class="dk-asked"><span>Asked</span> {escape(case.question)}</p>' if case.question else ""
    return (
        f'<div class="dk-case-name"><h3>{escape(case.media.name)}</h3><p class="dk-hash"><span>SHA-256</span> '
        f"<code>{escape(case.media.sha256)}</code></p>{asked}</div>"
    )


def machines(case: CaseFile) -> str:
    """Each detector's answer, and all taken together; said to be overridden where people said a word."""
    if not case.results:
        return '<section class="dk-box"><h3>Detectors</h3><p class="dk-hint">No detector has examined this case yet.</p></section>'
    over = (
        '<p class="dk-early"><b>Overridden</b> The human verdict above counts.</p>'
        if case.human_verdict is not None
        else ""
    )
    rows = "".join(_answer(result) for result in case.results)
    below = words.INDICATION if any(result.grade in words.MANIPULATED for result in case.results) else DISCLAIMER
    told = " ".join(compare(case.results).sentence.replace(below, "").split())  # it stands below, where it is seen
    return (
        f'<section class="dk-box{" dk-overruled" if over else ""}" aria-label="What the detectors say"><h3>What the detectors say'
        f'</h3>{over}<ul class="dk-answers">{rows}</ul><p class="dk-reason">{escape(told)}</p><p class="dk-disclaimer">{escape(below)}</p></section>'
    )


def _answer(result: AnalysisResult) -> str:
    look = words.GRADE_LOOKS[result.grade]
    score = "no score" if result.p_fake is None else f"score {result.p_fake:.2f}"
    return (
        f'<li><span class="dk-row-grade dk-tone-{look.tone}">{icon(look.icon)}<b>{escape(look.title)}</b></span>'
        f"<small>{escape(result.model_name)}, {score}, {words.judged(result)}</small></li>"
    )


def findings(shots: Sequence[tuple[str, str]], result: AnalysisResult, caption: tuple[str, str]) -> str:
    """Pictures (path, title) of the moments that led to a detector's score. Empty without any."""
    if not shots:
        return ""
    figures = "".join(
        f'<figure><img src="gradio_api/file={quote(path)}" alt="{escape(title)}"><figcaption>{escape(title)}'
        "</figcaption></figure>"
        for path, title in shots
    )
    return (
        f'<section class="dk-box" aria-label="Findings"><h3>{escape(caption[0])}</h3><p class="dk-hint">{escape(result.model_name)}. '
        f'{escape(caption[1])}</p><div class="dk-shots">{figures}</div></section>'
    )


def origin(case: CaseFile, panel: str) -> str:
    """What the file says of itself: a line of summary, the whole `panel` (HTML already) folded below it."""
    if case.provenance is None:
        return ""
    notable = sum(finding.notable for finding in case.provenance.findings)
    chips = [f"Content Credentials {case.provenance.credentials.value}"]
    chips += [f"{notable} to look at"] if notable else []
    shown = "".join(f'<span class="dk-chip">{escape(chip)}</span>' for chip in chips)
    return f'<details class="dk-box dk-fold"><summary>What the file says of itself{shown}</summary>{panel}</details>'


def history(case: CaseFile) -> str:
    """Every review ever saved, newest first. Older words of a reviewer are marked as replaced, never removed."""
    if not case.reviews:
        return '<section class="dk-box"><h3>Reviews</h3><p class="dk-hint">Nobody has reviewed this case yet.</p></section>'
    current = {review.review_id for review in case.current_reviews}
    rows = "".join(_review(review, review.review_id in current) for review in reversed(case.reviews))
    return (
        '<section class="dk-box" aria-label="Reviews"><h3>Reviews</h3><p class="dk-hint">Nothing here is ever changed: a new '
        f'word of a reviewer replaces the one before, which stays.</p><ol class="dk-history">{rows}</ol></section>'
    )


def _review(review: Review, current: bool) -> str:
    title, mark, tone = HUMAN_WORDS[review.verdict]
    tags = "".join(f'<span class="dk-chip">{escape(tag)}</span>' for tag in review.tags)
    notes = "".join(f"<li>{_note(note)}</li>" for note in review.notes)
    return (
        f'<li{"" if current else " class=dk-replaced"}><p><span class="dk-said dk-tone-{tone}">{icon(mark)}<b>{title}</b></span> '
        f"{review.confidence.value} confidence{'' if current else ' <em>(replaced later)</em>'} {tags}</p>"
        f"<small>{escape(review.reviewer or 'A reviewer')}, {escape(words.moment(review.made_utc))}</small>"
        + (f"<ul>{notes}</ul>" if notes else "")
        + "</li>"
    )


def _note(note: PinnedNote) -> str:
    region = f' data-region="{",".join(f"{n:g}" for n in note.region)}"' if note.region else ""
    where = [] if note.time_s is None else [words.fine_clock(note.time_s)]
    where += ["region"] if note.region else []
    start = "" if note.time_s is None else f' data-start="{note.time_s:.3f}" data-end="0"'
    pin = (
        f'<button type="button" class="dk-go" data-player="{PLAYER_ID}"{start}{region}>{", ".join(where)}</button> '
        if where
        else ""
    )
    return f'{pin}<span class="dk-words">{escape(note.text)}</span>'


def stats(found: ReviewStats) -> str:
    """Agreement of reviewers, and each detector against the labels so far."""
    people = words.counted(found.reviewed, "case")
    top = f"{people} of {found.cases} reviewed; reviewers differ on {found.disputed}."
    return (
        f'<div class="dk-stats"><p>{top}</p>{_agreement(found.agreement)}{_records(found.models)}'
        f'<p class="dk-hint">{STATS_HINT}</p></div>'
    )


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], spans: str = "") -> str:
    """`rows` are escaped already; `spans` is a row of headings above."""
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>' for row in rows
    )
    return (
        f'<h4>{title}</h4><div class="dk-scroll" tabindex="0" role="region" aria-label="{title}"><table class="dk-numbers"><thead>'
        f"{spans}<tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _agreement(pairs: Sequence[Agreement]) -> str:
    if not pairs:
        return '<h4>Agreement of reviewers</h4><p class="dk-hint">No two reviewers have judged the same case yet.</p>'
    rows = [
        (
            f"{escape(pair.first)} and {escape(pair.second)}",
            str(pair.common),
            str(pair.same),
            f"<small>{escape(pair.reason or '')}</small>" if pair.kappa is None else f"<b>{pair.kappa:.2f}</b>",
        )
        for pair in pairs
    ]
    return _table("Agreement of reviewers", ("Reviewers", "Cases in common", "Same verdict", "Cohen's kappa"), rows)


def _records(records: Sequence[ModelRecord]) -> str:
    if not records:
        return '<h4>Detectors against human labels</h4><p class="dk-hint">No examined case has a human label yet.</p>'
    spans = (
        '<tr><td></td><th colspan="3" scope="colgroup">labelled genuine, called</th>'
        '<th colspan="3" scope="colgroup">labelled manipulated, called</th><td colspan="3"></td></tr>'
    )
    called = ("real", "fake", "incon&shy;clusive")
    rows = [
        (
            escape(record.model_name),
            *(str(record.genuine[p]) for p in Prediction),
            *(str(record.manipulated[p]) for p in Prediction),
            str(record.unclear),
            _share(record.precision),
            _share(record.recall),
        )
        for record in records
    ]
    heads = ("Detector", *called, *called, "Unclear", "Precision", "Recall")
    return _table("Detectors against human labels", heads, rows, spans)


def _share(one: Share) -> str:
    if one.value is None or one.low is None or one.high is None:
        return "–<small>nothing to count</small>"
    return f"<b>{one.value:.2f}</b><small>{one.low:.2f}–{one.high:.2f}, n = {one.n}</small>"


def download(data: bytes, name: str, told: str) -> str:
    """A link that the page follows at once; the file is in the link, so that nothing is left on the server."""
    kind = "text/csv" if Path(name).suffix == ".csv" else "application/x-ndjson"
    link = f"data:{kind};charset=utf-8;base64,{base64.b64encode(data).decode('ascii')}"
    return f'<p class="dk-hint" role="status" aria-live="polite">{escape(told)} <a data-fresh download="{escape(name)}" href="{link}">{escape(name)}</a></p>'


def notice(text: str, problem: bool = False) -> str:
    """A line that is spoken; several lines stay apart."""
    lines = "<br>".join(escape(line) for line in text.splitlines())
    return (
        f'<p class="{"dk-warn" if problem else "dk-hint"}" role="{"alert" if problem else "status"}">{lines}</p>'
        if text
        else ""
    )
