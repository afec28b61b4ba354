"""How long the examined media was: what a run will take is told from runs on media about as long."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("results", sa.Column("length_s", sa.Double, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("results", "length_s")
