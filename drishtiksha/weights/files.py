"""Checkpoint files and what is known about them, without opening one: state, sidecar, hash."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drishtiksha.contract import DetectorConfig, Reference, WeightsSource
from drishtiksha.detector_config import LicenceClass
from drishtiksha.errors import DownloadError, WeightsMismatchError, WeightsMissingError
from drishtiksha.results import FalseAlarms, MediaKind, Thresholds

MOST_MISSED = 0.5
"""A detector that misses more of the fakes of kinds that it never trained on answers no file REAL."""
GENUINE = ("real", "clip_real", "*")
"""What the tests of the detectors that ship call groups of genuine media."""
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


class UnknownKinds(BaseModel):
    """What a detector was measured to miss among fakes of kinds that it never trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    missed: float = Field(ge=0, le=1, description="share of them that it does not call FAKE")
    n: int = Field(gt=0, description="how many were scored")
    data: str = Field(description="what they were, in words")

    @property
    def blind(self) -> bool:
        """Whether it misses so many that nothing found says nothing of them: it then never answers REAL."""
        return self.missed > MOST_MISSED


class Sidecar(BaseModel):
    """What is known about a checkpoint: `<checkpoint stem>.json` beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    canary: Canary | None = None
    calibration: Calibration | None = None
    thresholds: Thresholds | None = None
    unknown_kinds: UnknownKinds | None = Field(default=None, description="None: not measured")
    reference: dict[MediaKind, Reference] = Field(default={}, description="by the kind of media that was scored")
    measured: dict[str, Any] = Field(default={}, description="AUC, EER and the like, as the training report gives them")

    def reference_of(self, kind: MediaKind) -> Reference | None:
        """How held-out media of this kind scored, with the false alarms by their treatment."""
        found = self.reference.get(kind)
        return found and found.model_copy(update={"groups": self._groups()})

    def _groups(self) -> tuple[FalseAlarms, ...]:
        """From `measured`, where a group is called `what/treatment`. Of one treatment the first that is there: of pictures, of
        clips, of all media that were treated so."""
        found: dict[str, FalseAlarms] = {}
        for what in GENUINE:
            for name, row in self.measured.items():
                first, slash, treatment = name.partition("/")
                if not slash or first != what or treatment in (*found, "*") or not isinstance(row, dict):
                    continue
                scored = row.get("n_real", 0) - (row.get("not_scored", 0) if not row.get("n_fake") else 0)
                if scored > 0 and (rate := row.get("false_alarms")):
                    found[treatment] = FalseAlarms(group=treatment, n=scored, share=rate[0], share_95=rate[2])
        return tuple(found.values())


def sha256_of(path: Path) -> str:
    """Hex digest of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def md5_of(path: Path) -> str:
    """Hex digest of the file's bytes, to hold it against what a publisher states; it proves no good faith."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def sidecar_path(path: Path) -> Path:
    return path.with_suffix(".json")


@dataclass(frozen=True)
class Part:
    """One of the files (or folders) that a model needs. name: of the companion; empty for the checkpoint itself."""

    name: str
    path: Path
    source: WeightsSource
    optional: bool = False


def parts(config: DetectorConfig) -> list[Part]:
    """The checkpoint first, then its companions."""
    further = [Part(name, c.path, c.weights, c.optional) for name, c in config.companions.items()]
    return [Part("", config.model_path, config.weights), *further]


def used_parts(config: DetectorConfig) -> list[Part]:
    """All that a model works with on this machine: what it needs, and optional files that are here."""
    return [p for p in parts(config) if not p.optional or state(p.path, p.source) is not WeightsState.MISSING]


def licence_class(files: Iterable[Part]) -> LicenceClass:
    """That of the strictest licence among them."""
    return max((part.source.licence_class for part in files), key=lambda kind: kind.strictness)


def licences(files: Sequence[Part]) -> str:
    """Of every file, the companions by name where theirs is another one; the first one is the checkpoint."""
    own = files[0].source.licence
    return "; ".join([own, *(f"{p.name}: {p.source.licence}" for p in files[1:] if p.source.licence != own)])


def files_of(path: Path, source: WeightsSource | None = None) -> list[Path]:
    """The files that make up a checkpoint: itself, or those of its folder, whether they are there or not."""
    if source is not None and source.hf_files:
        return [path / name for name in source.hf_files]
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    return [path]


def bytes_of(path: Path, source: WeightsSource | None = None) -> int:
    """What lies there, in bytes; 0 for nothing."""
    return sum(file.stat().st_size for file in files_of(path, source) if file.is_file())


def require_room(folder: Path, needed: int) -> None:
    """Raises: DownloadError unless so many more bytes fit."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DownloadError(
            f"The disk has {free} bytes free and {folder} needs {needed} more. Make room, then try again."
        )


