"""Agents of one requester pay once for a read: by the file's version at Google, for a while within a run over MCP."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import sys
from contextlib import asynccontextmanager, contextmanager

import pytest
from sqlalchemy import insert, select

from bot.coordinator import changes
from bot.errors import ModelMustRetry
from bot.store import journal, leases
from bot.store import schema as t
from bot.store.grants import Grants
from bot.store.leases import Claim
from bot.store.reads import Key, SharedReads, reader, shared_read
from bot.store.vault import Vault
from bot.tools.google import GoogleTools
from bot.tools.google_accounts import connect
from bot.tools.mcp.followed import Followed
from bot.tools.mcp.tools import FRESH_S, McpTools
from bot.tools.registry import Registry
from loopback.model.scripted import call
from tests.loopback.google_harness import running, seed
from tests.scenarios.scripted_stage import play
from tests.tools.harness import context, run_row, store, use

VALUES = "sheets.spreadsheets.get"


@pytest.fixture
def google(tmp_path):
    with running(seed(tmp_path / "drive")) as server:
        yield server


@pytest.fixture
def db(tmp_path):
    with store(tmp_path) as made:
        run_row(made, "run-a")
        yield made


@contextmanager
def connected(google):
    """Google's tools as one process has them."""
    workspace = connect(google.url, "")
    try:
        yield {tool.name: tool for tool in GoogleTools(workspace, "").tools()}
    finally:
        workspace.close()


def calls(google, name):
    return sum(row["kind"] == "request" and row["name"] == name for row in google.log.since(0))


def sheet(tools, ctx, file_id, **args):
    return use(tools, ctx, "google__sheets_read", file_id=file_id, **args)


def agents(db, home, *names, run_id="run-a"):
    return [context(db, home, run_id, name, call_id=f"toolu_{name}") for name in names]


def edit(google, cell, value):
    code, answer = google.post(
        "/_local/act", {"as": "U2", "do": "edit", "file": "Plan", "tab": "Costs", "cell": cell, "value": value}
    )
    assert (code, answer["ok"]) == (200, True)


def test_a_second_agent_gets_its_own_files_labels_and_the_word_of_who_read_it(google, db, tmp_path):
    ann, ben = agents(db, tmp_path, "ann", "ben")
    plan = google.named("Plan")
    with connected(google) as tools:
        first = asyncio.run(sheet(tools, ann, plan))
        second = asyncio.run(sheet(tools, ben, plan))
    assert calls(google, VALUES) == 1
    assert second.content == first.content
    assert second.labels.pop("via")["call"] == "run-a/ann/toolu_ann"
    assert second.labels == first.labels == {
        "integrity": "external", "sources": [f"google:{plan}"], "readers": ["U"],
    }  # fmt: skip
    assert second.files == first.files
    for name in second.files:
        assert ben.workspace.text(name) == ann.workspace.text(name)


def test_agents_that_ask_at_the_same_time_make_one_call(google, db, tmp_path):
    asking = agents(db, tmp_path, *(f"agent{n}" for n in range(6)))
    plan = google.named("Plan")

    async def together():
        return await asyncio.gather(*(sheet(tools, ctx, plan) for ctx in asking))

    with connected(google) as tools:
        outcomes = asyncio.run(together())
    assert calls(google, VALUES) == 1
    assert sum("via" in outcome.labels for outcome in outcomes) == 5


def test_one_read_of_a_spreadsheet_serves_each_of_its_tabs(google, db, tmp_path):
    ann, ben = agents(db, tmp_path, "ann", "ben")
    plan = google.named("Plan")
    with connected(google) as tools:
        costs = asyncio.run(sheet(tools, ann, plan, tab="costs"))
        notes = asyncio.run(sheet(tools, ben, plan, tab="Q3 notes"))
        with pytest.raises(ModelMustRetry, match="its tabs are Costs, Q3 notes"):
            asyncio.run(sheet(tools, ben, plan, tab="Sales"))
    assert [item["tab"] for outcome in (costs, notes) for item in outcome.content["files"]] == ["Costs", "Q3 notes"]
    assert calls(google, VALUES) == 1


