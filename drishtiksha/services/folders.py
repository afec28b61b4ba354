"""The folders of the cases: what is copied into them, how much they may hold, and how they go."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from drishtiksha.errors import CaseGoneError, QuotaError, StoreError
from drishtiksha.media.evidence import Evidence
from drishtiksha.services.shared_evidence import SharedEvidence, evidence_at
from drishtiksha.settings import Settings
from drishtiksha.store.cases import Place

TAKING_S = 3600.0
"""A folder without a case is left alone for so long: its file may just be arriving."""
MARK = "to-be-deleted"
"""A file in a case's folder: the case is hidden, and deleted unless somebody takes that back in time."""
COPY = "kept-elsewhere"
"""A file in a case's folder: what lies there is a copy of what is kept at `evidence_url`. It is touched at each use."""
COPY_KEPT_S = 86_400.0
"""How long such a copy stays after its last use."""
SETTLED_S = 60.0
"""A copy without a case is left alone for so long: its case may just be opened."""
SWEEP_SHARED_S = 3600.0
"""How often what is kept at `evidence_url` is listed."""
DOOMED = ".deleted"
"""Ends the name of a folder that is being deleted."""


DISK_FULL = "The disk of this machine is full. Delete a case that is no longer needed, or ask whoever runs this server."


AWAY = (
    "The folder for what is examined is away or cannot be written. Nothing was taken in. Try again later, and tell whoever runs "
    "this server."
)


