"""Heatmaps beside the results: a list of cases does without them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("results", sa.Column("heatmaps", sa.Text))


def downgrade() -> None:
    op.drop_column("results", "heatmaps")
