"""The tables of the ways in: who people are, what waits to know that, their own places, and their opinions."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Integer, String, Table

from bot.store.schema import metadata

person = Table(
    "person",
    metadata,
    Column("team_id", String(32), primary_key=True),
    Column("user", String(64), primary_key=True),
    Column("kind", String(12), nullable=False),  # member | guest | outsider
    Column("name", String(128), nullable=False, default=""),
    Column("groups", JSON, nullable=False, default=list),
    Column("learned_at", Float, nullable=False),
)

held = Table(  # a payload that waits until it is known who sent it
    "held",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("team_id", String(32), nullable=False),
    Column("user", String(64), nullable=False),
    Column("body", JSON, nullable=False),
    Column("at", Float, nullable=False),
)

visitor = Table(  # somebody's own place in the surface: their home, and what they look at
    "visitor",
    metadata,
    Column("team_id", String(32), primary_key=True),
    Column("user", String(64), primary_key=True),
    Column("home_sha", String(64), nullable=False, default=""),  # of what was published last
    Column("opened_at", Float, nullable=False, default=0.0),
    Column("viewing", JSON, nullable=False, default=list),
    Column("viewing_at", Float, nullable=False, default=0.0),
)

feedback = Table(
    "feedback",
    metadata,
    Column("run_id", String(40), ForeignKey("run.id"), primary_key=True),
    Column("user", String(64), primary_key=True),
    Column("team_id", String(32), nullable=False),
    Column("verdict", String(8), nullable=False),  # good | bad
    Column("at", Float, nullable=False),
)
