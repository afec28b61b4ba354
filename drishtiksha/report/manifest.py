"""What a bundle holds: every file with its size and SHA-256, in the one document that is signed."""

from __future__ import annotations

import hashlib

from pydantic import BaseModel, ConfigDict, Field

from drishtiksha.plaintext import readable_json

FORMAT = "drishtiksha-bundle/1"
MANIFEST, SIGNATURE, SIGNER = "manifest.json", "manifest.sig", "signer.pem"
CASE, ANSWER = "case.json", "answer.json"
UNLISTED = frozenset({MANIFEST, SIGNATURE, SIGNER})
"""The files of a bundle that its manifest cannot list: itself and what signs it."""
SAFE_NAME = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,99})?"
"""At most one folder, and nothing that leads out of it."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Entry(_Frozen):
    name: str = Field(pattern=f"^{SAFE_NAME}$")
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")

    @classmethod
    def of(cls, name: str, data: bytes) -> Entry:
        return cls(name=name, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


class Manifest(_Frozen):
    """`signer`: fingerprint of the key that signs it. `evidence_*`: of the original, which need not be in the bundle."""

    format: str
    tool: str
    case_id: str
    made_utc: str
    signer: str
    evidence_name: str
    evidence_sha256: str
    evidence_size_bytes: int
    files: tuple[Entry, ...]

    def to_bytes(self) -> bytes:
        return readable_json(self.model_dump_json(indent=2)).encode() + b"\n"
