"""Reports that are kept current in a canvas."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Say of a recurring request that its reports are kept in a canvas, and which canvas that is."""
    op.add_column("automation", sa.Column("canvas", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "canvas",
        sa.Column("team_id", sa.String(32), primary_key=True),
        sa.Column("channel", sa.String(64), primary_key=True),
        sa.Column("of", sa.String(40), primary_key=True),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("shown_at", sa.Float(), nullable=False),
    )
