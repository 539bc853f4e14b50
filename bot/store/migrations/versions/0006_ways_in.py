"""Who asks and on which terms: people, visitors, channels' rules, feedback, and who wrote what in a thread."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what the ways in keep beside requests."""
    for table, name in (("inbox", "terms"), ("run", "terms"), ("run", "rules")):
        op.add_column(table, sa.Column(name, sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("seen_message", sa.Column("author", sa.String(8), nullable=False, server_default="person"))
    op.create_index("seen_thread", "seen_message", ["team_id", "channel", "thread"])
    op.create_table(
        "person",
        sa.Column("team_id", sa.String(32), primary_key=True),
        sa.Column("user", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("groups", sa.JSON(), nullable=False),
        sa.Column("learned_at", sa.Float(), nullable=False),
    )
    op.create_table(
        "held",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("team_id", sa.String(32), nullable=False),
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
    )
    op.create_table(
        "visitor",
        sa.Column("team_id", sa.String(32), primary_key=True),
        sa.Column("user", sa.String(64), primary_key=True),
        sa.Column("home_sha", sa.String(64), nullable=False),
        sa.Column("opened_at", sa.Float(), nullable=False),
        sa.Column("viewing", sa.JSON(), nullable=False),
        sa.Column("viewing_at", sa.Float(), nullable=False),
    )
    op.create_table(
        "feedback",
        sa.Column("run_id", sa.String(40), sa.ForeignKey("run.id"), primary_key=True),
        sa.Column("user", sa.String(64), primary_key=True),
        sa.Column("team_id", sa.String(32), nullable=False),
        sa.Column("verdict", sa.String(8), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
    )
