"""Reads of connectors that agents share."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add kept answers and the count of writes that lets go of them."""
    op.create_table(
        "shared_read",
        sa.Column("team_id", sa.String(length=32), nullable=False),
        sa.Column("principal", sa.String(length=140), nullable=False),
        sa.Column("tool", sa.String(length=128), nullable=False),
        sa.Column("args_sha256", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=200), nullable=False),
        sa.Column("value", sa.String(length=64), nullable=False),
        sa.Column("call", sa.String(length=200), nullable=False),
        sa.Column("fetched_at", sa.Float(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "principal", "tool", "args_sha256", "version"),
    )
    op.create_index("shared_read_age", "shared_read", ["team_id", "fetched_at"])
    op.create_table(
        "read_source",
        sa.Column("team_id", sa.String(length=32), nullable=False),
        sa.Column("source", sa.String(length=80), nullable=False),
        sa.Column("writes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "source"),
    )
