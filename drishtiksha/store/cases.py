"""Cases: what is known of each piece of evidence, put together from all tables."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session

from drishtiksha.casefile import SESSION, CaseFile, HumanVerdict, Provenance, StressResult
from drishtiksha.errors import CaseGoneError
from drishtiksha.results import AnalysisResult, MediaInfo, Prediction
from drishtiksha.store.db import Store
from drishtiksha.store.results import ResultReader, only
from drishtiksha.store.reviews import reviews_of
from drishtiksha.store.tables import CaseRow, ResultRow, ReviewRow
from drishtiksha.store.values import CASE_GONE, is_id, storable, utc

PAGE = 100

_SAYS_SAME = {HumanVerdict.GENUINE: Prediction.REAL, HumanVerdict.MANIPULATED: Prediction.FAKE}


@dataclass(frozen=True)
class CaseFilter:
    """Which cases are asked for; None = any."""

    prediction: Prediction | None = None
    model: str | None = None
    reviewed: bool | None = None
    disagreement: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass
class _Said:
    """What machines (model name -> newest prediction) and people (reviewer -> newest verdict) say of a case."""

    machines: dict[str, str] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)

    def passes(self, wanted: CaseFilter) -> bool:
        asked = [p for model, p in self.machines.items() if wanted.model in (None, model)]
        return (
            (wanted.model is None or bool(asked))
            and (wanted.prediction is None or wanted.prediction.value in asked)
            and (wanted.reviewed is None or wanted.reviewed == bool(self.people))
            and (wanted.disagreement is None or wanted.disagreement == self.contradictory())
        )

    def contradictory(self) -> bool:
        """Models against models, people against people, or a person against a model."""
        verdicts = {HumanVerdict(verdict) for verdict in self.people.values()}
        said = {Prediction(p) for p in self.machines.values()} | {_SAYS_SAME[v] for v in verdicts if v in _SAYS_SAME}
        return len(verdicts) > 1 or {Prediction.REAL, Prediction.FAKE} <= said


@dataclass(frozen=True)
class Place:
    """Whose a case is, the facts of its file, and the file's name in the folder of the case."""

    owner: str
    media: MediaInfo
    file_name: str


class Cases:
    """The cases of one database. Who may see them is asked elsewhere: `Workbench.seen_by`."""

    def __init__(self, store: Store, reader: ResultReader) -> None:
        self.store, self.reader = store, reader

    def add(self, case_id: str, media: MediaInfo, file_name: str, owner: str, question: str) -> None:
        row = CaseRow(
            id=case_id,
            owner=storable(owner, 200),
            question=storable(question),
            opened=time.time(),
            file_name=file_name,
            media=media.model_dump_json(),
            provenance=None,
        )
        with self.store.write() as session:
            session.add(row)

    def place(self, case_id: str) -> Place:
        """Raises: CaseGoneError."""
        with self.store.read() as session:
            row = _case_row(session, case_id)
            return Place(row.owner, MediaInfo.model_validate_json(row.media), row.file_name)

    def get(self, case_id: str) -> CaseFile:
        """Raises: CaseGoneError."""
        with self.store.read() as session:
            return self._file(session, _case_row(session, case_id), heatmaps=True)

    def find(self, owner: str | None, wanted: CaseFilter, limit: int) -> list[CaseFile]:
        """Those of this owner (None = everybody's) that pass, newest first, without heatmaps."""
        query = select(CaseRow).order_by(CaseRow.opened.desc(), CaseRow.id)
        if owner is not None:
            query = query.where(CaseRow.owner == storable(owner, 200))
        if wanted.since is not None:
            query = query.where(CaseRow.opened >= _seconds(wanted.since))
        if wanted.until is not None:
            query = query.where(CaseRow.opened < _seconds(wanted.until))
        found: list[CaseFile] = []
        with self.store.read() as session:
            for rows in _pages(session, query):
                said = _said(session, [row.id for row in rows])
                for row in rows:
                    if len(found) == limit:
                        return found
                    if said[row.id].passes(wanted):
                        found.append(self._file(session, row, heatmaps=False))
        return found

    def set_provenance(self, case_id: str, provenance: Provenance) -> None:
        """Raises: CaseGoneError."""
        self._set(case_id, provenance=provenance.model_dump_json())

    def set_question(self, case_id: str, question: str) -> None:
        """Raises: CaseGoneError."""
        self._set(case_id, question=storable(question))

    def _set(self, case_id: str, **values: str) -> None:
        change = update(CaseRow).where(CaseRow.id == case_id).values(**values)
        with self.store.write() as session:
            if session.execute(change.returning(CaseRow.id)).first() is None:
                raise CaseGoneError(CASE_GONE)

    def delete(self, case_id: str) -> None:
        """The row and, with it, its jobs, chunks, results and reviews."""
        with self.store.write() as session:
            session.execute(delete(CaseRow).where(CaseRow.id == case_id))
        self.reader.forget()
        self.store.scrub()

    def opened_before(self, seconds: float) -> list[str]:
        with self.store.read() as session:
            return list(session.scalars(select(CaseRow.id).where(CaseRow.opened < seconds)))

    def ids(self) -> set[str]:
        with self.store.read() as session:
            return set(session.scalars(select(CaseRow.id)))

    def _file(self, session: Session, row: CaseRow, *, heatmaps: bool) -> CaseFile:
        answers = self.reader.newest_of_case(session, row.id, heatmaps=heatmaps)
        return CaseFile(
            case_id=row.id,
            opened_utc=utc(row.opened),
            owner="" if row.owner.startswith(SESSION) else row.owner,
            question=row.question,
            media=MediaInfo.model_validate_json(row.media),
            provenance=Provenance.model_validate_json(row.provenance) if row.provenance else None,
            results=only(AnalysisResult, answers),
            stress=only(StressResult, answers),
            reviews=reviews_of(session, row.id),
        )


def _case_row(session: Session, case_id: str) -> CaseRow:
    row = session.get(CaseRow, case_id) if is_id(case_id) else None
    if row is None:
        raise CaseGoneError(CASE_GONE)
    return row


def _pages(session: Session, query: Select[CaseRow]) -> Iterator[Sequence[CaseRow]]:
    offset = 0
    while rows := session.scalars(query.offset(offset).limit(PAGE)).all():
        yield rows
        offset += PAGE


def _said(session: Session, ids: Sequence[str]) -> defaultdict[str, _Said]:
    said: defaultdict[str, _Said] = defaultdict(_Said)
    newest = select(func.max(ResultRow.id)).where(ResultRow.case_id.in_(ids), ResultRow.kind == "analyze")
    newest = newest.group_by(ResultRow.case_id, ResultRow.model)
    results = select(ResultRow.case_id, ResultRow.model, ResultRow.prediction).where(ResultRow.id.in_(newest))
    for case_id, model, prediction in session.execute(results):
        said[case_id].machines[model] = prediction or Prediction.INCONCLUSIVE.value
    reviews = select(ReviewRow.case_id, ReviewRow.reviewer, ReviewRow.verdict).where(ReviewRow.case_id.in_(ids))
    for case_id, reviewer, verdict in session.execute(reviews.order_by(ReviewRow.made, ReviewRow.id)):
        said[case_id].people[reviewer] = verdict
    return said


def _seconds(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
