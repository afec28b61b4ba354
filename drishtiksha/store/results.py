"""Results of models, kept as their own JSON and parsed once."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TypeVar

from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from drishtiksha.casefile import StressResult
from drishtiksha.results import AnalysisResult, MediaKind
from drishtiksha.store.tables import ResultRow

log = logging.getLogger(__name__)

KEPT = 256
"""Parsed results held in memory: a page that watches a job asks for the same ones several times a second."""

Answer = AnalysisResult | StressResult
One = TypeVar("One", AnalysisResult, StressResult)


class ResultReader:
    """Reads answers of one database. Safe to share between threads."""

    def __init__(self) -> None:
        self._parsed: OrderedDict[int, Answer] = OrderedDict()
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Drop what is held in memory, after a deletion."""
        with self._lock:
            self._parsed.clear()

    def of_job(self, session: Session, job_id: str, models: Sequence[str]) -> list[Answer]:
        """In the order of the job's models."""
        found = session.execute(select(ResultRow.model, ResultRow.id).where(ResultRow.job_id == job_id))
        ids = {row.model: row.id for row in found}
        return self._load(session, [ids[model] for model in models if model in ids])

    def newest_of_case(self, session: Session, case_id: str) -> list[Answer]:
        """The newest answer of each model and kind, in the order in which they were made."""
        newest = select(func.max(ResultRow.id)).where(ResultRow.case_id == case_id)
        ids = session.scalars(newest.group_by(ResultRow.model, ResultRow.kind)).all()
        return self._load(session, sorted(ids))

    def _load(self, session: Session, ids: Sequence[int]) -> list[Answer]:
        with self._lock:
            found = {number: self._parsed[number] for number in ids if number in self._parsed}
        absent = [number for number in ids if number not in found]
        if absent:
            rows = session.execute(
                select(ResultRow.id, ResultRow.kind, ResultRow.body).where(ResultRow.id.in_(absent))
            ).all()
            parsed = ((number, _parse(kind, body)) for number, kind, body in rows)
            found |= {number: answer for number, answer in parsed if answer is not None}
        with self._lock:
            self._parsed.update((number, found[number]) for number in absent if number in found)
            while len(self._parsed) > KEPT:
                self._parsed.popitem(last=False)
        return [found[number] for number in ids if number in found]


def _parse(kind: str, body: str) -> Answer | None:
    """None for what another version wrote and this one cannot read: the case stands without it."""
    try:
        return (StressResult if kind == "stress" else AnalysisResult).model_validate_json(body)
    except ValidationError as error:
        log.warning("a result that another version wrote is passed over: %d problems", error.error_count())
        return None


def only(kind: type[One], answers: Iterable[Answer]) -> tuple[One, ...]:
    return tuple(answer for answer in answers if isinstance(answer, kind))


def seconds_seen(session: Session, kind: str, media_kind: MediaKind) -> dict[str, float]:
    """Model name -> mean seconds that its runs on such media took here so far."""
    mean = select(ResultRow.model, func.avg(ResultRow.seconds)).group_by(ResultRow.model)
    rows = session.execute(mean.where(ResultRow.kind == kind, ResultRow.media_kind == media_kind.value))
    return {model: float(seconds) for model, seconds in rows}
