"""Checkpoints: find, fetch, verify and load a state dict. Torch is imported by the functions that need it."""

from drishtiksha.contract import Reference
from drishtiksha.weights.convert import convert
from drishtiksha.weights.fetching import announced, pull
from drishtiksha.weights.files import (
    Calibration,
    Canary,
    Part,
    Sidecar,
    WeightsState,
    bytes_of,
    fetchable,
    licence_class,
    licences,
    origin,
    parts,
    read_sidecar,
    remedy,
    require,
    require_room,
    sha256_of,
    sidecar_path,
    sources,
    state,
    used_parts,
    verify,
)
from drishtiksha.weights.importing import accept, copy_in, unpacked
from drishtiksha.weights.layout import fitted
from drishtiksha.weights.loading import differences, load_content, load_into, load_state_dict
from drishtiksha.weights.lock import Pin, fingerprint, pin, pin_parts, pinned, prove, prove_parts, unpin
from drishtiksha.weights.plain import DownloadProgress

__all__ = [
    "Calibration",
    "Canary",
    "DownloadProgress",
    "Part",
    "Pin",
    "Reference",
    "Sidecar",
    "WeightsState",
    "accept",
    "announced",
    "bytes_of",
    "convert",
    "copy_in",
    "differences",
    "fetchable",
    "fingerprint",
    "fitted",
    "licence_class",
    "licences",
    "load_content",
    "load_into",
    "load_state_dict",
    "origin",
    "parts",
    "pin",
    "pin_parts",
    "pinned",
    "prove",
    "prove_parts",
    "pull",
    "read_sidecar",
    "remedy",
    "require",
    "require_room",
    "sha256_of",
    "sidecar_path",
    "sources",
    "state",
    "unpacked",
    "unpin",
    "used_parts",
    "verify",
]
