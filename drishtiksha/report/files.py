"""Writing so that a reader never meets half a file, and what is there stays until the new one is whole."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable
from pathlib import Path


def draft_of(target: Path) -> Path:
    """A new name beside `target`, to be moved there once the file is whole."""
    return target.with_name(f".{secrets.token_hex(12)}")


def once(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a file unless it is there; nobody ever sees a half-written one."""
    if not path.exists():
        unfinished = draft_of(path)
        try:
            write(unfinished)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    return path


def is_stream(target: Path) -> bool:
    """Whether it is written to as it stands: a pipe or a device, such as /dev/stdout."""
    return (target.exists() and not target.is_file()) or target.absolute().parts[:2] in (
        (os.sep, "dev"),
        (os.sep, "proc"),
    )


def write_whole(target: Path, data: bytes) -> Path:
    """`target` holds all of `data`, or what it held before; a stream is written to. Raises: OSError."""
    if is_stream(target):
        target.write_bytes(data)
        return target
    final = target.resolve()  # a link stays one
    draft = draft_of(final)
    try:
        draft.write_bytes(data)
        draft.replace(final)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error
    finally:
        draft.unlink(missing_ok=True)
    return target


def require_writable(target: Path) -> None:
    """Find out, before any work is done for it, whether `target` can be written; its folder exists afterwards.

    Raises: OSError that names it.
    """
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if is_stream(target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_of(target.resolve())
    try:
        draft.touch(exist_ok=False)
        draft.unlink()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error
