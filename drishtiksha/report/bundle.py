"""A case as a signed zip: report, results, scores and pictures, with a list of their hashes that the key signs."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drishtiksha import __version__
from drishtiksha.answer import Answer
from drishtiksha.casefile import CaseFile
from drishtiksha.errors import ReportError
from drishtiksha.media.evidence import Evidence
from drishtiksha.plaintext import readable_json
from drishtiksha.report import content, csvfile, html, jsonfile, keys, pdf
from drishtiksha.report.files import draft_of
from drishtiksha.report.manifest import ANSWER, CASE, FORMAT, MANIFEST, SIGNATURE, SIGNER, Entry, Manifest
from drishtiksha.settings import MediaLimits

MAX_ORIGINAL = 2_000_000_000
"""Bytes of an original that a plain zip can hold with room to spare."""
README = """This is a report of Drishtiksha, with everything that it was made from.

report.html   for any browser; it loads nothing and works offline
report.pdf    the same, for printing and sending on
answer.json   the answer of page one, for programs
case.json     what was found, by machine and by people, for programs
scores.csv    every single score, for a spreadsheet
pictures/     the pictures of the report
manifest.json the SHA-256 of every file here; manifest.sig is its Ed25519 signature and signer.pem the key to check it

To check that nothing was changed:   drishtiksha verify BUNDLE.zip
To check it against the original:    drishtiksha verify BUNDLE.zip --evidence FILE
To examine the original once more:   drishtiksha verify BUNDLE.zip --evidence FILE --rerun

A signature tells that the holder of a key made this bundle. Whose key it is, only its holder can tell you: compare the
fingerprint that `drishtiksha verify` shows with them, by another way than the one on which the bundle came.
"""


def write(
    case: CaseFile,
    evidence: Evidence | None,
    target: Path,
    key: Ed25519PrivateKey,
    *,
    answer: Answer | None = None,
    limits: MediaLimits | None = None,
    include_evidence: bool = False,
    made_utc: datetime | None = None,
) -> Path:
    """answer: as `content.build` takes it. The original goes in only when `include_evidence` asks for it. A bundle appears whole at `target` or not at all.

    Raises: ReportError when `evidence` is not the file of the case, or is asked for and absent or too large; MediaError
    when it can no longer be read; OSError when `target` cannot be written.
    """
    original = _original(evidence) if include_evidence else None
    made = made_utc or datetime.now(UTC)
    files = dict(_files(case, evidence, answer, limits, made))
    entries = [Entry.of(name, data) for name, data in files.items()]
    if original is not None:
        media = original[1].media
        entries.append(Entry(name=original[0], size_bytes=media.size_bytes, sha256=media.sha256))
    manifest = _manifest(case, entries, key, made).to_bytes()
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    files |= {MANIFEST: manifest, SIGNATURE: key.sign(manifest), SIGNER: public}
    draft = draft_of(target)
    try:
        _pack(draft, files, original, made)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return target


def _original(evidence: Evidence | None) -> tuple[str, Evidence]:
    if evidence is None:
        raise ReportError("The original is not at hand, so it cannot be put into the bundle.")
    if evidence.media.size_bytes > MAX_ORIGINAL:
        raise ReportError(f"{evidence.media.name} is too large for a bundle. Hand it on beside the bundle.")
    suffix = evidence.path.suffix if evidence.path.suffix.isascii() and evidence.path.suffix[1:].isalnum() else ".bin"
    return f"evidence/original{suffix}", evidence


def _files(
    case: CaseFile, evidence: Evidence | None, answer: Answer | None, limits: MediaLimits | None, made: datetime
) -> Iterator[tuple[str, bytes]]:
    report = content.build(case, evidence, answer=answer, limits=limits, made_utc=made)
    yield "README.txt", README.encode()
    yield "report.html", html.render(report)
    yield "report.pdf", pdf.render(report)
    yield ANSWER, readable_json(report.answer.model_dump_json(indent=2)).encode() + b"\n"
    yield CASE, jsonfile.render(case)
    yield "scores.csv", csvfile.render(case)
    for picture in report.pictures:
        yield f"pictures/{picture.name}", picture.data


def _manifest(case: CaseFile, entries: list[Entry], key: Ed25519PrivateKey, made: datetime) -> Manifest:
    return Manifest(
        format=FORMAT,
        tool=f"Drishtiksha {__version__}",
        case_id=case.case_id,
        made_utc=made.isoformat(timespec="seconds"),
        signer=keys.fingerprint(key.public_key()),
        evidence_name=case.media.name,
        evidence_sha256=case.media.sha256,
        evidence_size_bytes=case.media.size_bytes,
        files=tuple(entries),
    )


def _pack(path: Path, files: dict[str, bytes], original: tuple[str, Evidence] | None, made: datetime) -> None:
    with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            packed = name.endswith((".png", ".jpg", ".pdf"))
            facts = zipfile.ZipInfo(name, made.timetuple()[:6])
            facts.external_attr = 0o644 << 16
            archive.writestr(facts, data, zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED)
        if original is not None:
            name, evidence = original
            archive.write(evidence.path, name, zipfile.ZIP_STORED)
