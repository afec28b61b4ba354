"""Content Credentials (C2PA): read and checked on this machine alone. No manifest, list or revocation is fetched."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import c2pa

from drishtiksha.casefile import CredentialState
from drishtiksha.errors import ConfigError
from drishtiksha.media.evidence import Evidence
from drishtiksha.media.guard import Pulse
from drishtiksha.settings import HOME

ANCHORS = HOME / "models" / "c2pa-anchors.pem"
"""Certificates of signers, or of those who vouch for signers, to be trusted. None ships: whom to trust is the newsroom's
choice, and the lists that exist have terms of their own."""

FORMATS = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "tiff": "image/tiff",
    "heif": "image/heif",
    "avif": "image/avif",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "m4a": "audio/mp4",
    "3gp": "video/mp4",
    "avi": "video/avi",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
}
"""Kinds of file that can carry credentials: `MediaInfo.container` to media type."""

OFFLINE = {"remote_manifest_fetch": False, "ocsp_fetch": False}
MARKS = (b"jumb", b"c2pa")
"""Bytes that stand in every embedded manifest store, in whatever kind of file."""
CHUNK = 1 << 20


@dataclass(frozen=True)
class Credentials:
    """What was found. `store` is the manifest store as c2pa gives it (JSON); `failures` are its validation codes;
    `remote` the address of a store that lies elsewhere and was not fetched."""

    state: CredentialState
    store: dict[str, Any] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    remote: str | None = None
    anchors: bool = False
    looked: bool = True

    @property
    def active(self) -> dict[str, Any]:
        """The newest manifest; empty when there is none."""
        manifest = self.manifests.get(str(self.store.get("active_manifest")), {})
        return manifest if isinstance(manifest, dict) else {}

    @property
    def manifests(self) -> dict[str, Any]:
        found = self.store.get("manifests")
        return found if isinstance(found, dict) else {}


def read_credentials(evidence: Evidence, pulse: Pulse, anchors: Path | None = None) -> Credentials:
    """Read and validate; `anchors` (PEM) decide who is trusted, `ANCHORS` where None and that file is there.

    Raises: ConfigError when the anchors cannot be used.
    """
    kind = FORMATS.get(evidence.media.container)
    trusted = _anchors(anchors)
    if kind is None:
        return Credentials(CredentialState.ABSENT, anchors=bool(trusted), looked=False)
    with _context(trusted) as context, _Beating(evidence.path, pulse) as file:
        try:
            with c2pa.Reader(kind, file, context=context) as reader:
                store = json.loads(reader.json())
                state = reader.get_validation_state()
        except c2pa.C2paError as error:
            return _without_store(error, evidence.path, pulse, anchors=bool(trusted))
    return Credentials(_state(state), store, _failures(store), anchors=bool(trusted))


class _Beating(io.BufferedReader):
    """A file that tells the guard that it is being read: hashing a long video takes a while."""

    def __init__(self, path: Path, pulse: Pulse) -> None:
        super().__init__(io.FileIO(path), CHUNK)
        self._pulse = pulse

    def read(self, size: int | None = -1, /) -> bytes:
        self._pulse.beat()
        return super().read(-1 if size is None else size)


def _context(anchors: str) -> c2pa.Context:
    conf: dict[str, Any] = {"verify": {**OFFLINE, "verify_trust": True}}
    if anchors:
        conf["trust"] = {"user_anchors": anchors}
    try:
        return c2pa.Context.from_dict(conf)
    except c2pa.C2paError as error:
        raise ConfigError(f"The certificates for Content Credentials cannot be used: {error}") from error


def _anchors(path: Path | None) -> str:
    if path is None and not ANCHORS.is_file():
        return ""
    path = path or ANCHORS
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise ConfigError(
            f"{path.name} cannot be opened: {error.strerror}. Give a PEM file of certificates."
        ) from error
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise ConfigError(f"{path.name} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----).")
    return text


def _state(validation: str | None) -> CredentialState:
    return {"Trusted": CredentialState.TRUSTED, "Valid": CredentialState.UNKNOWN_SIGNER}.get(
        str(validation), CredentialState.BROKEN
    )


def _failures(store: dict[str, Any]) -> tuple[str, ...]:
    """Validation codes of the newest manifest, then of what it was made from; a signer not on the list is no failure."""
    results = store.get("validation_results") or {}
    parts = [results.get("activeManifest") or {}]
    parts += [delta.get("validationDeltas") or {} for delta in results.get("ingredientDeltas") or []]
    codes = [str(entry.get("code")) for part in parts for entry in part.get("failure") or []]
    return tuple(code for code in dict.fromkeys(codes) if code != "signingCredential.untrusted")


def _without_store(error: c2pa.C2paError, path: Path, pulse: Pulse, *, anchors: bool) -> Credentials:
    """Nothing there, or elsewhere, or there but not to be read."""
    message = str(error)
    if isinstance(error, c2pa.C2paError.ManifestNotFound):
        return Credentials(CredentialState.ABSENT, anchors=anchors)
    if message.startswith("Remote"):
        address = next((word for word in message.split() if word.startswith(("http://", "https://"))), "")
        return Credentials(CredentialState.ABSENT, remote=address, anchors=anchors)
    if _marked(path, pulse):
        return Credentials(CredentialState.BROKEN, failures=("unreadable",), anchors=anchors)
    # A damaged file whose parts c2pa cannot follow, without a sign of credentials.
    return Credentials(CredentialState.ABSENT, anchors=anchors, looked=False)


def _marked(path: Path, pulse: Pulse) -> bool:
    missing, tail = set(MARKS), b""
    with path.open("rb") as file:
        while missing and (chunk := file.read(CHUNK)):
            pulse.beat()
            missing -= {mark for mark in missing if mark in tail + chunk}
            tail = chunk[-max(map(len, MARKS)) :]
    return not missing
