"""The track that a job examines: of a file with several, one may be chosen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("track", sa.Integer, nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "track")