@pytest.mark.parametrize(
    ("name", "tool", "call"),
    [
        ("people.csv", "google__drive_read", "drive.files.get"),
        ("Rules", "google__docs_read", "drive.files.export"),
    ],
)
def test_uploaded_files_and_documents_are_shared_too(google, db, tmp_path, name, tool, call):
    ann, ben = agents(db, tmp_path, "ann", "ben")
    file_id = google.named(name)
    with connected(google) as tools:
        first = asyncio.run(use(tools, ann, tool, file_id=file_id))
        before = calls(google, call)
        second = asyncio.run(use(tools, ben, tool, file_id=file_id))
    of_metadata = 1 if call == "drive.files.get" else 0
    assert calls(google, call) - before == of_metadata
    assert second.content == first.content and "via" in second.labels


def test_a_changed_file_is_read_again(google, db, tmp_path):
    ann, ben = agents(db, tmp_path, "ann", "ben")
    plan = google.named("Plan")
    with connected(google) as tools:
        asyncio.run(sheet(tools, ann, plan))
        edit(google, "B4", "4711")
        second = asyncio.run(sheet(tools, ben, plan))
    assert calls(google, VALUES) == 2 and "via" not in second.labels
    assert any("4711" in ben.workspace.text(name) for name in second.files)


def test_another_requester_never_gets_it(google, db, tmp_path):
    run_row(db, "run-b", requester="V", credential_owner="V")
    run_row(db, "run-c", requester="V", credential_owner="U")
    run_row(db, "run-d", team_id="T2")
    run_row(db, "run-e")
    plan = google.named("Plan")
    with connected(google) as tools:
        for count, run_id in enumerate(("run-a", "run-b", "run-c", "run-d"), start=1):
            (ctx,) = agents(db, tmp_path, "ann", run_id=run_id)
            outcome = asyncio.run(sheet(tools, ctx, plan))
            assert calls(google, VALUES) == count and "via" not in outcome.labels
        (same,) = agents(db, tmp_path, "ben", run_id="run-e")
        assert "via" in asyncio.run(sheet(tools, same, plan)).labels
    assert calls(google, VALUES) == 4


def test_who_may_no_longer_read_a_file_gets_nothing_that_was_kept(google, db, tmp_path):
    ann, ben = agents(db, tmp_path, "ann", "ben")
    plan = google.named("Plan")
    with connected(google) as tools:
        asyncio.run(sheet(tools, ann, plan))
        google.post("/_local/act", {"as": "owner", "do": "restrict", "file": "Plan"})
        with pytest.raises(ModelMustRetry):
            asyncio.run(sheet(tools, ben, plan))


class Writer:
    """Google's side of a change, looking at what is read meanwhile."""

    def __init__(self, meanwhile):
        self.meanwhile = meanwhile

    async def apply(self, change, op_key, precondition):
        await self.meanwhile()
        return {"url": "u", "target": "f", "revision": "2"}

    async def find(self, change, op_key):
        return None


def answered(tx, ctx, name, args):
    """A call that an agent made, on record; gives its operation key."""
    tx.add(t.agent, id=ctx.agent_id, team_id="T", run_id="run-a", kind="agent", name=ctx.agent_name, status="live")
    key = f"{ctx.agent_id}/toolu_0"
    tx.add(
        t.tool_call, agent_id=ctx.agent_id, id="toolu_0", team_id="T", run_id="run-a", turn=1, position=0, name=name,
        args=args, args_sha256=journal.sha256_of(args), effect="", op_key=key, decision_id="d", status="done", epoch=1,
    )  # fmt: skip
    return key


def staged(db, ctx):
    """A run with an approved change, and the coordinator's claim on it."""
    agent = {"team_id": "T", "run_id": "run-a", "kind": "coordinator", "name": "_coordinator", "status": "live"}

    def make(tx):
        key = answered(tx, ctx, "google__sheets_write", {})
        tx.execute(insert(t.agent).values(id="run-a/_coordinator", labels={}, wake_seq=1, **agent))
        tx.execute(insert(t.change_set).values(id="s1", team_id="T", run_id="run-a", status="approved", created_at=0))
        tx.execute(
            insert(t.change).values(
                id="c1", team_id="T", run_id="run-a", change_set_id="s1", position=1, agent_id="run-a/ann",
                kind="sheets_write", args={}, args_sha256="", op_key=key, target="sheet:x/y", post_image={}, labels={},
            )
        )  # fmt: skip

    db.write_now(make)
    return db.write_now(lambda tx: leases.claim(tx, "run-a/_coordinator", "worker-1"))