def origin(source: WeightsSource) -> str | None:
    """Where it comes from, in a word: an address, a repository with its file and revision, or what a person must do."""
    place = source.url or source.by_hand
    if source.hf_repo:
        file = f"/{source.hf_file}" if source.hf_file else ""
        at = f" at {source.revision}" if is_commit(source.revision) else ", revision pinned at first fetch"
        place = f"{source.hf_repo}{file}{at}"
    elif source.github_repo:
        place = f"github.com/{source.github_repo}/{source.github_file} at {source.release or source.revision}"
    elif source.drive_id:
        place = f"https://drive.google.com/file/d/{source.drive_id}/view"
    elif source.drive_folder:
        place = f"{source.drive_file} in https://drive.google.com/drive/folders/{source.drive_folder}"
    return f"{source.member} in {place}" if source.member and place else place


def is_commit(revision: str) -> bool:
    """Whether a revision always stands for the same files; a branch does not."""
    return re.fullmatch("[0-9a-f]{40}", revision) is not None


def sources(config: DetectorConfig) -> list[str]:
    """Where each file of a model that a program may fetch comes from, the companions by name."""
    return [f"{p.name} {origin(p.source)}".strip() for p in parts(config) if fetchable(p.source)]


def fetchable(source: WeightsSource) -> bool:
    """Whether a program may fetch it."""
    return any((source.url, source.hf_repo, source.github_repo, source.drive_id, source.drive_folder))


def state(path: Path, source: WeightsSource | None = None) -> WeightsState:
    """Whether a checkpoint can be loaded, from a look at the folder alone: nothing is hashed or opened.

    An empty file and a Git LFS pointer count as missing: the weights themselves are not there.
    """
    files = files_of(path, source)
    if not files or any(not f.is_file() or f.stat().st_size == 0 or is_lfs_pointer(f) for f in files):
        return WeightsState.MISSING
    return WeightsState.EMBEDDED if sidecar_path(path).is_file() else WeightsState.READY


def remedy(model_name: str, path: Path, source: WeightsSource, part: str = "") -> str:
    """What a person does to get the checkpoint of `model_name`, or its companion `part`."""
    if fetchable(source):
        return f"Get it with: drishtiksha weights pull {model_name}"
    import_it = f"drishtiksha weights import FILE {model_name}" + (f" --part {part}" if part else "")
    if source.by_hand:
        return f"{source.by_hand} Then run: {import_it}"
    return f"Nobody publishes {path.name} for download. If you have it, put it at {path}, or run: {import_it}"


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
        raise WeightsMismatchError(unlike(path, found, sha256))


def unlike(path: Path, found: str, wanted: str, kind: str = "SHA-256") -> str:
    """What to say of a file that has another hash than it should."""
    return (
        f"{path} is not the checkpoint expected: its {kind} is {found}, wanted {wanted.lower()}. "
        "It may be damaged or of another release; delete it and fetch it again."
    )


def require(path: Path, how_to_get: str, source: WeightsSource | None = None) -> None:
    """Raises: WeightsMissingError unless the weights themselves lie at `path`."""
    files = files_of(path, source)
    if absent := [file for file in files if not file.is_file()] or ([] if files else [path]):
        raise WeightsMissingError(f"The checkpoint {absent[0]} is not on this machine. {how_to_get}")
    if any(is_lfs_pointer(file) for file in files):
        raise WeightsMissingError(f"{path} is a Git LFS pointer, not the weights themselves. Run: git lfs pull")


def is_lfs_pointer(path: Path) -> bool:
    """Whether the file only names what Git LFS keeps elsewhere."""
    if path.stat().st_size > 1024:
        return False
    with path.open("rb") as file:
        return file.read(len(_LFS_POINTER)) == _LFS_POINTER