def is_full(error: OSError) -> bool:
    """Whether there was no room on the disk, or none for this user."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def copied(upload: Path, original_name: str, settings: Settings) -> Evidence:
    """The copy of a file in a folder of its own. Raises: MediaError and its kinds; QuotaError when the disk is full."""
    try:
        return Evidence.take(upload, settings.cases_dir, settings.limits, original_name=original_name)
    except OSError as error:
        if not is_full(error):
            raise
        raise QuotaError(DISK_FULL) from error


class CaseFolders:
    """A folder a case for the evidence, another for what is derived from it. With `evidence_url` the evidence is kept there, and
    the folders hold copies."""

    def __init__(self, settings: Settings) -> None:
        """Raises: ConfigError for an `evidence_url` that cannot be opened."""
        self._settings = settings
        self._shared = evidence_at(settings.evidence_url) if settings.evidence_url else None
        self._to_remove: set[str] = set()
        """Deleted cases that the store did not let go of yet."""
        self._listed = 0.0
        self._roots = (settings.cases_dir, settings.derived_dir)
        self._taking = threading.Lock()
        """One upload after the other where there is a quota: two at once would each see the room for one."""

    def require_there(self) -> None:
        """Raises: StoreError when the data folder is away, which is not begun anew, or cannot be written."""
        if not os.access(self._settings.data_root, os.W_OK):
            raise StoreError(AWAY)

    @contextlib.contextmanager
    def room_for(self, upload: Path, sweep: Callable[[], None]) -> Iterator[None]:
        """Room to copy a file into a folder of its own, for the time of the block. sweep: called before what is held is
        counted. Raises: QuotaError; StoreError as `require_there`."""
        self.require_there()
        with self._taking if self._settings.disk_quota_mb is not None else contextlib.nullcontext():
            self._require_room(upload, sweep)
            yield

    def share(self, evidence: Evidence) -> None:
        """Keep what was copied in where all servers find it. Raises: StoreError."""
        if self._shared is not None and evidence.case_dir is not None:
            self._shared.put(evidence.case_dir.name, evidence.path)
            (evidence.case_dir / COPY).touch()

    def evidence(self, case_id: str, place: Place) -> Evidence:
        """The untouched file of a case. Raises: CaseGoneError; where it is fetched, as `SharedEvidence.get`, and QuotaError when
        the disk is full."""
        case_dir = self._settings.cases_dir / case_id
        if self._shared is not None:
            self._fetch(self._shared, case_dir, place)
        elif not (case_dir / place.file_name).is_file():
            raise CaseGoneError("The file of this case is no longer on this machine. Upload it again.")
        return Evidence(case_dir / place.file_name, place.media, case_dir)

    def _fetch(self, shared: SharedEvidence, case_dir: Path, place: Place) -> None:
        """A copy, unless it is there; noted as used now."""
        case_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        (case_dir / COPY).touch()
        if not (case_dir / place.file_name).is_file():
            try:
                shared.get(case_dir.name, case_dir / place.file_name, place.media.sha256)
            except OSError as error:
                if not is_full(error):
                    raise
                raise QuotaError(DISK_FULL) from error

    def derived(self, case_id: str) -> Path:
        """The folder for derived copies; it exists."""
        folder = self._settings.derived_dir / case_id
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._shared is not None:
            (folder / COPY).touch()
        return folder

    def mark(self, case_id: str) -> None:
        """Hide a case that is to be deleted. A file does it, so that another process, or this one later, knows."""
        if self._shared is not None:
            (self._settings.cases_dir / case_id).mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            (self._settings.cases_dir / case_id / MARK).touch()

    def unmark(self, case_id: str) -> None:
        """Take that back."""
        (self._settings.cases_dir / case_id / MARK).unlink(missing_ok=True)

    def is_marked(self, case_id: str) -> bool:
        """Whether a case is hidden."""
        return (self._settings.cases_dir / case_id / MARK).exists()

    def marked_before(self, seconds: float) -> list[str]:
        """The hidden cases whose time to take it back is over. seconds: since 1970."""
        marks = self._settings.cases_dir.glob(f"*/{MARK}")
        return [mark.parent.name for mark in marks if not mark.parent.name.endswith(DOOMED) and _made(mark) <= seconds]

    def doom(self, case_id: str) -> None:
        """Rename what is to be removed: whatever stops this process now, the next sweep removes it."""
        for root in self._roots:
            doomed = root / f"{case_id}{DOOMED}"
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(doomed)  # of a removal that was broken off, before somebody made the folder once more
            with contextlib.suppress(FileNotFoundError):
                (root / case_id).rename(doomed)

    def remove(self, case_id: str) -> None:
        """Remove everything of a case. What the store does not let go of now is removed by a later sweep."""
        if self._shared is not None:
            self._to_remove.add(case_id)
            self._remove_from(self._shared)
        for root in self._roots:
            for name in (case_id, f"{case_id}{DOOMED}"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(root / name)

    def sweep(self, known: Collection[str], oldest: float) -> None:
        """Remove what was doomed, and folders that belong to no case and are older than any case may be.

        Not younger ones: the settings may yet return to the database that knows them. Copies of what is kept elsewhere go soon.
        oldest: seconds since 1970.
        """
        stray = min(oldest, time.time() - TAKING_S)
        for root in self._roots:
            for folder in root.iterdir() if root.is_dir() else ():
                if folder.name.endswith(DOOMED) or self._is_over(folder, folder.name in known, stray):
                    shutil.rmtree(folder, ignore_errors=True)
        if self._shared is not None:
            self._sweep_shared(self._shared, known, stray)

    def _is_over(self, folder: Path, known: bool, stray: float) -> bool:
        """Whether a folder is no longer wanted here. known: whether its case is there."""
        used = _made(folder / COPY) if (folder / COPY).exists() else None
        if used is None:
            return not known and _made(folder) < stray
        return used < time.time() - (COPY_KEPT_S if known else SETTLED_S)

    def _sweep_shared(self, shared: SharedEvidence, known: Collection[str], stray: float) -> None:
        """The same for what is kept elsewhere. A store that cannot be reached is asked again later."""
        if time.monotonic() - self._listed > SWEEP_SHARED_S:
            with contextlib.suppress(StoreError):  # it is in the log
                self._to_remove.update(shared.strays(known, stray))
                self._listed = time.monotonic()
        self._remove_from(shared)

    def _remove_from(self, shared: SharedEvidence) -> None:
        for case_id in tuple(self._to_remove):
            with contextlib.suppress(StoreError):  # it is in the log
                shared.remove(case_id)
                self._to_remove.discard(case_id)

    def _require_room(self, upload: Path, sweep: Callable[[], None]) -> None:
        quota = self._settings.disk_quota_mb
        if quota is None:
            return
        sweep()
        held = sum(_size(path) for root in self._roots for path in root.rglob("*"))
        if held + _size(upload) > quota * 1_000_000:
            raise QuotaError(
                f"There is no room for another file: the cases kept here take {held / 1e6:.0f} of {quota} MB. "
                "Delete a case that is no longer needed, or ask whoever runs this server."
            )


def _made(folder: Path) -> float:
    """Seconds since 1970; now for one that was deleted meanwhile."""
    try:
        return folder.stat().st_mtime
    except OSError:
        return time.time()


def _size(path: Path) -> int:
    """Bytes of a file; 0 for a folder, and for what was deleted meanwhile."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0
