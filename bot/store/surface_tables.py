"""The tables of the ways in: who people are, what waits to know that, their own places, opinions, and canvases."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Integer, String, Table

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

canvas = Table(  # where the newest report of a schedule is kept; of a request by itself where nothing recurs
    "canvas",
    metadata,
    Column("team_id", String(32), primary_key=True),
    Column("channel", String(64), primary_key=True),
    Column("of", String(40), primary_key=True),  # the automation's id, or the run's
    Column("id", String(32), nullable=False),  # at Slack
    Column("shared", Boolean, nullable=False, default=False),  # the channel may read it
    Column("shown_at", Float, nullable=False, default=0.0),  # when the report was done that was written last
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