def test_after_a_write_of_our_own_nothing_from_before_or_during_it_is_given_out(google, db, tmp_path):
    """Google's version may lag behind a write, so the count of our writes decides as well."""
    ann, ben, cleo, dan = agents(db, tmp_path, "ann", "ben", "cleo", "dan")
    plan = google.named("Plan")
    claim = staged(db, ann)
    assert isinstance(claim, Claim)
    with connected(google) as tools:

        async def scenario():
            await sheet(tools, ann, plan)

            async def meanwhile():
                assert "via" not in (await sheet(tools, ben, plan)).labels

            await changes.apply_all(db, Writer(meanwhile), claim, {"id": "run-a", "team_id": "T"}, "s1")
            assert "via" not in (await sheet(tools, cleo, plan)).labels
            assert "via" in (await sheet(tools, dan, plan)).labels

        asyncio.run(scenario())
    assert calls(google, VALUES) == 3


def test_a_kill_between_the_read_and_its_record_does_no_harm(google, db, tmp_path):
    ann, ben = agents(db, tmp_path, "ann", "ben")
    plan = google.named("Plan")

    class Killed(BaseException):
        pass

    class Dying(type(db)):
        """The store of a process that ends before it can write."""

        def __init__(self):
            self.now, self.read = db.now, db.read

        async def write(self, work):
            raise Killed

    with connected(google) as tools:
        with pytest.raises(Killed):
            asyncio.run(sheet(tools, dataclasses.replace(ann, db=Dying()), plan))
        assert db.read_now(lambda c: c.execute(select(shared_read.c.call)).all()) == []
        first = asyncio.run(sheet(tools, ann, plan))
    with connected(google) as tools:  # the next process
        again = asyncio.run(sheet(tools, ann, plan))
        second = asyncio.run(sheet(tools, ben, plan))
    assert "via" not in first.labels and again == first, "a call that is made again is still its own"
    assert "via" in second.labels
    assert calls(google, VALUES) == 2


def test_one_that_is_stopped_in_the_middle_leaves_the_read_to_the_next(db):
    key = Key.of(db.read_now(lambda c: reader(c, "run-a", "google")), "read", {}, "1")
    shared, began = SharedReads(), asyncio.Event()

    async def hangs():
        began.set()
        await asyncio.Event().wait()

    async def answers():
        return b"it"

    async def scenario():
        first = asyncio.create_task(shared.read(db, key, hangs, call="ann", labels={}))
        await began.wait()
        second = asyncio.create_task(shared.read(db, key, answers, call="ben", labels={}))
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    answer = asyncio.run(scenario())
    assert (answer.data, answer.call) == (b"it", "ben")


def test_what_is_old_goes_with_its_bytes(google, db, tmp_path):
    ann, ben = agents(db, tmp_path, "ann", "ben")
    with connected(google) as tools:
        asyncio.run(sheet(tools, ann, google.named("Plan")))
        later = db.now() + 3_700
        db.now = lambda: later
        asyncio.run(use(tools, ben, "google__docs_read", file_id=google.named("Rules")))
    kept = db.read_now(lambda c: c.execute(select(shared_read.c.tool, shared_read.c.value)).all())
    blobs = db.read_now(lambda c: c.execute(select(t.blob.c.sha256)).scalars().all())
    assert [(row.tool, row.value) for row in kept] == [("google__docs_read", blobs[0])] and len(blobs) == 1


def two_readers(file_id):
    """A lead with two specialists that read one spreadsheet at about the same time."""

    def brain(body):
        name = body["metadata"]["user_id"].split("/")[-1]
        turn = sum(m["role"] == "assistant" for m in body["messages"])
        done = call("finish", {"status": "done", "summary": "Read.", "reply": "Both have read it."})
        if name in ("ann", "ben"):
            return [[call("google__sheets_read", {"file_id": file_id()})], [done]][turn]
        tasks = [
            {"id": "a", "title": "First look", "owner": "ann", "criteria": ["read"]},
            {"id": "b", "title": "Second look", "owner": "ben", "criteria": ["read"]},
        ]
        spawns = [
            call("spawn_agent", {"name": one, "role": "specialist", "brief": "read it", "task": task})
            for one, task in (("ann", "a"), ("ben", "b"))
        ]
        steps = [
            [call("plan", {"tasks": tasks, "reason": "Two looks."})],
            spawns,
            [call("wait", {"from": ["ann", "ben"], "all": True})],
        ]
        return [*steps, [done]][turn]

    return brain


