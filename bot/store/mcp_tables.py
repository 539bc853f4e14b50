"""The tables of connected servers: accounts, sign-ins under way, reviewed tools, calls that wait, links, callers."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, Index, Integer, LargeBinary, String, Table, Text

from bot.store.schema import metadata

# What is `sealed` is encrypted under the row's own place: copied into another row it does not open.

mcp_grant = Table(
    "mcp_grant",
    metadata,
    Column("team_id", String(32), primary_key=True),  # "" for an account that serves everybody
    Column("server", String(80), primary_key=True),  # the alias of our configuration
    Column("principal", String(160), primary_key=True),  # service | user:<team>:<id> | channel:<team>:<id>
    Column("version", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("lock_owner", String(40)),  # who refreshes it now
    Column("lock_until", Float, nullable=False, default=0.0),
)

mcp_registration = Table(
    "mcp_registration",
    metadata,
    Column("team_id", String(32), primary_key=True),
    Column("server", String(80), primary_key=True),
    Column("issuer", String(300), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)

mcp_attempt = Table(
    "mcp_attempt",
    metadata,
    Column("state_sha256", String(64), primary_key=True),
    Column("team_id", String(32), nullable=False),
    Column("server", String(80), nullable=False),
    Column("principal", String(160), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("used_at", Float),
    Column("browser", String(64), nullable=False, default=""),  # hash of what the browser that began it carries
    Index("mcp_attempt_of", "team_id", "server", "principal"),
)

mcp_server = Table(
    "mcp_server",
    metadata,
    Column("team_id", String(32), primary_key=True),
    Column("server", String(80), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("era", String(20), nullable=False, default=""),
    Column("state", String(20), nullable=False),  # ready | down | signin
    Column("error", Text, nullable=False, default=""),
    Column("seen_at", Float, nullable=False),
)

mcp_tool = Table(
    "mcp_tool",
    metadata,
    Column("team_id", String(32), primary_key=True),
    Column("server", String(80), primary_key=True),
    Column("tool", String(200), primary_key=True),
    Column("status", String(12), nullable=False),  # accepted | review | rejected | gone
    Column("sha256", String(64), nullable=False, default=""),  # of what is accepted
    Column("accepted", JSON),  # the definition that agents see
    Column("offered", JSON),  # what the server says now, when that is something else
    Column("flags", JSON, nullable=False, default=list),  # what a reviewer should look at
    Column("seen_at", Float, nullable=False),
    Column("decided_by", String(64), nullable=False, default=""),
    Column("decided_at", Float),
)

mcp_waiting = Table(
    "mcp_waiting",
    metadata,
    Column("agent_id", String(80), primary_key=True),
    Column("call_id", String(120), primary_key=True),
    Column("team_id", String(32), nullable=False),
    Column("run_id", String(40), nullable=False),
    Column("server", String(80), nullable=False),
    Column("principal", String(160), nullable=False),
    Column("kind", String(12), nullable=False),  # signin | input | task | held
    Column("sealed", LargeBinary, nullable=False),  # what the call goes on with, and the answers so far
    Column("approval_id", String(40), nullable=False, default=""),
    Column("phase", String(12), nullable=False),  # asked | sent | over
    Column("begun_at", Float, nullable=False),
    Index("mcp_waiting_for", "team_id", "server", "principal", "kind"),
    Index("mcp_waiting_run", "run_id"),
)

private_link = Table(
    "private_link",
    metadata,
    Column("id", String(64), primary_key=True),  # hash of the ticket in the link
    Column("team_id", String(32), nullable=False),
    Column("run_id", String(40), nullable=False),
    Column("approval_id", String(40), nullable=False),
    Column("person", String(64), nullable=False),
    Column("kind", String(12), nullable=False),  # signin | visit
    Column("server", String(80), nullable=False),
    Column("host", String(255), nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # the ticket, and the address it leads to
    Column("expires_at", Float, nullable=False),
    Index("private_link_run", "run_id"),
)

caller_token = Table(
    "caller_token",
    metadata,
    Column("sha256", String(64), primary_key=True),  # of the token, which is not kept
    Column("team_id", String(32), nullable=False),
    Column("user", String(64), nullable=False),
    Column("channel", String(64), nullable=False),  # where what it starts is worked
    Column("label", String(80), nullable=False, default=""),
    Column("created_at", Float, nullable=False),
    Column("used_at", Float),
    Column("revoked_at", Float),
)
