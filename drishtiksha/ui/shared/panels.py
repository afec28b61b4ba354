"""Results, facts and errors as HTML."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from drishtiksha.casefile import CaseFile
from drishtiksha.provenance import reverse_search_links
from drishtiksha.render import facts
from drishtiksha.render.provenance import CAUTION, LOOKS
from drishtiksha.results import MediaInfo, MediaKind
from drishtiksha.ui.shared.templates import fill, macro

_line = partial(macro, "shared/lines.html")


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


def problem(message: str, reference: str | None = None, title: str = "This could not be analyzed") -> str:
    """An error, in the place where the verdict would be, so that it stays readable."""
    return fill("shared/problem.html", title=title, message=message, reference=reference)