def test_two_specialists_who_read_one_sheet_cost_google_one_read_of_values(tmp_path):
    sheets = []

    async def scenario():
        async with play(tmp_path, two_readers(lambda: sheets[0])) as on:
            sheets.extend(id for id, file in (await files(on)).items() if file.endswith("spreadsheet"))
            run_id, _ = await on.ask()
            view = await on.until(run_id, lambda view: view.run.status in ("done", "failed"))
            assert (view.run.status, view.run.error) == ("done", None)
            log = await on.here.log("google")
            named = [row for row in log if row["kind"] == "request" and sheets[0] in row.get("path", "")]
            assert [row["name"] for row in named].count(VALUES) == 1
            assert [(c.agent, c.status) for c in view.tool_calls if c.name == "google__sheets_read"] == [
                ("ann", "done"), ("ben", "done"),
            ]  # fmt: skip
            query = select(t.journal.c.agent_id, t.journal.c.body, t.journal.c.labels).where(
                t.journal.c.run_id == run_id, t.journal.c.kind == "tool.result"
            )
            rows = await on.db.read(lambda c: c.execute(query.order_by(t.journal.c.seq)).all())
            told = [row for row in rows if "files" in row.body["content"]]
            first, second = sorted(told, key=lambda row: "via" in row.labels)
            via = second.labels.pop("via")
            assert via["call"] == f"{first.agent_id}/{first.body['id']}"
            assert second.labels == first.labels and second.labels["sources"] == [f"google:{sheets[0]}"]
            assert second.body["content"] == first.body["content"]
            for name in (item["file"] for item in second.body["content"]["files"]):
                mine, theirs = (on.home / "runs" / row.agent_id / name for row in (second, first))
                assert mine.read_bytes() == theirs.read_bytes()

    asyncio.run(scenario())


async def files(on):
    """The kinds of the files of the stand-in's Drive by id."""
    workspace = connect(on.here.ready["google"]["base_url"], "")
    try:
        google = await workspace.of("", "")
        return {file.id: file.mime_type for file in await google.list_files()}
    finally:
        workspace.close()


# --- MCP

SERVER = """
import sys
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ResourceLink, TextContent, ToolAnnotations

server = MCPServer("fixture")

def count():
    with open(sys.argv[1], "a+") as out:
        out.write("x")
        return out.tell()

@server.tool(annotations=ToolAnnotations(read_only_hint=True))
async def look(what: str) -> dict[str, int]:
    if what == "nothing":
        count()
        raise ToolError("there is nothing")
    return {"calls": count()}

@server.tool(annotations=ToolAnnotations(read_only_hint=True))
async def linked(uri: str) -> list:
    return [TextContent(type="text", text=str(count())), ResourceLink(type="resource_link", name="note", uri=uri)]

@server.tool(annotations=ToolAnnotations(read_only_hint=True))
async def told(uri: str, time: int, ctx: Context) -> str:
    # Tells whoever follows the resource that it changed.
    await ctx.notify_resource_updated(uri)
    return "told"

@server.tool()
async def change(what: str) -> dict[str, int]:
    return {"calls": count()}

server.run()
"""


@asynccontextmanager
async def mcp(home, db, **more):
    """A server's tools; each call says the how-manieth it is."""
    (home / "server.py").write_text(SERVER)
    args = [str(home / "server.py"), str(home / "count")]
    servers = {"fix": {"command": sys.executable, "args": args, "trusted": True, **more}}
    vault = Vault.open_home(home, "")
    host = McpTools(servers, db, vault, Grants(db, vault), os.environ)
    registry = Registry([], ready=host.catalogue.ready)
    await host.begin(registry)
    await registry.ready()
    async with asyncio.timeout(60):
        while True:
            if registry.allowed(("mcp__fix__*",)):
                break
            await asyncio.sleep(0.05)
    try:
        yield registry
    finally:
        await host.close()


def look(tools, ctx, what="a"):
    return use(tools, ctx, "mcp__fix__look", what=what)


