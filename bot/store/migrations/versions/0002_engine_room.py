"""Control, money, plans and artifacts that go stale."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what teams under control need."""
    _money()
    _control()
    _team()
    _artifacts()


def _money() -> None:
    op.add_column("run", sa.Column("spent", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("run", sa.Column("price_as", sa.String(length=80), nullable=False, server_default=""))
    op.add_column("run", sa.Column("estimate", sa.String(length=40), nullable=False, server_default=""))
    op.add_column("run", sa.Column("estimate_basis", sa.Text(), nullable=False, server_default=""))
    op.add_column("agent", sa.Column("reserved", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_index("run_money", "run", ["team_id", "created_at"])
    op.create_table(
        "budget",
        sa.Column("scope_id", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=12), nullable=False),
        sa.Column("team_id", sa.String(length=32), nullable=False),
        sa.Column("period", sa.String(length=8), nullable=False),
        sa.Column("soft", sa.String(length=40), nullable=False),
        sa.Column("hard", sa.String(length=40), nullable=False),
        sa.Column("currency", sa.String(length=8), nullable=False),
        sa.Column("until", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("scope_id", "scope", "team_id"),
    )
    op.create_table(
        "budget_told",
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.Column("team_id", sa.String(length=32), nullable=False),
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"]),
        sa.PrimaryKeyConstraint("key"),
    )


def _control() -> None:
    op.add_column("run", sa.Column("muted", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("run", sa.Column("said", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("agent", sa.Column("reopened", sa.Integer(), nullable=False, server_default="0"))


def _team() -> None:
    op.add_column("mail", sa.Column("returned_at", sa.Float(), nullable=True))
    for name in ("part", "role", "budget"):
        op.add_column("task", sa.Column(name, sa.String(length=40), nullable=False, server_default=""))
    for name in ("inputs", "outputs", "notes"):
        op.add_column("task", sa.Column(name, sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("task", sa.Column("lease_until", sa.Float(), nullable=False, server_default="0"))
    op.add_column("task", sa.Column("person", sa.JSON(), nullable=True))


def _artifacts() -> None:
    op.add_column("artifact", sa.Column("status", sa.String(length=12), nullable=False, server_default="current"))
