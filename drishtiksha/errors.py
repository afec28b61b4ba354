"""Every exception of the project. A message says what happened, what was wanted, and the remedy."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

_QUOTED_PATH = re.compile(r"""(?<=['"])/(?!api/)(?:[^'"\n/]+/)*([^'"\n/]+/[^'"\n/]+)(?=['"])""")
_BARE_PATH = re.compile(r"(?<![\w.:/])/(?!api/)(?:[^\s/]+/)*([^\s/]+/[^\s/]+)")
_own_folders: set[str] = set()
"""Of this process: absolute, without a separator at the end."""


def hide_folders(*folders: Path) -> None:
    """Have `without_server_paths` cut these absolute folders off, whatever characters they hold; "/" stays."""
    _own_folders.update(str(folder) for folder in folders if folder.is_absolute() and folder != folder.parent)


def without_server_paths(text: str) -> str:
    """The text without where the server keeps things: folders of its own are cut off, other absolute paths cut to their
    folder and file, "models/x.pt". Only folders of its own and quoted paths may hold spaces."""
    folders = (_own_folders | {str(Path("~").expanduser()), tempfile.gettempdir()}) - {"", "~", os.sep}
    known = "|".join(re.escape(folder) for folder in sorted(folders, key=len, reverse=True))
    text = re.sub(rf"(?<![\w.:/])(?:{known})[/\\]", "", text)
    text = re.sub(rf"(?<![\w.:/])({known})(?![\w-])", lambda found: Path(found[1]).name, text)
    return _BARE_PATH.sub(r"\1", _QUOTED_PATH.sub(r"\1", text))


class DrishtikshaError(Exception):
    """Base of all errors that a user may read; the message is fit for a journalist's eyes."""


class ConfigError(DrishtikshaError):
    """`configs/config.yaml`, the environment or `.env` holds something that cannot be used."""


class MediaError(DrishtikshaError):
    """The evidence cannot be examined."""


class UnreadableMediaError(MediaError):
    """Empty, truncated, not a media file at all, or of a format that no decoder here knows."""


class MediaLimitError(MediaError):
    """Larger, longer or with more pixels or frames than the settings allow."""


class DecodeStalledError(MediaError):
    """The decoder produced nothing for longer than the settings allow."""


class TimeUpError(MediaError):
    """It took longer than the settings allow."""


class NotFetchedError(MediaError):
    """What lies at an address could not be fetched: it is absent, closed, or the network failed."""


class WrongMediaKindError(MediaError):
    """The detector was not made for this kind of media, or the track it needs is absent."""


class WeightsError(DrishtikshaError):
    """A checkpoint cannot be used."""


class WeightsMissingError(WeightsError):
    """The checkpoint file is not on this machine."""


class WeightsMismatchError(WeightsError):
    """The checkpoint is not the one expected: hash, keys, shapes or canary score differ."""


class WeightsDamagedError(WeightsMismatchError):
    """The file is cut off, altered or no checkpoint at all."""


class WeightsNotAllowedError(WeightsMismatchError):
    """The file is whole, but holds a type that is not allowed in weights; none of its code was run."""


class DownloadError(WeightsError):
    """A checkpoint could not be fetched."""


class ModelRegistryError(DrishtikshaError):
    """A model name is not configured, its class is not found, or it could not be loaded."""


class ModelFailedError(DrishtikshaError):
    """A model gave no answer that can be used: its code or its numbers are at fault, or the memory was not enough."""


class ManifestError(DrishtikshaError):
    """A list of labelled files cannot be used as it is written."""


class AnalysisCancelledError(DrishtikshaError):
    """The user stopped the analysis."""


class CaseGoneError(DrishtikshaError):
    """The case was deleted, its time is over, or it belongs to somebody else."""


class JobGoneError(DrishtikshaError):
    """No such job, or its case is gone."""


class NotAllowedError(DrishtikshaError):
    """Somebody who may read a case may not do this with it."""


class JobStateError(DrishtikshaError):
    """A job cannot be retried as it stands: it has not ended, or it is done."""


class QueueFullError(DrishtikshaError):
    """As many jobs wait as may wait. `retry_s`: when one of them may have ended, where that is known."""

    retry_s: float | None = None


class QuotaError(DrishtikshaError):
    """The folder of cases holds as much as it may."""


class StoreError(DrishtikshaError):
    """The database cannot be opened, or was made by another version."""


class ReportError(DrishtikshaError):
    """A report cannot be made: the evidence is not that of the case, or the signing key cannot be used."""


class AccountError(DrishtikshaError):
    """A key or user cannot be made or is not known."""


class RequestError(DrishtikshaError):
    """The server refuses a request. `kind` names why, `status` is its HTTP status, `retry_s` when to try again."""

    def __init__(self, kind: str, message: str, status: int, retry_s: float | None = None) -> None:
        super().__init__(message)
        self.kind, self.status, self.retry_s = kind, status, retry_s


class BundleError(ReportError):
    """A file is no bundle of a report, is damaged, or is packed as no bundle is."""


class ReviewError(DrishtikshaError):
    """A reviewer's word cannot be kept as it was sent."""


class ReviewFileError(DrishtikshaError):
    """A file of reviews cannot be taken in. `lines` are those that are wrong, from 1; empty where all of it is."""

    def __init__(self, message: str, lines: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.lines = lines


class SkipSample(Exception):  # noqa: N818 - a signal to the analysis, not an error
    """Raised by `Detector.preprocess` for a sample that cannot be scored; it becomes a gap.

    `reason` is a `GapReason` value.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
