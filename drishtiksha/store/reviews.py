"""What reviewers said: rows are only ever added."""

from __future__ import annotations

import time
from collections.abc import Sequence

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.orm import Session

from drishtiksha.casefile import Confidence, HumanVerdict, PinnedNote, Review
from drishtiksha.errors import CaseGoneError
from drishtiksha.store.db import Store
from drishtiksha.store.tables import CaseRow, ReviewRow
from drishtiksha.store.values import CASE_GONE, names, storable, to_json, utc

_NOTES = TypeAdapter(tuple[PinnedNote, ...])


class Reviews:
    """The reviews of one database."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def add(
        self,
        case_id: str,
        reviewer: str,
        verdict: HumanVerdict,
        confidence: Confidence,
        notes: Sequence[PinnedNote] = (),
        tags: Sequence[str] = (),
        made: float | None = None,
    ) -> Review:
        """Add one. made: seconds since 1970 UTC, now unless it comes from elsewhere. Raises: CaseGoneError."""
        row = ReviewRow(
            case_id=case_id,
            reviewer=storable(reviewer, 200),
            verdict=HumanVerdict(verdict).value,
            confidence=Confidence(confidence).value,
            notes=_NOTES.dump_json(tuple(notes), ensure_ascii=True).decode(),
            tags=to_json(list(tags)),
            made=time.time() if made is None else made,
        )
        with self.store.write() as session:
            if session.get(CaseRow, case_id, with_for_update=True) is None:
                raise CaseGoneError(CASE_GONE)
            session.add(row)
            session.flush()
            return review_of(row)

    def of_case(self, case_id: str) -> list[Review]:
        """The whole history, oldest first."""
        with self.store.read() as session:
            return list(reviews_of(session, case_id))


def reviews_of(session: Session, case_id: str) -> tuple[Review, ...]:
    rows = session.scalars(select(ReviewRow).where(ReviewRow.case_id == case_id).order_by(ReviewRow.made, ReviewRow.id))
    return tuple(map(review_of, rows))


def review_of(row: ReviewRow) -> Review:
    return Review(
        review_id=row.id,
        case_id=row.case_id,
        reviewer=row.reviewer,
        verdict=HumanVerdict(row.verdict),
        confidence=Confidence(row.confidence),
        notes=_NOTES.validate_json(row.notes),
        tags=names(row.tags),
        made_utc=utc(row.made),
    )
