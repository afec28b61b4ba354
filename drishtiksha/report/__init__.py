"""Reports of one case: a page for the editor, a technical annex, and a signed bundle that anybody can check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from drishtiksha.errors import ReportError

if TYPE_CHECKING:
    from drishtiksha.answer import Answer
    from drishtiksha.casefile import CaseFile
    from drishtiksha.media.evidence import Evidence
    from drishtiksha.settings import MediaLimits

__all__ = ["SUFFIXES", "write"]

SUFFIXES = (".html", ".pdf", ".zip", ".json", ".csv")


def write(
    case: CaseFile,
    evidence: Evidence | None,
    target: Path,
    data_dir: Path,
    *,
    answer: Answer | None = None,
    limits: MediaLimits | None = None,
    include_evidence: bool = False,
) -> Path:
    """Write the form that the ending of `target` asks for; its folder must exist. Gives `target` back.

    evidence: for pictures of the moments; None where it is not at hand. data_dir: holds the key that signs a bundle, made
    at its first use. answer: as the case stands, with what has not run or has failed; None: of its results alone.
    include_evidence: put the original into the bundle, too.

    Raises: ReportError for another ending, for evidence that is not that of the case, and when the key cannot be used or
    `target` cannot be written; MediaError when the evidence has changed or can no longer be decoded.
    """
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        raise ReportError(f"{target.name} has no ending that is known. Wanted: {', '.join(SUFFIXES)}.")
    if include_evidence and suffix != ".zip":
        raise ReportError("Only a bundle (.zip) can hold the original.")
    from drishtiksha.report import bundle, content, csvfile, html, jsonfile, keys, pdf
    from drishtiksha.report.files import write_whole

    try:
        if suffix == ".zip":
            key = keys.signing_key(data_dir)
            return bundle.write(
                case, evidence, target, key, answer=answer, limits=limits, include_evidence=include_evidence
            )
        if suffix in (".json", ".csv"):
            return write_whole(target, (jsonfile if suffix == ".json" else csvfile).render(case))
        report = content.build(case, evidence, answer=answer, limits=limits)
        return write_whole(target, (html if suffix == ".html" else pdf).render(report))
    except OSError as error:
        raise ReportError(f"{target.name} could not be written: {error.strerror or error}.") from error
