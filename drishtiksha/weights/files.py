"""Checkpoint files and what is known about them, without opening one: state, sidecar, hash."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drishtiksha.contract import Reference, WeightsSource
from drishtiksha.errors import WeightsMismatchError, WeightsMissingError
from drishtiksha.results import MediaKind, Thresholds

_LFS_POINTER = b"version https://git-lfs"


class WeightsState(StrEnum):
    """`EMBEDDED` came with this project (a sidecar vouches for it), `READY` was added by the user."""

    EMBEDDED = "embedded"
    READY = "ready"
    MISSING = "missing"


class Canary(BaseModel):
    """A fixed input, and the fake logits (B,) that the network gave for it when the checkpoint was made.

    The input is standard normal noise of `shape` (with the batch axis) from `torch.Generator().manual_seed(seed)`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int
    shape: tuple[int, ...]
    logits: tuple[float, ...]
    tolerance: float = Field(default=1e-3, gt=0, description="largest absolute difference of a logit, float32 on CPU")


class Calibration(BaseModel):
    """Platt scaling fitted on held-out data: p_fake = sigmoid(scale * logit + offset)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["platt"] = "platt"
    scale: float = Field(gt=0, description="above 0, so that calibration never turns the polarity around")
    offset: float
    data: str = Field(default="", description="what it was fitted on, in words")
    n_real: int | None = None
    n_fake: int | None = None


class Sidecar(BaseModel):
    """What is known about a checkpoint: `<checkpoint stem>.json` beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    canary: Canary | None = None
    calibration: Calibration | None = None
    thresholds: Thresholds | None = None
    reference: dict[MediaKind, Reference] = Field(default={}, description="by the kind of media that was scored")
    measured: dict[str, Any] = Field(default={}, description="AUC, EER and the like, as the training report gives them")


def sha256_of(path: Path) -> str:
    """Hex digest of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sidecar_path(path: Path) -> Path:
    return path.with_suffix(".json")


def state(path: Path) -> WeightsState:
    """Whether a checkpoint can be loaded, from a look at the folder alone: nothing is hashed or opened.

    An empty file and a Git LFS pointer count as missing: the weights themselves are not there.
    """
    if not path.is_file() or path.stat().st_size == 0 or _is_lfs_pointer(path):
        return WeightsState.MISSING
    return WeightsState.EMBEDDED if sidecar_path(path).is_file() else WeightsState.READY


def remedy(model_name: str, path: Path, source: WeightsSource) -> str:
    """The one sentence that tells a person how to get the checkpoint of `model_name`."""
    if source.by_hand:
        return f"{source.by_hand} Then put the file at {path}."
    if source.url or source.hf_repo:
        return f"Get it with: drishtiksha weights pull {model_name}"
    return f"Nobody publishes this file for download. If you have it, put it at {path}."


def read_sidecar(path: Path) -> Sidecar | None:
    """The sidecar of checkpoint `path`, or None where there is none.

    Raises: WeightsMismatchError when it is not what a sidecar must be.
    """
    sidecar = sidecar_path(path)
    if not sidecar.is_file():
        return None
    try:
        return Sidecar.model_validate_json(sidecar.read_bytes())
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise WeightsMismatchError(
            f"{sidecar} does not describe {path.name} ({faults}). Restore it from the release it came with, "
            "or delete it to use the checkpoint without its hash, canary and calibration."
        ) from error


def verify(path: Path, sha256: str) -> None:
    """Raises: WeightsMissingError; WeightsMismatchError when the file's SHA-256 is not `sha256`."""
    require(path, f"Put it at {path}.")
    found = sha256_of(path)
    if found != sha256.lower():
        raise WeightsMismatchError(
            f"{path} is not the checkpoint expected: its SHA-256 is {found}, wanted {sha256.lower()}. "
            "It may be damaged or of another release; delete it and fetch it again."
        )


def require(path: Path, how_to_get: str) -> None:
    """Raises: WeightsMissingError unless the weights themselves lie at `path`."""
    if not path.is_file():
        raise WeightsMissingError(f"The checkpoint {path} is not on this machine. {how_to_get}")
    if _is_lfs_pointer(path):
        raise WeightsMissingError(f"{path} is a Git LFS pointer, not the weights themselves. Run: git lfs pull")


def _is_lfs_pointer(path: Path) -> bool:
    if path.stat().st_size > 1024:
        return False
    with path.open("rb") as file:
        return file.read(len(_LFS_POINTER)) == _LFS_POINTER
