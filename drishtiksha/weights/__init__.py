"""Checkpoints: find, fetch, verify and load a state dict. Torch is imported by the functions that need it."""

from drishtiksha.contract import Reference
from drishtiksha.weights.fetching import Progress, pull
from drishtiksha.weights.files import (
    Calibration,
    Canary,
    Sidecar,
    WeightsState,
    read_sidecar,
    remedy,
    require,
    sha256_of,
    sidecar_path,
    state,
    verify,
)
from drishtiksha.weights.loading import load_content, load_into, load_state_dict

__all__ = [
    "Calibration",
    "Canary",
    "Progress",
    "Reference",
    "Sidecar",
    "WeightsState",
    "load_content",
    "load_into",
    "load_state_dict",
    "pull",
    "read_sidecar",
    "remedy",
    "require",
    "sha256_of",
    "sidecar_path",
    "state",
    "verify",
]
