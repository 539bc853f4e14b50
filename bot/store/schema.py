"""The tables. Every row carries its workspace; agents carry the fence (epoch) and the wake counters."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

metadata = MetaData()


def _team() -> Column[str]:
    return Column("team_id", String(32), nullable=False)


def _labels() -> Column[object]:
    """Where a value came from and who may read it: {"integrity", "sources", "readers"}."""
    return Column("labels", JSON, nullable=False, default=dict)


def _run() -> Column[str]:
    return Column("run_id", String(40), ForeignKey("run.id"), nullable=False)


inbox = Table(
    "inbox",
    metadata,
    Column("id", Integer, primary_key=True),
    _team(),
    Column("channel", String(64), nullable=False),
    Column("key", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("event_id", String(64), nullable=False, default=""),
    Column("user", String(64), nullable=False),
    Column("thread", String(64), nullable=False, default=""),
    Column("channel_name", String(128), nullable=False, default=""),
    Column("text", Text, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("state", String(12), nullable=False, default="new"),  # new | taken | steered
    Column("run_id", String(40)),
    Column("files", JSON, nullable=False, default=list, server_default="[]"),  # attached, as the surface tells them
    Column("terms", JSON, nullable=False, default=dict, server_default="{}"),  # what was asked beside the words
    UniqueConstraint("team_id", "channel", "key", "kind"),
    Index("inbox_new", "state", "id"),
    Index("inbox_run", "run_id"),
)

run = Table(
    "run",
    metadata,
    Column("id", String(40), primary_key=True),
    _team(),
    Column("parent_id", String(40)),
    Column("automation_id", String(40)),
    Column("requester", String(64), nullable=False),
    Column("credential_owner", String(64), nullable=False),
    Column("channel", String(64), nullable=False),
    Column("channel_name", String(128), nullable=False, default=""),
    Column("thread", String(64), nullable=False, default=""),
    Column("permalink", Text, nullable=False, default=""),
    Column("kind", String(16), nullable=False),
    Column("request", Text, nullable=False),
    Column("skill", String(80), nullable=False, default=""),
    Column("understood", Text, nullable=False, default=""),
    Column("way", Text, nullable=False, default=""),
    Column("mode", String(16), nullable=False, default=""),
    Column("mode_reason", Text, nullable=False, default=""),
    Column("status", String(12), nullable=False),
    Column("control", String(12), nullable=False, default=""),  # "" | stop | pause | budget
    Column("muted", Boolean, nullable=False, default=False, server_default=false()),  # no posts about progress
    Column("said", Integer, nullable=False, default=0, server_default="0"),  # words of control answered in the thread
    Column("error_kind", String(40), nullable=False, default=""),
    Column("error_message", Text, nullable=False, default=""),
    Column("model", String(80), nullable=False),
    Column("offline", Boolean, nullable=False),
    Column("summary", Text, nullable=False, default=""),
    Column("next_seq", Integer, nullable=False, default=1),
    Column("next_id", Integer, nullable=False, default=1),
    Column("spent", BigInteger, nullable=False, default=0, server_default="0"),  # billionths of a US dollar
    Column("price_as", String(80), nullable=False, default="", server_default=""),  # what an offline run is priced as
    Column("estimate", String(40), nullable=False, default="", server_default=""),  # USD, before it is spent
    Column("estimate_basis", Text, nullable=False, default="", server_default=""),
    Column("terms", JSON, nullable=False, default=dict, server_default="{}"),  # as with the request
    Column("rules", JSON, nullable=False, default=dict, server_default="{}"),  # of its channel when it began
    Column("created_at", Float, nullable=False),
    Column("finished_at", Float),
    _labels(),
    Index("run_thread", "team_id", "channel", "thread"),
    Index("run_money", "team_id", "created_at"),
    Index("run_recent", "created_at"),
)

journal = Table(
    "journal",
    metadata,
    Column("run_id", String(40), ForeignKey("run.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    _team(),
    Column("at", Float, nullable=False),
    Column("kind", String(24), nullable=False),
    Column("agent_id", String(80), nullable=False, default=""),
    Column("epoch", Integer, nullable=False, default=0),
    Column("version", Integer, nullable=False, default=1),
    Column("body", JSON, nullable=False),
    Column("blob", String(64)),  # sha256 of the body when it is over 8 kB
    _labels(),
    Index("journal_agent", "agent_id", "seq"),
)

agent = Table(
    "agent",
    metadata,
    Column("id", String(80), primary_key=True),  # <run>/<name>
    _team(),
    Column("run_id", String(40), ForeignKey("run.id")),  # none for the intake, which serves all runs
    Column("kind", String(16), nullable=False),  # agent | coordinator | thread
    Column("name", String(40), nullable=False),
    Column("role", String(40), nullable=False, default=""),
    Column("skill", String(80), nullable=False, default=""),
    Column("parent", String(40), nullable=False, default=""),
    Column("task", String(40), nullable=False, default=""),
    Column("brief", Text, nullable=False, default=""),
    Column("inputs", JSON, nullable=False, default=dict),
    Column("status", String(12), nullable=False),  # live | finishing | done | failed | stopped
    Column("finish", JSON),  # the finish call that awaits its checks: {"id", "args"}
    Column("waiting", JSON),  # the call the agent sleeps in: {"id", "for", "from"}
    Column("trouble", JSON),  # a failing dependency: {"since", "tries", "kind", "message"}
    Column("refusals", Integer, nullable=False, default=0),
    Column(
        "reopened", Integer, nullable=False, default=0, server_default="0"
    ),  # finishes given back to a changed wish
    Column("turns", Integer, nullable=False, default=0),
    Column("mail_cursor", Integer, nullable=False, default=0),
    Column("epoch", Integer, nullable=False, default=0),
    Column("lease_owner", String(64)),
    Column("lease_until", Float, nullable=False, default=0.0),
    Column("wake_seq", Integer, nullable=False, default=1),
    Column("slept_seq", Integer, nullable=False, default=0),
    Column("due_at", Float),
    Column("progress_seq", Integer, nullable=False, default=0),
    Column("barren", Integer, nullable=False, default=0),  # activations since the last new durable row
    Column("swept", Integer, nullable=False, default=0),  # wakes that only the sweep found
    Column("reserved", BigInteger, nullable=False, default=0, server_default="0"),  # for its next request
    _labels(),
    UniqueConstraint("run_id", "name"),
    Index("agent_lease", "lease_owner"),
)
Index(
    "agent_awake",
    agent.c.kind,
    sqlite_where=agent.c.wake_seq > agent.c.slept_seq,
    postgresql_where=agent.c.wake_seq > agent.c.slept_seq,
)
Index(
    "agent_due",
    agent.c.due_at,
    sqlite_where=agent.c.due_at.is_not(None),
    postgresql_where=agent.c.due_at.is_not(None),
)

mail = Table(
    "mail",
    metadata,
    Column("id", String(80), primary_key=True),  # <run>/m3
    _team(),
    _run(),
    Column("seq", Integer, nullable=False),
    Column("sender", String(40), nullable=False),
    Column("recipient", String(40), nullable=False),
    Column("text", Text, nullable=False),
    Column("data", JSON, nullable=False, default=dict),
    Column("files", JSON, nullable=False, default=list),  # [{"name", "sha256", "via"}]
    Column("sent_at", Float, nullable=False),
    Column("delivered_at", Float),
    Column("returned_at", Float),  # the recipient ended without reading it, and the sender was told
    _labels(),
    Index("mail_to", "run_id", "recipient", "seq"),
)

task = Table(
    "task",
    metadata,
    Column("run_id", String(40), ForeignKey("run.id"), primary_key=True),
    Column("id", String(40), primary_key=True),
    _team(),
    Column("title", Text, nullable=False),
    Column("owner", String(40), nullable=False, default=""),
    Column("status", String(12), nullable=False, default="pending"),
    Column("depends_on", JSON, nullable=False, default=list),
    Column("criteria", JSON, nullable=False, default=list),
    Column("checks", JSON, nullable=False, default=list),
    Column("attempt", Integer, nullable=False, default=0),  # how often it came back from an owner who ended
    Column("position", Integer, nullable=False, default=0),
    Column("part", String(40), nullable=False, default="", server_default=""),  # the task whose lead planned this one
    Column("role", String(40), nullable=False, default="", server_default=""),
    Column("inputs", JSON, nullable=False, default=list, server_default="[]"),
    Column("outputs", JSON, nullable=False, default=list, server_default="[]"),  # files its owner must hand in
    Column("budget", String(40), nullable=False, default="", server_default=""),
    Column("lease_until", Float, nullable=False, default=0.0, server_default="0"),
    Column("notes", JSON, nullable=False, default=list, server_default="[]"),  # [{"by", "why"}] of earlier owners
    Column("person", JSON),  # its owner is a person: {"user", "due_h", "remind_h", "fallback"} and what came of it
)

tool_call = Table(
    "tool_call",
    metadata,
    Column("agent_id", String(80), ForeignKey("agent.id"), primary_key=True),
    Column("id", String(120), primary_key=True),
    _team(),
    _run(),
    Column("turn", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", String(128), nullable=False),
    Column("args", JSON, nullable=False),
    Column("args_sha256", String(64), nullable=False),
    Column("effect", String(12), nullable=False),
    Column("op_key", String(200), nullable=False),
    Column("decision_id", String(40), nullable=False),
    Column("status", String(12), nullable=False),
    Column("epoch", Integer, nullable=False),
    Index("tool_call_run", "run_id", "agent_id", "turn"),
)

decision = Table(
    "decision",
    metadata,
    Column("id", String(40), primary_key=True),
    _team(),
    _run(),
    Column("agent_id", String(80), nullable=False),
    Column("tool", String(128), nullable=False),
    Column("args_sha256", String(64), nullable=False),
    Column("verdict", String(12), nullable=False),  # allow | stage | ask | refuse
    Column("reason", Text, nullable=False),
    Column("at", Float, nullable=False),
    _labels(),
)

change_set = Table(
    "change_set",
    metadata,
    Column("id", String(40), primary_key=True),
    _team(),
    _run(),
    Column("status", String(12), nullable=False),  # staged | asked | approved | applied | discarded | conflict
    Column("created_at", Float, nullable=False),
)

change = Table(
    "change",
    metadata,
    Column("id", String(40), primary_key=True),
    _team(),
    _run(),
    Column("change_set_id", String(40), ForeignKey("change_set.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("agent_id", String(80), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("args", JSON, nullable=False),
    Column("args_sha256", String(64), nullable=False),
    Column("op_key", String(200), nullable=False, unique=True),
    Column("target", Text, nullable=False),
    Column("precondition", Text, nullable=False, default=""),  # the revision the preview was made against
    Column("pre_image", JSON),
    Column("post_image", JSON, nullable=False),
    Column("url", Text, nullable=False, default=""),
    _labels(),
    Index("change_of_set", "change_set_id", "position"),
)

effect = Table(
    "effect",
    metadata,
    Column("op_key", String(200), primary_key=True),
    _team(),
    _run(),
    Column("kind", String(16), nullable=False),  # post | write
    Column("target", Text, nullable=False),
    Column("args_sha256", String(64), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("decision_id", String(40), nullable=False, default=""),
    Column("change_set_id", String(40), nullable=False, default=""),
    Column("status", String(12), nullable=False),  # intent | done | unknown
    Column("result", JSON, nullable=False, default=dict),
    Column("intended_at", Float, nullable=False),
    Column("applied_at", Float),
    Index("effect_run", "run_id"),
)

approval = Table(
    "approval",
    metadata,
    Column("id", String(40), primary_key=True),
    _team(),
    _run(),
    Column("kind", String(12), nullable=False),  # changes | question | plan | budget | call
    Column("agent_id", String(80), nullable=False, default=""),
    Column("call_id", String(120), nullable=False, default=""),
    Column("change_set_id", String(40), nullable=False, default=""),
    Column("person", String(64), nullable=False),
    Column("preview", JSON, nullable=False),
    Column("args_sha256", String(64), nullable=False, default=""),
    Column("status", String(12), nullable=False),
    Column("answer", Text, nullable=False, default=""),
    Column("asked_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("decided_by", String(64), nullable=False, default=""),
    Column("decided_at", Float),
    Index("approval_run", "run_id"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("run_id", String(40), ForeignKey("run.id"), primary_key=True),
    Column("id", String(20), primary_key=True),
    _team(),
    Column("agent_id", String(80), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("ref", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("via", String(120), nullable=False),
    _labels(),
)

figure = Table(
    "figure",
    metadata,
    Column("run_id", String(40), ForeignKey("run.id"), primary_key=True),
    Column("id", String(120), primary_key=True),
    _team(),
    Column("agent_id", String(80), nullable=False),
    Column("label", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("unit", String(16), nullable=False),
    Column("formula", Text, nullable=False),
    Column("inputs", JSON, nullable=False),
    Column("position", Integer, nullable=False),
)

finding = Table(
    "finding",
    metadata,
    Column("run_id", String(40), ForeignKey("run.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    _team(),
    Column("agent_id", String(80), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("account", String(40), nullable=False),
    Column("department", String(80), nullable=False),
    Column("period", String(40), nullable=False),
    Column("amount", String(40), nullable=False),
    Column("entries", JSON, nullable=False),
    Column("text", Text, nullable=False, default=""),
    Column("evidence", JSON, nullable=False, default=list),
)

artifact = Table(
    "artifact",
    metadata,
    Column("id", String(40), primary_key=True),
    _team(),
    _run(),
    Column("agent_id", String(80), nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("url", Text, nullable=False, default=""),
    Column("path", Text, nullable=False, default=""),
    Column("sha256", String(64), nullable=False),
    Column("status", String(12), nullable=False, default="current", server_default="current"),  # stale | …
    Column("created_at", Float, nullable=False),
    _labels(),
    UniqueConstraint("run_id", "name", "version"),
)

artifact_edge = Table(
    "artifact_edge",
    metadata,
    Column("source_id", String(40), ForeignKey("artifact.id"), primary_key=True),
    Column("target_id", String(40), ForeignKey("artifact.id"), primary_key=True),
    Column("kind", String(20), primary_key=True),  # derived_from | accepted | written_to
    _team(),
)

blob = Table(
    "blob",
    metadata,
    Column("sha256", String(64), primary_key=True),
    _team(),
    Column("data", LargeBinary, nullable=False),
)

spend = Table(
    "spend",
    metadata,
    Column("id", Integer, primary_key=True),
    _team(),
    _run(),
    Column("agent_id", String(80), nullable=False),
    Column("parent", String(80), nullable=False, default=""),
    Column("model", String(80), nullable=False),
    Column("amount", String(40), nullable=False),
    Column("currency", String(8), nullable=False, default="USD"),
    Column("input", Integer, nullable=False),
    Column("output", Integer, nullable=False),
    Column("cache_read", Integer, nullable=False),
    Column("cache_write", Integer, nullable=False),
    Index("spend_run", "run_id"),
)

budget = Table(
    "budget",
    metadata,
    Column("scope_id", String(64), primary_key=True),  # "*": each of the scope that has no limit of its own
    Column("scope", String(12), primary_key=True),  # org | channel | automation | run
    Column("team_id", String(32), primary_key=True),  # "" for limits from settings
    Column("period", String(8), nullable=False),  # run | day | week | month
    Column("soft", String(40), nullable=False),
    Column("hard", String(40), nullable=False),
    Column("currency", String(8), nullable=False, default="USD"),
    Column("until", Float),  # a raise for one period ends with it
)

budget_told = Table(
    "budget_told",
    metadata,
    Column("key", String(160), primary_key=True),  # a soft line of one period, posted
    _team(),
    _run(),
)

seen_message = Table(
    "seen_message",
    metadata,
    Column("team_id", String(32), primary_key=True),
    Column("channel", String(64), primary_key=True),
    Column("ts", String(32), primary_key=True),
    Column("thread", String(32), nullable=False, default=""),
    Column("user", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("deleted", Boolean, nullable=False, default=False),
    Column("author", String(8), nullable=False, default="person", server_default="person"),  # person | bot | cadre
    Index("seen_thread", "team_id", "channel", "thread"),
)

automation = Table(
    "automation",
    metadata,
    Column("id", String(40), primary_key=True),
    _team(),
    Column("channel", String(64), nullable=False),
    Column("channel_name", String(128), nullable=False, default=""),
    Column("owner", String(64), nullable=False),
    Column("request", Text, nullable=False),
    Column("recurrence", String(80), nullable=False),  # five cron fields, local time
    Column("zone", String(64), nullable=False),
    Column("words", Text, nullable=False),
    Column("status", String(12), nullable=False),  # active | paused | removed
    Column("next_at", Float),
    Column("last_local", String(32), nullable=False, default=""),
    Column("canvas", Boolean, nullable=False, default=False, server_default=false()),  # its reports are kept in one
    Column("created_at", Float, nullable=False),
    Index("automation_due", "status", "next_at"),
)

worker = Table(
    "worker",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("role", String(20), nullable=False),
    Column("host", String(128), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
)
