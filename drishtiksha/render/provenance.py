"""Provenance in words: as HTML for the page, and as plain lines for a terminal."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from drishtiksha.casefile import CredentialState, Provenance, ProvenanceFinding
from drishtiksha.provenance import reverse_search_links
from drishtiksha.results import MediaInfo, MediaKind

CAUTION = "Anyone can change what a file says of itself. Nothing here is proof by itself."
UPLOADS = (
    "Nothing is sent from here: the link only opens the service's page, where you choose the file yourself. "
    "What you upload there leaves your hands."
)


class _Look(NamedTuple):
    title: str
    sentence: str
    tone: str
    icon: str


LOOKS = {
    CredentialState.ABSENT: _Look(
        "No Content Credentials",
        "The file carries no signed record of its origin. Most files carry none, genuine or not, and most services "
        "remove it.",
        "grey",
        '<circle cx="12" cy="12" r="9.2"/><path d="M7.5 12h9"/>',
    ),
    CredentialState.TRUSTED: _Look(
        "Content Credentials: valid, signer trusted",
        "The file carries a signed record of its origin, it was not changed since it was signed, and the signer is on this "
        "computer's list of trusted ones.",
        "good",
        '<path d="M12 2.6 20 5.6v5.8c0 5-3.4 8.3-8 10-4.6-1.7-8-5-8-10V5.6z"/><path d="m8 12 3 3 5-5.6"/>',
    ),
    CredentialState.UNKNOWN_SIGNER: _Look(
        "Content Credentials: valid, signer unknown",
        "The file carries a signed record of its origin and was not changed since it was signed, but the signer is on no "
        "list of trusted ones here: anybody can sign in any name.",
        "warn",
        '<circle cx="12" cy="12" r="9.2"/><path d="M9.3 9.4a2.8 2.8 0 1 1 4 2.6c-.9.4-1.3 1-1.3 1.9M12 17.1v.1"/>',
    ),
    CredentialState.BROKEN: _Look(
        "Content Credentials: broken",
        "The file carries a signed record of its origin, but it does not fit the file: the file was changed after it was "
        "signed, or the signature is not valid.",
        "bad",
        '<path d="M12 3.2 22 20.4H2z"/><path d="M12 9.6v4.9M12 17.4v.1"/>',
    ),
}


def markup(provenance: Provenance, media: MediaInfo | None = None) -> str:
    """An HTML fragment that stands before the scores: what is notable in the open, the rest folded.

    `media` tells whether the search for earlier copies is one for the picture or for a still frame; none for recordings.
    """
    others = [finding for finding in provenance.findings if not finding.notable]
    return (
        '<section class="dk-prov" aria-label="Provenance"><h3>Provenance: what the file says of itself</h3>'
        + _credentials(provenance)
        + _list([finding for finding in provenance.findings if finding.notable])
        + (_folded(f"Also noted ({len(others)})", _list(others)) if others else "")
        + _fields(provenance)
        + _links(media)
        + f'<p class="dk-prov-caution">{CAUTION}</p></section>'
    )


def plain(provenance: Provenance) -> list[str]:
    """Lines of text: the credentials, then each finding with what it tells and does not tell, the notable ones first."""
    look = LOOKS[provenance.credentials]
    lines = [f"{look.title}. {look.sentence}"]
    for finding in ordered(provenance):
        mark = "! " if finding.notable else "- "
        lines += [
            f"{mark}{finding.title}. {finding.detail}",
            f"  This tells: {finding.tells}",
            f"  This does not tell: {finding.does_not_tell}",
        ]
    lines.append(CAUTION)
    return lines


def ordered(provenance: Provenance) -> list[ProvenanceFinding]:
    """The notable ones first, otherwise as they were found."""
    return sorted(provenance.findings, key=lambda finding: not finding.notable)


def _credentials(provenance: Provenance) -> str:
    look = LOOKS[provenance.credentials]
    return (
        f'<div class="dk-prov-state dk-prov-{look.tone}">{_icon(look.icon)}<div><b>{look.title}</b>'
        f"<p>{look.sentence}</p></div></div>"
    )


def _list(findings: list[ProvenanceFinding]) -> str:
    if not findings:
        return ""
    return f'<ul class="dk-prov-list">{"".join(_finding(finding) for finding in findings)}</ul>'


def _folded(title: str, body: str) -> str:
    return f'<details class="dk-prov-fold"><summary>{title}</summary>{body}</details>'


def _finding(finding: ProvenanceFinding) -> str:
    chip = ' <span class="dk-prov-chip">Worth a look</span>' if finding.notable else ""
    return (
        f'<li class="dk-prov-item{" dk-prov-notable" if finding.notable else ""}"><h4><bdi>{escape(finding.title)}</bdi>{chip}'
        f'</h4><p dir="auto">{escape(finding.detail)}</p><dl><div><dt>This tells</dt><dd>{escape(finding.tells)}</dd></div>'
        f"<div><dt>This does not tell</dt><dd>{escape(finding.does_not_tell)}</dd></div></dl></li>"
    )


def _fields(provenance: Provenance) -> str:
    if not provenance.fields:
        return ""
    rows = "".join(
        f"<div><dt><bdi>{escape(name)}</bdi></dt><dd><bdi>{escape(value)}</bdi></dd></div>"
        for name, value in provenance.fields.items()
    )
    title = f"All fields as they stand in the file ({len(provenance.fields)})"
    return _folded(title, f'<dl class="dk-prov-fields">{rows}</dl>')


def _links(media: MediaInfo | None) -> str:
    if media is not None and media.kind is MediaKind.AUDIO:
        return ""
    what = "a still frame of it" if media is not None and media.kind is MediaKind.VIDEO else "the picture"
    links = "".join(
        f'<li><a href="{escape(address)}" target="_blank" rel="noopener noreferrer">{escape(name)}</a></li>'
        for name, address in reverse_search_links()
    )
    body = f'<ul class="dk-prov-links">{links}</ul><p class="dk-prov-caution">{UPLOADS}</p>'
    return _folded(f"Look for earlier copies of {what}", body)


def _icon(paths: str) -> str:
    return (
        '<svg class="dk-prov-icon" viewBox="0 0 24 24" width="24" height="24" fill="none" stroke="currentColor" '
        f'stroke-width="1.9" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{paths}</svg>'
    )
