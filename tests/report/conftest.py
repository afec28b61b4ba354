"""A real examination of a real clip, made once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

import pytest

from drishtiksha import provenance
from drishtiksha.casefile import CaseFile
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager
from drishtiksha.services.runs import examine
from drishtiksha.settings import ROOT, MediaLimits, load_settings

MODELS = ("FACE-BLEND-LITE-V1", "VOICE-SPOOF-LITE-V2")


@dataclass(frozen=True)
class Real:
    case: CaseFile
    evidence: Evidence
    manager: ModelManager


@pytest.fixture(scope="session")
def real() -> Real:
    manager = ModelManager(load_settings(device="cpu"))
    evidence = Evidence.open(ROOT / "assets" / "clip_with_sound.mp4", MediaLimits())
    case = CaseFile(
        case_id=secrets.token_hex(16),
        opened_utc="2026-11-23T11:59:00+00:00",
        question="Is this clip what it claims to be?",
        media=evidence.media,
        provenance=provenance.examine(evidence, MediaLimits()),
        results=examine(evidence, MODELS, manager).results,
    )
    return Real(case, evidence, manager)


@pytest.fixture
def altered_copy(tmp_path: Path, real: Real) -> Path:
    """The same media file but for its last byte."""
    data = bytearray(real.evidence.path.read_bytes())
    data[-1] ^= 1
    path = tmp_path / real.evidence.path.name
    path.write_bytes(data)
    return path
