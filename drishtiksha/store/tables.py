"""The tables. Times are seconds since 1970 UTC; frozen models are kept as their own JSON, with a few columns to find them."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import Double

ID = String(32)
NAME = String(200)


class Base(DeclarativeBase):
    """What every table of the project derives from."""


class CaseRow(Base):
    """One piece of evidence; its file is `<cases_dir>/<id>/<file_name>`."""

    __tablename__ = "cases"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    owner: Mapped[str] = mapped_column(NAME, index=True)
    question: Mapped[str] = mapped_column(Text)
    opened: Mapped[float] = mapped_column(Double, index=True)
    file_name: Mapped[str] = mapped_column(NAME)
    media: Mapped[str] = mapped_column(Text)
    provenance: Mapped[str | None] = mapped_column(Text)


class JobRow(Base):
    """A job. `worker` and `beat` say which process works on it and when that process last gave a sign of life;
    `deaths` counts the processes that died at it since its last step forward."""

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_queue", "state", "device", "batch", "queued"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    models: Mapped[str] = mapped_column(Text)
    track: Mapped[int | None]
    batch: Mapped[bool]
    device: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))
    created: Mapped[float] = mapped_column(Double)
    queued: Mapped[float] = mapped_column(Double)
    started: Mapped[float | None] = mapped_column(Double)
    ended: Mapped[float | None] = mapped_column(Double)
    worker: Mapped[str | None] = mapped_column(NAME)
    beat: Mapped[float | None] = mapped_column(Double)
    deaths: Mapped[int] = mapped_column(default=0)
    cancel_asked: Mapped[bool]
    model_name: Mapped[str] = mapped_column(NAME)
    phase: Mapped[str] = mapped_column(String(32))
    message: Mapped[str] = mapped_column(Text)
    progress: Mapped[int]
    total: Mapped[int | None]
    preview: Mapped[str | None] = mapped_column(Text)
    errors: Mapped[str] = mapped_column(Text)


class ChunkRow(Base):
    """What one model of one job scored so far, in pieces that only the analysis can read."""

    __tablename__ = "chunks"
    __table_args__ = (Index("ix_chunks_job_model", "job_id", "model"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    model: Mapped[str] = mapped_column(NAME)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class ResultRow(Base):
    """One model's answer: an `AnalysisResult`, or of kind "stress" a `StressResult`."""

    __tablename__ = "results"
    __table_args__ = (
        UniqueConstraint("job_id", "model"),
        Index("ix_results_seconds", "kind", "media_kind", "model", "seconds"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"), index=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))
    model: Mapped[str] = mapped_column(NAME)
    media_kind: Mapped[str] = mapped_column(String(16))
    prediction: Mapped[str | None] = mapped_column(String(16))
    seconds: Mapped[float] = mapped_column(Double)
    length_s: Mapped[float] = mapped_column(Double, default=0.0)
    made: Mapped[float] = mapped_column(Double)
    body: Mapped[str] = mapped_column(Text)
    heatmaps: Mapped[str | None] = mapped_column(Text)


class ReviewRow(Base):
    """One reviewer's word. Rows are added, never changed: the database itself refuses an update."""

    __tablename__ = "reviews"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"), index=True)
    reviewer: Mapped[str] = mapped_column(NAME)
    verdict: Mapped[str] = mapped_column(String(16))
    confidence: Mapped[str] = mapped_column(String(16))
    notes: Mapped[str] = mapped_column(Text)
    tags: Mapped[str] = mapped_column(Text)
    made: Mapped[float] = mapped_column(Double)


class KeyRow(Base):
    """An API key: `id` is its public part, `digest` the SHA-256 of the whole (256 random bits need no slow hash)."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(NAME, index=True)
    digest: Mapped[str] = mapped_column(String(64))
    reviewer: Mapped[bool]
    created: Mapped[float] = mapped_column(Double)
    revoked: Mapped[float | None] = mapped_column(Double)


class UserRow(Base):
    """A user of the page; `password` is `scrypt$n$r$p$salt$hash`."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    password: Mapped[str] = mapped_column(Text)
    reviewer: Mapped[bool]
    created: Mapped[float] = mapped_column(Double)
