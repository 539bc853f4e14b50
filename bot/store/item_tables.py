"""The tables of bulk work: items of a fixed manifest, what the model answered for each window, batches under way."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from bot.store.schema import metadata

item = Table(
    "item",
    metadata,
    Column("run_id", String(40), ForeignKey("run.id"), primary_key=True),
    Column("id", String(20), primary_key=True),  # i12
    Column("team_id", String(32), nullable=False),
    Column("work", String(40), nullable=False),  # the agent of kind bulk that works it
    Column("position", Integer, nullable=False),
    Column("requester", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("ref", Text, nullable=False),  # where it came from: drive:<id> or file:<path>
    Column("path", Text, nullable=False),  # in the workspace of the agent that asked
    Column("url", Text, nullable=False, default=""),
    Column("sha256", String(64), nullable=False, default=""),
    Column("form", String(64), nullable=False),
    Column("model", String(80), nullable=False),
    Column("status", String(12), nullable=False),  # open | working | done | failed | refused | person | replaced
    Column("reason", Text, nullable=False, default=""),
    Column("attempts", Integer, nullable=False, default=0),  # answers of the model
    Column("windows", Integer, nullable=False, default=0),
    Column("kept_from", String(40), nullable=False, default=""),  # the run whose result was taken over
    Column("document", String(64)),  # blob: the text as it was read
    Column("result", String(64)),  # blob: the merged answers
    Column("ended_at", Float),
    Column("labels", JSON, nullable=False, default=dict),
    Index("item_work", "run_id", "work", "position"),
    Index("item_known", "team_id", "requester", "form", "sha256"),
)

item_answer = Table(
    "item_answer",
    metadata,
    Column("run_id", String(40), ForeignKey("run.id"), primary_key=True),
    Column("item_id", String(20), primary_key=True),
    Column("window", Integer, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("team_id", String(32), nullable=False),
    Column("at", Float, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("status", String(12), nullable=False),  # accepted | sent_back | cut | declined | failed
    Column("diagnosis", Text, nullable=False, default=""),
    Column("body", Text, nullable=False),  # JSON: content of the reply; accepted: the checked entries
)

item_batch = Table(
    "item_batch",
    metadata,
    Column("run_id", String(40), ForeignKey("run.id"), primary_key=True),
    Column("op_key", String(120), primary_key=True),
    Column("team_id", String(32), nullable=False),
    Column("work", String(40), nullable=False),
    Column("batch_id", String(80), nullable=False, default=""),
    Column("status", String(12), nullable=False),  # intent | open | done | lost
    Column("requests", JSON, nullable=False),  # custom id -> [item, window, attempt]
    Column("made_at", Float, nullable=False),
    Index("item_batch_work", "run_id", "work"),
)