def test_an_mcp_read_is_shared_within_a_run_and_for_a_while(db, tmp_path):
    run_row(db, "run-b")
    ann, ben, cleo, dan = agents(db, tmp_path, "ann", "ben", "cleo", "dan")
    (other,) = agents(db, tmp_path, "eve", run_id="run-b")

    async def scenario():
        async with mcp(tmp_path, db) as tools:
            both = await asyncio.gather(look(tools, ann), look(tools, ben))
            assert [o.content["calls"] for o in both] == [1, 1]
            assert sorted("via" in o.labels for o in both) == [False, True]
            assert [o.labels["sources"] for o in both] == [["mcp:fix"]] * 2
            assert (await look(tools, ben, "b")).content["calls"] == 2
            assert (await look(tools, other)).content["calls"] == 3
            before = db.now
            db.now = lambda: before() + FRESH_S + 1
            assert (await look(tools, cleo)).content["calls"] == 4
            assert (await look(tools, dan)).content["calls"] == 4

    asyncio.run(scenario())


def test_an_answer_that_points_to_a_resource_is_let_go_when_the_server_says_that_it_changed(db, tmp_path):
    ann, ben = agents(db, tmp_path, "ann", "ben")

    async def scenario():
        async with mcp(tmp_path, db) as tools:

            async def number(ctx):
                outcome = await use(tools, ctx, "mcp__fix__linked", uri="note://one")
                return outcome.content["text"].splitlines()[0]

            assert [await number(ann), await number(ben)] == ["1", "1"]
            async with asyncio.timeout(30):
                time = 0
                while await number(ben) == "1":  # the server is subscribed to beside calls, and tells beside them too
                    time += 1
                    await use(tools, ann, "mcp__fix__told", uri="note://one", time=time)

    asyncio.run(scenario())


def test_only_a_change_of_what_is_kept_or_being_read_lets_go_of_anything(db):
    async def scenario():
        followed = Followed(db)

        async def after(alias, uri):
            followed.updated(alias, uri)
            await followed.settled()
            return await db.read(lambda c: reader(c, "run-a", "mcp:fix").writes)

        followed.rests("fix", "T", ["note://one"])
        assert await after("fix", "note://two") == await after("other", "note://one") == 0
        assert await after("fix", "note://one") == 1
        assert await after("fix", "note://one") == 1  # nothing was kept since
        with followed.reading("fix", "T"):
            assert await after("fix", "note://one") == 2
        assert await after("fix", "note://one") == 2
        await followed.close()

    asyncio.run(scenario())


def test_a_write_through_the_same_server_lets_go_of_what_was_read(db, tmp_path):
    ann, ben, cleo = agents(db, tmp_path, "ann", "ben", "cleo")

    async def scenario():
        async with mcp(tmp_path, db) as tools:
            assert (await look(tools, ann)).content["calls"] == 1
            await use(tools, ben, "mcp__fix__change", what="a")
            assert (await look(tools, ben)).content["calls"] == 3
            assert (await look(tools, cleo)).content["calls"] == 3

    asyncio.run(scenario())


def test_what_a_server_only_says_of_itself_is_not_shared(db, tmp_path):
    ann, ben = agents(db, tmp_path, "ann", "ben")

    async def scenario():
        async with mcp(tmp_path, db, trusted=False) as tools:
            assert [(await look(tools, ctx)).content["calls"] for ctx in (ann, ben)] == [1, 2]

    asyncio.run(scenario())


def test_a_refusal_is_not_kept(db, tmp_path):
    ann, ben = agents(db, tmp_path, "ann", "ben")

    async def scenario():
        async with mcp(tmp_path, db) as tools:
            for ctx in (ann, ben):
                with pytest.raises(ModelMustRetry, match="there is nothing"):
                    await look(tools, ctx, "nothing")
        assert (tmp_path / "count").read_text() == "xx"

    asyncio.run(scenario())


def test_an_agent_that_asks_again_is_told_how_things_stand_now(db, tmp_path):
    ann, ben = agents(db, tmp_path, "ann", "ben")

    async def scenario():
        async with mcp(tmp_path, db) as tools:
            assert [(await look(tools, ctx)).content["calls"] for ctx in (ann, ben)] == [1, 1]
            db.write_now(lambda tx: answered(tx, ben, "mcp__fix__look", {"what": "a"}))
            assert (await look(tools, ben)).content["calls"] == 2

    asyncio.run(scenario())
