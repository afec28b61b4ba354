"""Cases, jobs, chunks, results and reviews."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID, NAME = sa.String(32), sa.String(200)


def upgrade() -> None:
    _cases()
    _jobs()
    _chunks()
    _results()
    _reviews()
    _refuse_changed_reviews()


def downgrade() -> None:
    for table in ("reviews", "results", "chunks", "jobs", "cases"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION reviews_are_append_only()")


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("id", ID, primary_key=True),
        sa.Column("owner", NAME, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("opened", sa.Double, nullable=False),
        sa.Column("file_name", NAME, nullable=False),
        sa.Column("media", sa.Text, nullable=False),
        sa.Column("provenance", sa.Text),
    )
    op.create_index("ix_cases_owner", "cases", ["owner"])
    op.create_index("ix_cases_opened", "cases", ["opened"])


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", ID, primary_key=True),
        sa.Column("case_id", ID, sa.ForeignKey("cases.id", ondelete="CASCADE"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("models", sa.Text, nullable=False),
        sa.Column("batch", sa.Boolean, nullable=False),
        sa.Column("device", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("queued", sa.Double, nullable=False),
        sa.Column("started", sa.Double),
        sa.Column("ended", sa.Double),
        sa.Column("worker", NAME),
        sa.Column("beat", sa.Double),
        sa.Column("cancel_asked", sa.Boolean, nullable=False),
        sa.Column("model_name", NAME, nullable=False),
        sa.Column("phase", sa.String(32), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("progress", sa.Integer, nullable=False),
        sa.Column("total", sa.Integer),
        sa.Column("preview", sa.Text),
        sa.Column("errors", sa.Text, nullable=False),
    )
    op.create_index("ix_jobs_case_id", "jobs", ["case_id"])
    op.create_index("ix_jobs_queue", "jobs", ["state", "device", "batch", "queued"])


def _chunks() -> None:
    op.create_table(
        "chunks",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("job_id", ID, sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("model", NAME, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_chunks_job_model", "chunks", ["job_id", "model"])


def _results() -> None:
    op.create_table(
        "results",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("case_id", ID, sa.ForeignKey("cases.id", ondelete="CASCADE"), nullable=False),
        sa.Column("job_id", ID, sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("model", NAME, nullable=False),
        sa.Column("media_kind", sa.String(16), nullable=False),
        sa.Column("prediction", sa.String(16)),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("made", sa.Double, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.UniqueConstraint("job_id", "model"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_results_case_id", "results", ["case_id"])
    op.create_index("ix_results_seconds", "results", ["kind", "media_kind", "model", "seconds"])


def _reviews() -> None:
    op.create_table(
        "reviews",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("case_id", ID, sa.ForeignKey("cases.id", ondelete="CASCADE"), nullable=False),
        sa.Column("reviewer", NAME, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("confidence", sa.String(16), nullable=False),
        sa.Column("notes", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("made", sa.Double, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_reviews_case_id", "reviews", ["case_id"])


def _refuse_changed_reviews() -> None:
    """Reviews go with their case, but no review is ever changed."""
    dialect = op.get_bind().dialect.name
    if dialect == "sqlite":
        op.execute(
            "CREATE TRIGGER reviews_append_only BEFORE UPDATE ON reviews "
            "BEGIN SELECT RAISE(ABORT, 'reviews are only ever added'); END"
        )
    elif dialect == "postgresql":
        op.execute(
            "CREATE FUNCTION reviews_are_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'reviews are only ever added'; END $$"
        )
        op.execute(
            "CREATE TRIGGER reviews_append_only BEFORE UPDATE ON reviews "
            "FOR EACH ROW EXECUTE FUNCTION reviews_are_append_only()"
        )
