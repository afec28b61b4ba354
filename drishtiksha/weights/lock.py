"""What the user's own checkpoints were when they were first used: `weights.lock`, and hashes that need no reading.

Both files lie in the folder of the checkpoint. `weights.lock` (JSON) may be read and edited by a person; `.hashes.json` is
this machine's alone and may be deleted at any time. Where the folder cannot be written to, both are done without.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from drishtiksha.contract import DetectorConfig, WeightsSource
from drishtiksha.errors import WeightsMismatchError
from drishtiksha.weights.files import (
    Sidecar,
    WeightsState,
    files_of,
    origin,
    parts,
    read_sidecar,
    sha256_of,
    state,
    unlike,
)

LOCK, CACHE, GUARD = "weights.lock", ".hashes.json", ".hashes.lock"
WORTH_REMEMBERING = 32_000_000
"""Bytes from which on the hash of a file is remembered: smaller ones are read in a moment."""
SETTLED_S = 0.1
"""A file changed less than so long before it was hashed may be changed again within the clock's grain."""
PATIENCE_S = 10.0


class Pin(BaseModel):
    """One checkpoint, as it was accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int
    source: str
    revision: str | None = Field(default=None, description="the commit it was fetched from")
    licence: str
    pinned: str = Field(description="when, in UTC")


_PINS = TypeAdapter(dict[str, Pin])


def fingerprint(path: Path, source: WeightsSource | None = None, *, fresh: bool = False, remember: bool = True) -> str:
    """SHA-256 of a checkpoint; of a folder, that of what `sha256sum` prints of its files, sorted by name.

    A large file is read once and then only when its size, its times or its place on the disk changed; `fresh` reads it
    in any case. remember: whether to write its hash down beside it.
    """
    if path.is_dir():
        files = sorted(files_of(path, source), key=lambda file: file.relative_to(path).as_posix())
        lines = (
            f"{fingerprint(file, fresh=fresh, remember=remember)}  {file.relative_to(path).as_posix()}\n"
            for file in files
        )
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    stamp = _stamp(path)
    if stamp[0] < WORTH_REMEMBERING:
        return sha256_of(path)
    known = _read_cache(path.parent / CACHE).get(path.name)
    if not fresh and isinstance(known, dict) and known.get("stamp") == stamp:
        return str(known["sha256"])
    found = sha256_of(path)
    settled = time.time_ns() - stamp[1] > SETTLED_S * 1e9 and _stamp(path) == stamp
    if settled and remember:
        entry = {path.name: {"stamp": stamp, "sha256": found}}
        _change(path.parent / CACHE, lambda: _read_cache(path.parent / CACHE) | entry)
    return found


def pinned(path: Path) -> Pin | None:
    """What was accepted at `path`, if anything was. Raises: WeightsMismatchError when the lock cannot be understood."""
    return _read_lock(path.parent / LOCK).get(path.name)


def pin(path: Path, sha256: str, source: WeightsSource, revision: str | None = None) -> bool:
    """Accept `path` as it is now; False where the lock cannot be written."""
    entry = Pin(
        sha256=sha256,
        bytes=sum(file.stat().st_size for file in files_of(path, source)),
        source=origin(source) or "added by hand",
        revision=revision,
        licence=source.licence,
        pinned=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    lock = path.parent / LOCK
    return _change(lock, lambda: _dumped(_read_lock(lock) | {path.name: entry}))


def unpin(path: Path) -> bool:
    """Forget what was accepted at `path`; False when nothing was."""
    lock = path.parent / LOCK
    if path.name not in _read_lock(lock):
        return False
    return _change(lock, lambda: _dumped({k: v for k, v in _read_lock(lock).items() if k != path.name}))


def prove(path: Path, source: WeightsSource, stated: str | None = None, *, fresh: bool = False) -> str:
    """The checkpoint's SHA-256, held against what the publisher or its sidecar (`stated`) says, else against the pin.

    Raises: WeightsMismatchError, with the remedy.
    """
    found = fingerprint(path, source, fresh=fresh)
    if wanted := source.stated_sha256 or stated:
        if found != wanted.lower():
            raise WeightsMismatchError(unlike(path, found, wanted))
        return found
    accepted = pinned(path)
    if accepted is not None and accepted.sha256 != found:
        raise WeightsMismatchError(
            f"{path} is not the file that was used here first ({accepted.pinned}): its SHA-256 is {found}, in {LOCK} stands "
            f"{accepted.sha256}. If you replaced it on purpose, delete its entry in {path.parent / LOCK} "
            "(drishtiksha weights unpin does that); if not, fetch or import it again."
        )
    return found


def prove_parts(config: DetectorConfig, sidecar: Sidecar | None) -> dict[str, str]:
    """SHA-256 of each of a detector's files that is there, by the companion's name; "" is the checkpoint.

    Raises: WeightsMismatchError for a wrong one.
    """
    stated = sidecar.sha256 if sidecar else None
    checkpoint, *further = parts(config)
    here = [checkpoint, *(part for part in further if state(part.path, part.source) is not WeightsState.MISSING)]
    return {part.name: prove(part.path, part.source, None if part.name else stated) for part in here}


def pin_parts(config: DetectorConfig, hashes: Mapping[str, str]) -> None:
    """Hold what nobody vouches for to what it was when it first fitted; `hashes` as `prove_parts` gives them."""
    for part in parts(config):
        vouched = part.source.stated_sha256 or read_sidecar(part.path) or pinned(part.path)
        if part.name in hashes and not vouched:
            pin(part.path, hashes[part.name], part.source)


def _stamp(path: Path) -> list[int]:
    facts = path.stat()
    return [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino]


def _read_lock(lock: Path) -> dict[str, Pin]:
    if not lock.is_file():
        return {}
    try:
        return _PINS.validate_json(lock.read_bytes())
    except ValidationError as error:
        raise WeightsMismatchError(
            f"{lock} cannot be understood ({error.errors()[0]['msg']}). Mend it, or delete it: the checkpoints are then "
            "accepted as they are at their next use."
        ) from error


def _dumped(pins: dict[str, Pin]) -> dict[str, Any]:
    return {name: entry.model_dump(exclude_none=True) for name, entry in pins.items()}


def _read_cache(cache: Path) -> dict[str, Any]:
    try:
        content = json.loads(cache.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _change(file: Path, content: Callable[[], dict[str, Any]]) -> bool:
    """Write what `content` makes of what stands there, in one step and one writer after the other."""
    from filelock import FileLock

    beside = file.with_name(f".{file.name}.new")
    try:
        with FileLock(file.parent / GUARD, timeout=PATIENCE_S):
            beside.write_text(json.dumps(content(), indent=2, sort_keys=True) + "\n", encoding="utf-8")
            beside.replace(file)
    except OSError:  # a models folder that is read-only, full or held by another for too long
        return False
    return True
