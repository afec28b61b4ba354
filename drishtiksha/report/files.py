"""Writing so that a reader never meets half a file."""

from __future__ import annotations

import secrets
from pathlib import Path


def draft_of(target: Path) -> Path:
    """A new name beside `target`, to be moved there once the file is whole."""
    return target.with_name(f".{secrets.token_hex(12)}")


def write_whole(target: Path, data: bytes) -> Path:
    """`target` holds all of `data`, or what it held before. Raises: OSError."""
    draft = draft_of(target)
    try:
        draft.write_bytes(data)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return target
