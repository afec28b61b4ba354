"""What tells whether two results were made in the same way."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import drishtiksha
from drishtiksha.contract import Detector
from drishtiksha.weights import sha256_of

DIGITS = 16
"""Hex digits: 64 bits tell recipes apart, and tables stay small."""

NOT_SCORING = ("evaluation", "batch", "render", "ui", "cli", "__main__.py")
"""Parts of the package that come after a score."""


def recipe_of(detector: Detector, track: int | None = None) -> str:
    """Hex digits that change with whatever a score depends on beside the file: weights, calibration, configuration,
    device, code and the chosen track."""
    parts = [code_sha256(), detector.recipe(), *([] if track is None else [track])]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:DIGITS]


@cache
def code_sha256() -> str:
    """Of the package's modules that a score may depend on; a dropped-in detector is not among them."""
    root = Path(drishtiksha.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root)
        if place.parts[0] not in NOT_SCORING:
            digest.update(f"{place} {sha256_of(path)}\n".encode())
    return digest.hexdigest()
