"""Connected servers: accounts, sign-ins, reviewed tools, calls that wait, private links, callers of our own server."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables of connected servers."""
    op.create_table(
        "mcp_grant",
        sa.Column("team_id", sa.String(length=32), nullable=False),
        sa.Column("server", sa.String(length=80), nullable=False),
        sa.Column("principal", sa.String(length=160), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("lock_owner", sa.String(length=40), nullable=True),
        sa.Column("lock_until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "server", "principal"),
    )
    op.create_table(
        "mcp_registration",
        sa.Column("team_id", sa.String(length=32), nullable=False),
        sa.Column("server", sa.String(length=80), nullable=False),
        sa.Column("issuer", sa.String(length=300), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "server", "issuer"),
    )
    op.create_table(
        "mcp_attempt",
        sa.Column("state_sha256", sa.String(length=64), nullable=False),
        sa.Column("team_id", sa.String(length=32), nullable=False),
        sa.Column("server", sa.String(length=80), nullable=False),
        sa.Column("principal", sa.String(length=160), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("used_at", sa.Float(), nullable=True),
        sa.Column("browser", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("state_sha256"),
    )
    op.create_index("mcp_attempt_of", "mcp_attempt", ["team_id", "server", "principal"])
    op.create_table(
        "mcp_server",
        sa.Column("team_id", sa.String(length=32), nullable=False),
        sa.Column("server", sa.String(length=80), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("era", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "server"),
    )
    op.create_table(
        "mcp_tool",
        sa.Column("team_id", sa.String(length=32), nullable=False),
        sa.Column("server", sa.String(length=80), nullable=False),
        sa.Column("tool", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("accepted", sa.JSON(), nullable=True),
        sa.Column("offered", sa.JSON(), nullable=True),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=False),
        sa.Column("decided_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("team_id", "server", "tool"),
    )
    op.create_table(
        "mcp_waiting",
        sa.Column("agent_id", sa.String(length=80), nullable=False),
        sa.Column("call_id", sa.String(length=120), nullable=False),
        sa.Column("team_id", sa.String(length=32), nullable=False),
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("server", sa.String(length=80), nullable=False),
        sa.Column("principal", sa.String(length=160), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("approval_id", sa.String(length=40), nullable=False),
        sa.Column("phase", sa.String(length=12), nullable=False),
        sa.Column("begun_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("agent_id", "call_id"),
    )
    op.create_index("mcp_waiting_for", "mcp_waiting", ["team_id", "server", "principal", "kind"])
    op.create_index("mcp_waiting_run", "mcp_waiting", ["run_id"])
    op.create_table(
        "private_link",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("team_id", sa.String(length=32), nullable=False),
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("approval_id", sa.String(length=40), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("server", sa.String(length=80), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("private_link_run", "private_link", ["run_id"])
    op.create_table(
        "caller_token",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("team_id", sa.String(length=32), nullable=False),
        sa.Column("user", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("used_at", sa.Float(), nullable=True),
        sa.Column("revoked_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("sha256"),
    )
