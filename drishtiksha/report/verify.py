"""Checks a bundle: is it as it was signed, by whom, is this its original, and does the examination come out again?"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drishtiksha.casefile import CaseFile
from drishtiksha.errors import BundleError, MediaError, ReportError
from drishtiksha.media.evidence import Evidence
from drishtiksha.report import keys, repeat
from drishtiksha.report.archive import Archive, open_archive
from drishtiksha.report.manifest import CASE, FORMAT, MANIFEST, SIGNATURE, SIGNER, UNLISTED, Manifest
from drishtiksha.settings import MediaLimits


class State(StrEnum):
    IDENTICAL = "identical"
    WITHIN_TOLERANCE = "within tolerance"
    UNCHECKED = "not fully checked"
    DIFFERENT = "different"
    OTHER_KEY = "signed by another key"
    TAMPERED = "tampered"


ORDER = list(State)
"""From the best to the worst."""


class Verification(BaseModel):
    """`differences` name in words what is not as it should be; `checks` what was looked at and found in order."""

    model_config = ConfigDict(frozen=True)

    state: State
    sentence: str
    checks: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    signer: str | None = Field(default=None, description="fingerprint of the key whose signature is valid")
    case_id: str | None = None
    evidence_name: str | None = None
    evidence_sha256: str | None = None


class _Tampered(Exception):  # noqa: N818 - ends the check, never leaves this module
    def __init__(self, *differences: str) -> None:
        super().__init__()
        self.differences = differences


SENTENCES = {
    State.IDENTICAL: "The bundle is exactly as it was signed, and everything that was checked is identical.",
    State.WITHIN_TOLERANCE: "The bundle is as it was signed; the repeated scores are within the tolerance of "
    f"{repeat.TOLERANCE:g} and the verdicts are the same.",
    State.UNCHECKED: "The bundle is as it was signed, but not everything that was asked for could be checked.",
    State.DIFFERENT: "The bundle is as it was signed, but what it was held against differs from it.",
    State.OTHER_KEY: "The signature is valid, but the key is not the one that you expected.",
    State.TAMPERED: "The bundle is not as it was signed: do not rely on it.",
}


def verify(
    bundle: Path,
    evidence_path: Path | None = None,
    again: repeat.Again | None = None,
    *,
    expected_key: str | None = None,
    own_key: str | None = None,
    limits: MediaLimits | None = None,
) -> Verification:
    """evidence_path: the original, to be held against the bundle; without it that in the bundle, where there is one.

    expected_key: fingerprint that the signer must have. own_key: fingerprint of this machine's key, to say so.

    Raises: ReportError when the original cannot be read, or this machine cannot finish the check.
    """
    checks: list[str] = []
    found: list[tuple[State, str]] = []
    manifest = case = signer = None
    try:
        with open_archive(bundle) as archive:
            manifest, signer = _signed(archive)
            checks.append("The signature of the manifest is valid.")
            _check_files(archive, manifest)
            checks.append(f"All {len(manifest.files)} files have the sizes and SHA-256 that were signed.")
            case = _case(archive, manifest)
            found += _check_signer(signer, expected_key, own_key, checks)
            found += _check_original(archive, manifest, case, evidence_path, again, limits or MediaLimits(), checks)
    except BundleError as error:
        found.append((State.TAMPERED, str(error)))
    except _Tampered as error:
        found += [(State.TAMPERED, difference) for difference in error.differences]
    except OSError as error:
        raise ReportError(
            f"{bundle.name} could not be checked, since this computer failed at it: {error.strerror or error}. That says "
            "nothing about the bundle. Put the cause right and check it again."
        ) from error
    return _concluded(checks, found, signer, case)


def _concluded(
    checks: list[str], found: list[tuple[State, str]], signer: str | None, case: CaseFile | None
) -> Verification:
    state = max((state for state, _ in found), key=ORDER.index, default=State.IDENTICAL)
    return Verification(
        state=state,
        sentence=SENTENCES[state],
        checks=tuple(checks),
        differences=tuple(text for _, text in found),
        signer=signer,
        case_id=case.case_id if case else None,
        evidence_name=case.media.name if case else None,
        evidence_sha256=case.media.sha256 if case else None,
    )


def public_fingerprint(pem: Path) -> str:
    """Of a public key in PEM. Raises: ReportError."""
    try:
        return keys.fingerprint(_public_key(pem.read_bytes()))
    except (OSError, ValueError) as error:
        raise ReportError(f"{pem.name} is not a public Ed25519 key in PEM, such as signer.pem in a bundle.") from error


def _public_key(pem: bytes) -> Ed25519PublicKey:
    """Raises: ValueError."""
    try:
        key = load_pem_public_key(pem)
    except UnsupportedAlgorithm as error:
        raise ValueError("not supported") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")
    return key


def _signed(archive: Archive) -> tuple[Manifest, str]:
    """The manifest and the fingerprint of the key that signed it."""
    raw, signature, pem = (archive.read(name) for name in (MANIFEST, SIGNATURE, SIGNER))
    try:
        key = _public_key(pem)
    except ValueError as error:
        raise _Tampered(f"{SIGNER} holds no Ed25519 key.") from error
    try:
        key.verify(signature, raw)
    except InvalidSignature as error:
        raise _Tampered(f"The signature does not fit: {MANIFEST}, {SIGNATURE} or {SIGNER} was changed.") from error
    try:
        manifest = Manifest.model_validate_json(raw)
    except ValidationError as error:
        raise _Tampered(f"{MANIFEST} is not that of a bundle, or of a later version of Drishtiksha.") from error
    if manifest.format != FORMAT:
        raise _Tampered(f"The bundle has the format {manifest.format[:40]!r}; known is {FORMAT!r}.")
    if manifest.signer != keys.fingerprint(key):
        raise _Tampered(f"{MANIFEST} names another signer than the key that signed it.")
    return manifest, manifest.signer


def _check_files(archive: Archive, manifest: Manifest) -> None:
    """Raises: _Tampered with every file that is not as it was signed."""
    listed = {entry.name: entry for entry in manifest.files}
    present = set(archive.names) - UNLISTED
    wrong = [f"{name} was added." for name in sorted(present - set(listed))]
    wrong += [f"{name} was removed." for name in sorted(set(listed) - present)]
    if len(listed) != len(manifest.files):
        wrong.append(f"{MANIFEST} lists a file twice.")
    for name in sorted(present & set(listed)):
        try:
            actual = archive.entry(name)
        except BundleError as error:
            wrong.append(str(error))
            continue
        if actual != listed[name]:
            sizes = f" ({listed[name].size_bytes} bytes were signed, {actual.size_bytes} are there)"
            wrong.append(f"{name} was changed{sizes if actual.size_bytes != listed[name].size_bytes else ''}.")
    if wrong:
        raise _Tampered(*wrong)


def _case(archive: Archive, manifest: Manifest) -> CaseFile:
    try:
        case = CaseFile.model_validate_json(archive.read(CASE))
    except ValidationError as error:
        raise _Tampered(f"{CASE} is signed, but it is no case that this version of Drishtiksha can read.") from error
    if (case.case_id, case.media.sha256) != (manifest.case_id, manifest.evidence_sha256):
        raise _Tampered(f"{CASE} and {MANIFEST} are about different cases.")
    return case


def _check_signer(signer: str, expected: str | None, own: str | None, checks: list[str]) -> Iterator[tuple[State, str]]:
    if expected is not None and not keys.same_fingerprint(signer, expected):
        yield State.OTHER_KEY, f"It was signed by {keys.grouped(signer)}; expected was {keys.grouped(expected)}."
    elif expected is not None:
        checks.append("It was signed by the key that you expected.")
    elif own is not None and keys.same_fingerprint(signer, own):
        checks.append("It was signed by this machine's own key.")
    else:
        checks.append(
            f"It was signed by the key {keys.grouped(signer)}. Whose key that is, only its holder can tell: ask them."
        )


def _check_original(
    archive: Archive,
    manifest: Manifest,
    case: CaseFile,
    given: Path | None,
    again: repeat.Again | None,
    limits: MediaLimits,
    checks: list[str],
) -> Iterator[tuple[State, str]]:
    with _original(archive, given, limits, case.media.name) as evidence:
        if evidence is None:
            if again is not None:
                yield (
                    State.UNCHECKED,
                    "Nothing was run again: the original is not in the bundle. Name it with --evidence.",
                )
            return
        if evidence.media.sha256 != manifest.evidence_sha256:
            yield (
                State.DIFFERENT,
                f"{evidence.media.name} is not the file that the case is about: its SHA-256 is {evidence.media.sha256}, "
                f"that of the case {manifest.evidence_sha256}.",
            )
            return
        checks.append("The original is the file that the case is about: its SHA-256 is the same.")
        if again is not None:
            for text in repeat.check(case, evidence, again, checks):
                yield State(text[0]), text[1]


@contextmanager
def _original(archive: Archive, given: Path | None, limits: MediaLimits, name: str) -> Iterator[Evidence | None]:
    """Raises: ReportError when the file that was named cannot be read as media."""
    packed = next((one for one in archive.names if one.startswith("evidence/")), None)
    try:
        if given is not None:
            yield Evidence.open(given, limits)
        elif packed is not None:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / Path(packed).name
                with path.open("xb") as file:
                    archive.extract(packed, file)
                yield Evidence.open(path, limits, name)
        else:
            yield None
    except MediaError as error:
        raise ReportError(f"The original cannot be examined: {error}") from error
