"""How long a model will take on a file, from its finished runs on such files."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Collection
from functools import lru_cache
from itertools import combinations
from statistics import median

from sqlalchemy import select
from sqlalchemy.orm import Session

from drishtiksha.casefile import Seconds
from drishtiksha.results import MediaInfo, MediaKind
from drishtiksha.store.tables import JobRow, ResultRow

Runs = dict[str, tuple[tuple[float, float], ...]]
"""Model name -> (seconds that it took, length of the file in seconds) of its last runs, newest first."""

LOOKED_BACK, OF_EACH = 300, 12
"""Runs that an estimate looks at, and of each model those it is made from."""
APART = math.log(2)
"""Two lengths tell how the time grows with the length where one is at least twice the other."""
MARGIN = 1.25
"""No two runs take exactly as long: so much less and more is always allowed for."""
LEAST_S = 0.01
RUNS_FRESH_S = 5.0


class RunsSeen:
    """The last runs by kind of job and of media and by device, read again when there are new ones. Safe to share between
    threads."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, MediaKind, str], tuple[int, float, Runs]] = {}
        self._lock = threading.Lock()

    def of(
        self, session: Session, kind: str, media_kind: MediaKind, device: str, newest: int, wanted: Collection[str]
    ) -> Runs:
        """newest: number of the newest result; where that has grown, what is known still does for `RUNS_FRESH_S`, unless a
        wanted model is not in it."""
        key = (kind, media_kind, device)
        with self._lock:
            then, read_at, runs = self._known.get(key, (-1, 0.0, {}))
        recent = time.monotonic() - read_at < RUNS_FRESH_S and all(model in runs for model in wanted)
        if then != newest and not recent:
            runs = runs_seen(session, *key)
            with self._lock:
                self._known[key] = (newest, time.monotonic(), runs)
        return runs


def runs_seen(session: Session, kind: str, media_kind: MediaKind, device: str) -> Runs:
    """The last runs on media of a kind, by jobs that were queued for this device, as it is configured."""
    rows = session.execute(
        select(ResultRow.model, ResultRow.seconds, ResultRow.length_s)
        .join(JobRow, JobRow.id == ResultRow.job_id)
        .where(ResultRow.kind == kind, ResultRow.media_kind == media_kind.value, JobRow.device == device)
        .order_by(ResultRow.id.desc())
        .limit(LOOKED_BACK)
    )
    runs: dict[str, list[tuple[float, float]]] = {}
    for model, seconds, length in rows:
        own = runs.setdefault(model, [])
        if len(own) < OF_EACH:
            own.append((seconds, length))
    return {model: tuple(own) for model, own in runs.items()}


def expected(runs: Runs, media: MediaInfo) -> dict[str, Seconds]:
    """Model name -> between how many seconds it will take on such media."""
    return {model: of_runs(own, media.duration_s or 0.0) for model, own in runs.items()}


@lru_cache(maxsize=4096)  # whoever waits asks each second for what lies before them
def of_runs(runs: tuple[tuple[float, float], ...], length: float) -> Seconds:
    """A Theil-Sen line through the logarithms: seconds = c * length ** slope, with the median of the slopes between runs whose
    lengths are far apart, and the median of c; how far the runs lie from it, as their median deviation, widens the range.

    Where all runs are on files of one length, the slope is not known: the range then reaches from a model that looks at a
    fixed number of moments (0) to one that looks at all of the file (1).
    """
    points = [(math.log(own + 1), math.log(max(seconds, LEAST_S))) for seconds, own in runs]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if abs(b[0] - a[0]) > APART]
    tried = (min(max(median(slopes), 0.0), 1.0),) if slopes else (0.0, 1.0)
    at, found = math.log(length + 1), []
    for slope in tried:
        here = [seconds + slope * (at - own) for own, seconds in points]
        middle = median(here)
        spread = max(math.log(MARGIN), 2 * median(abs(one - middle) for one in here))
        found += [math.exp(middle - spread), math.exp(middle + spread)]
    return min(found), max(found)
