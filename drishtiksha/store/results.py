"""Results of models, kept as their own JSON and parsed once. Heatmaps lie beside them: they are by far the largest part."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import func, null, select
from sqlalchemy.orm import Session

from drishtiksha.casefile import Outcome, StressResult
from drishtiksha.results import AnalysisResult, Heatmap
from drishtiksha.store.tables import ResultRow

log = logging.getLogger(__name__)

KEPT, KEPT_BRIEF = 256, 4096
"""Parsed results held in memory, with and without heatmaps: a page that watches a job asks for the same ones several times
a second, a list of cases for those of all."""

One = TypeVar("One", AnalysisResult, StressResult)

_MAPS = TypeAdapter(tuple[Heatmap, ...])


class ResultReader:
    """Reads answers of one database. Safe to share between threads."""

    def __init__(self) -> None:
        self._parsed: dict[bool, OrderedDict[int, Outcome]] = {True: OrderedDict(), False: OrderedDict()}
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Drop what is held in memory, after a deletion."""
        with self._lock:
            for parsed in self._parsed.values():
                parsed.clear()

    def of_job(self, session: Session, job_id: str, models: Sequence[str]) -> list[Outcome]:
        """In the order of the job's models."""
        found = session.execute(select(ResultRow.model, ResultRow.id).where(ResultRow.job_id == job_id))
        ids = {row.model: row.id for row in found}
        return self._load(session, [ids[model] for model in models if model in ids], heatmaps=True)

    def newest_of_case(self, session: Session, case_id: str, *, heatmaps: bool) -> list[Outcome]:
        """The newest answer of each model and kind, in the order in which they were made."""
        newest = select(func.max(ResultRow.id)).where(ResultRow.case_id == case_id)
        ids = session.scalars(newest.group_by(ResultRow.model, ResultRow.kind)).all()
        return self._load(session, sorted(ids), heatmaps=heatmaps)

    def _load(self, session: Session, ids: Sequence[int], *, heatmaps: bool) -> list[Outcome]:
        parsed = self._parsed[heatmaps]
        with self._lock:
            found = {number: parsed[number] for number in ids if number in parsed}
        absent = [number for number in ids if number not in found]
        if absent:
            maps = ResultRow.heatmaps if heatmaps else null()
            rows = select(ResultRow.id, ResultRow.kind, ResultRow.body, maps).where(ResultRow.id.in_(absent))
            for number, kind, body, own_maps in session.execute(rows).all():
                if (answer := _parse(kind, body, own_maps)) is not None:
                    found[number] = answer
        with self._lock:
            parsed.update((number, found[number]) for number in absent if number in found)
            while len(parsed) > (KEPT if heatmaps else KEPT_BRIEF):
                parsed.popitem(last=False)
        return [found[number] for number in ids if number in found]


def columns_of(answer: Outcome) -> dict[str, Any]:
    """What a row says of an answer."""
    if isinstance(answer, StressResult):
        base, parts = answer.baseline, {"kind": "stress", "seconds": answer.seconds, "body": answer.model_dump_json()}
    else:
        base, body, maps = (
            answer,
            answer.model_dump_json(exclude={"heatmaps"}),
            _MAPS.dump_json(answer.heatmaps).decode(),
        )
        parts = {"kind": "analyze", "seconds": answer.processing_time, "body": body, "heatmaps": maps}
    media = {"media_kind": base.media.kind.value, "length_s": base.media.duration_s or 0.0}
    return {**parts, **media, "prediction": base.prediction.value}


def _parse(kind: str, body: str, heatmaps: str | None) -> Outcome | None:
    """None for what another version wrote and this one cannot read: the case stands without it."""
    try:
        if kind == "stress":
            return StressResult.model_validate_json(body)
        result = AnalysisResult.model_validate_json(body)
        return result if heatmaps is None else result.model_copy(update={"heatmaps": _MAPS.validate_json(heatmaps)})
    except ValidationError as error:
        log.warning("a result that another version wrote is passed over: %d problems", error.error_count())
        return None


def only(kind: type[One], answers: Iterable[Outcome]) -> tuple[One, ...]:
    return tuple(answer for answer in answers if isinstance(answer, kind))
