"""Provenance in words."""

from __future__ import annotations

from typing import NamedTuple

from drishtiksha.casefile import CredentialState, Provenance, ProvenanceFinding

CAUTION = "Anyone can change what a file says of itself. Nothing here is proof by itself."


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
        "minus",
    ),
    CredentialState.TRUSTED: _Look(
        "Content Credentials: valid, signer trusted",
        "The file carries a signed record of its origin, it was not changed since it was signed, and the signer is on this "
        "computer's list of trusted ones.",
        "good",
        "shield",
    ),
    CredentialState.UNKNOWN_SIGNER: _Look(
        "Content Credentials: valid, signer unknown",
        "The file carries a signed record of its origin and was not changed since it was signed, but the signer is on no "
        "list of trusted ones here: anybody can sign in any name.",
        "warn",
        "question",
    ),
    CredentialState.BROKEN: _Look(
        "Content Credentials: broken",
        "The file carries a signed record of its origin, but it does not fit the file: the file was changed after it was "
        "signed, or the signature is not valid.",
        "bad",
        "warning",
    ),
}


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
