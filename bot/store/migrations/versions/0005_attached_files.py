"""Files that people attach to what they ask."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep with a request what was attached to it, and find a run's requests by its id."""
    op.add_column("inbox", sa.Column("files", sa.JSON(), nullable=False, server_default="[]"))
    op.create_index("inbox_run", "inbox", ["run_id"])
