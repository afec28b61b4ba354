"""What is known of a case under review, and what all reviews amount to, as HTML."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from drishtiksha.casefile import CaseFile
from drishtiksha.comparison import compare
from drishtiksha.render import words
from drishtiksha.results import AnalysisResult, Prediction
from drishtiksha.services.reviews import ReviewStats
from drishtiksha.ui.review.player import PLAYER_ID
from drishtiksha.ui.shared.human import HUMAN_WORDS
from drishtiksha.ui.shared.templates import fill


def empty() -> str:
    """Stands there while no case is open."""
    return fill("review/empty.html")


def case_title(case: CaseFile) -> str:
    """The name of the file, its hash, and what was asked."""
    return fill("review/case_title.html", case=case)


def answers(case: CaseFile) -> str:
    """Each detector's answer, and all taken together; said to be overridden where people judged the case."""
    if not case.results:
        return fill("review/answers.html", case=case)
    below = " ".join(words.disclaimers(case.results))
    return fill("review/answers.html", case=case, sentence=compare(case.results).said, disclaimer=below)


def telling_pictures(shots: Sequence[tuple[str, str]], result: AnalysisResult, caption: tuple[str, str]) -> str:
    """Pictures (path, title) of the moments that led to a detector's score. Empty without any."""
    if not shots:
        return ""
    title, told = caption
    return fill("review/findings.html", shots=shots, model_name=result.model_name, title=title, caption=told)


def origin(case: CaseFile, panel: str) -> str:
    """What the file says of itself: a line of summary, the whole `panel` (`panels.origin`) folded below it."""
    if case.provenance is None:
        return ""
    notable = sum(finding.notable for finding in case.provenance.findings)
    chips = [f"Content Credentials {case.provenance.credentials.value}"]
    chips += [f"{notable} to look at"] if notable else []
    return fill("review/origin.html", chips=chips, panel=panel)


def history(case: CaseFile) -> str:
    """Every review ever saved, newest first. Older reviews of a reviewer are marked as replaced, never removed."""
    return fill(
        "review/history.html",
        reviews=case.reviews,
        current={review.review_id for review in case.current_reviews},
        verdicts=HUMAN_WORDS,
        player_id=PLAYER_ID,
    )


def statistics(found: ReviewStats) -> str:
    """Agreement of reviewers, and each detector against the labels so far."""
    return fill("review/statistics.html", found=found, predictions=list(Prediction))


def download_link(data: bytes, name: str, told: str) -> str:
    """A link that the page follows at once; the file is in the link, so that nothing is left on the server."""
    kind = "text/csv" if Path(name).suffix == ".csv" else "application/x-ndjson"
    link = f"data:{kind};charset=utf-8;base64,{base64.b64encode(data).decode('ascii')}"
    return fill("review/download_link.html", name=name, link=link, told=told)


def notice(text: str, problem: bool = False) -> str:
    """A line that is spoken; several lines stay apart."""
    return fill("review/notice.html", text=text, problem=problem) if text else ""
