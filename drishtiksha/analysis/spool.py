"""Where decoded frames wait for those that still want them: in a bounded temporary file, or in bounded memory."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import IO, Protocol

import numpy as np

from drishtiksha.media.video import Frame

FREE_SHARE = 0.5
"""Of the free disk, the most that a spool takes."""


class Keeper(Protocol):
    """Keeps frames by their index."""

    def __contains__(self, index: int) -> bool: ...

    def fits(self, size: int) -> bool:
        """Whether `size` bytes more would be kept."""
        ...

    def put(self, frame: Frame) -> None:
        """Keep it where there is room for it."""
        ...

    def get(self, index: int) -> Frame:
        """The same pixels; nobody else's array."""
        ...

    def close(self) -> None: ...


class Shelf:
    """Frames in memory up to `limit` bytes, each handed out once: for one model that comes back for them."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._frames: dict[int, Frame] = {}

    def __contains__(self, index: int) -> bool:
        return index in self._frames

    def fits(self, size: int) -> bool:
        return self._size + size <= self._limit

    def put(self, frame: Frame) -> None:
        if frame.index not in self._frames and self.fits(frame.image.nbytes):
            self._frames[frame.index] = frame
            self._size += frame.image.nbytes

    def get(self, index: int) -> Frame:
        frame = self._frames.pop(index)
        self._size -= frame.image.nbytes
        return frame

    def close(self) -> None:
        self._frames.clear()


class Spool:
    """Raw pixels in a temporary file of at most `limit` bytes and half of the free disk, read back as often as wanted.

    folder: where it lies, on a disk rather than in memory; None: where the system puts temporary files.
    The file has no name from the start (where the system allows): nothing is left behind, even by a process that is killed.
    """

    def __init__(self, limit: int, folder: Path | None = None) -> None:
        self._limit, self._folder, self._size = limit, folder, 0
        self._file: IO[bytes] | None = None
        self._places: dict[int, tuple[int, float, tuple[int, ...]]] = {}

    def __contains__(self, index: int) -> bool:
        return index in self._places

    def fits(self, size: int) -> bool:
        return self._size + size <= self._limit

    def put(self, frame: Frame) -> None:
        if frame.index in self._places or not self.fits(frame.image.nbytes):
            return
        file = self._opened()
        if not self.fits(frame.image.nbytes):
            return
        pixels = np.ascontiguousarray(frame.image).reshape(-1).data
        try:
            file.seek(self._size)
            whole = file.write(pixels) == len(pixels)
        except OSError:
            whole = False
        if not whole:
            # The disk is full: what is there can still be read, the rest is decoded again.
            self._limit = self._size
            return
        self._places[frame.index] = (self._size, frame.time_s, frame.image.shape)
        self._size += frame.image.nbytes

    def get(self, index: int) -> Frame:
        """Raises: OSError when the disk no longer gives what was written."""
        start, time_s, shape = self._places[index]
        assert self._file is not None
        image = np.empty(shape, np.uint8)
        self._file.seek(start)
        if self._file.readinto(image.reshape(-1).data) != image.nbytes:  # type: ignore[attr-defined]
            raise OSError(f"frame {index} could not be read back from the temporary folder {tempfile.gettempdir()}")
        return Frame(index, time_s, image)

    def close(self) -> None:
        self._places.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            folder = self._folder or Path(tempfile.gettempdir())
            self._limit = min(self._limit, int(shutil.disk_usage(folder).free * FREE_SHARE))
            # Unbuffered: a frame is one write, and a failed one must not be tried again at closing.
            self._file = tempfile.TemporaryFile(dir=folder, prefix="drishtiksha-", buffering=0)  # noqa: SIM115
        return self._file
