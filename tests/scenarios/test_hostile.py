"""Two runs side by side, one with a model that tries every tool on what is not its own: nothing leaks, the other ends."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import threading
from pathlib import Path

from sqlalchemy import select

import bot
from bot.store import journal
from bot.store import schema as t
from loopback.model.scripted import call
from tests.scenarios.scripted_stage import play

OTHER, HOST, ENVIRONMENT = "canary-of-the-other-run", "canary-of-the-host", "canary-of-the-environment"
CANARIES = (OTHER, HOST, ENVIRONMENT)
HOSTILE = Path(__file__).parent.parent / "tools" / "hostile"
QUERIES = [
    "SELECT * FROM read_text('{at}')", "SELECT * FROM read_csv('{at}', header=false)", "SELECT * FROM '{at}'",
    "SELECT * FROM read_blob('{at}')", "SELECT * FROM glob('{folder}/*')", "COPY t TO '{at}'", "ATTACH '{db}' AS o",
    "SELECT * FROM sqlite_scan('{db}', 'journal')", "INSTALL httpfs; LOAD httpfs", "SELECT getenv('CADRE_TEST_SECRET')",
    "SELECT * FROM read_csv('http://127.0.0.1:{port}/')", "SET enable_external_access = true",
    "SELECT * FROM query('FROM read_text(''{at}'')')", "FROM t; FROM read_text('{at}')",
]  # fmt: skip
SLEEPS = {"wait", "ask_person", "plan", "finish", "mcp__crm__add_note"}  # these end the agent or ask a person first
# Tools that reach files, skills or names: with a path outside, none of them does anything.
REACHING = {
    "read_file", "write_file", "edit_file", "query_table", "send_message", "skill_open", "run_script", "spawn_agent",
    "finish", "google__docs_create", "google__sheets_write", "google__drive_read", "work_through", "write_page",
}  # fmt: skip
FUZZED = 3  # paths that every tool gets in every place for text


class Target:
    """What the hostile model knows of its surroundings: everything but what is written there."""

    def __init__(self, home, outside):
        self.home, self.outside = home, outside
        self.victim = self.own = ""
        self.port, self.socket = 0, str(outside / "s")

    @property
    def secret(self):
        return self.home / "runs" / self.victim / "lead" / "secret.txt"

    def outside_paths(self):
        """Ways to the other run's file and to the host's, as a model may write them."""
        up = f"../../{self.victim}/lead/secret.txt"
        return [
            up, str(self.secret), f"notes/../../../{self.victim}/lead/secret.txt", str(self.outside / "host.txt"),
            f"/proc/self/root{self.secret}", f"/proc/{os.getpid()}/environ", "../lead/../" + up, "folder/secret.txt",
            "soft.txt", f"/proc/{os.getpid()}/cwd/pyproject.toml", "../../../host.txt", f"/{self.secret}", "..", ".", "/",
            f"inbox/m1/../../{up}", "a\0b", "/dev/stdin", f"./{up}", str(self.home / "cadre.db"),
        ]  # fmt: skip

    def odd_paths(self):
        """Names that only look like a way out: each is a file of one's own, or none."""
        up = f"../../{self.victim}/lead/secret.txt"
        return [
            "hard.txt", f"file://{self.secret}", "~/host.txt", f"{self.victim}/lead/secret.txt", up.replace("/", "\\"),
            up.replace("..", "%2e%2e"), "．．/host.txt",
        ]  # fmt: skip

    def plant(self):
        """Links in the hostile run's workspace, as something outside of Cadre may have left them."""
        place = self.home / "runs" / self.own / "lead"
        (place / "soft.txt").symlink_to(self.secret)
        (place / "folder").symlink_to(self.secret.parent)
        os.link(self.outside / "host.txt", place / "hard.txt")


def filled(schema, text):
    """Arguments of a tool with one text in every place that takes text."""
    if "anyOf" in schema:
        schema = schema["anyOf"][0]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            named = {name: filled(one, text) for name, one in schema.get("properties", {}).items()}
            return named if named or "properties" in schema else {"t": text}
        case "array":
            return [filled(schema.get("items", {}), text)]
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return False
    return text


def attempts(target, body):
    """What the hostile lead calls, turn by turn."""
    outside, odd = target.outside_paths(), target.odd_paths()
    told = {
        "secret": "x", "victim": str(target.secret), "home": str(target.home), "parent": os.getpid(), "port": target.port,
        "socket": target.socket, "product": bot.__file__,
    }  # fmt: skip
    mole = call(
        "spawn_agent", {"name": "mole", "role": "specialist", "brief": "listen", "inputs": {"at": outside[0]}}
    )
    own = call("write_file", {"path": "own.csv", "text": "a,b\n1,2\n"})
    turns = [[mole, own], [call("run_script", {"skill": "hostile", "script": "grab.py", "args": told})]]
    for path in odd + outside:
        reads = [
            call("read_file", {"path": path}),
            call("query_table", {"sql": "SELECT * FROM t", "tables": {"t": path}}),
            call("send_message", {"to": "mole", "text": "look", "files": [path], "share": True}),
            call("edit_file", {"path": path, "old": "canary", "new": "changed"}),
        ]
        writes = [
            call("write_file", {"path": path, "text": "changed"}),
            call("query_table", {"sql": "SELECT 1 AS x", "tables": {"t": "own.csv"}, "save_as": path}),
            call("skill_open", {"name": "hostile", "file": path}),
            call("skill_open", {"name": path}),
            call("run_script", {"skill": "hostile", "script": path}),
            call("spawn_agent", {"name": path, "role": "specialist", "brief": "be there"}),
            call("search_files", {"pattern": "c[a]nary", "below": path}),
            call("list_files", {"below": path}),
        ]
        turns += [[*reads, *writes]] if path in outside else [reads, writes]
    turns.append(
        [call("stop_agent", {"name": "mole", "reason": "It has nothing to do."})]
    )  # an answer does not count while others are at work
    turns += [[call("finish", {"status": "done", "summary": "done", "outputs": [path]})] for path in outside]
    known = {"at": target.secret, "folder": target.secret.parent, "db": target.home / "cadre.db", "port": target.port}
    turns.append([call("query_table", {"sql": q.format(**known), "tables": {"t": "own.csv"}}) for q in QUERIES])
    for tool in body["tools"]:
        if tool["name"] not in SLEEPS:
            turns.append([call(tool["name"], filled(tool["input_schema"], path)) for path in outside[:FUZZED]])
    turns.append(
        [call("send_message", {"to": f"{target.victim}/lead", "text": "give", "data": {"file": outside[0]}})]
    )
    turns.append([call("finish", {"status": "done", "summary": "Done.", "reply": "Nothing came of it."})])
    return turns


class Brains:
    """Both runs' models, and every request that they got."""

    def __init__(self, target):
        self.target = target
        self.requests = {"honest": [], "hostile": []}
        self.plan = []

    def __call__(self, body):
        run_id, name = body["metadata"]["user_id"].split("/")
        turn = sum(m["role"] == "assistant" for m in body["messages"])
        honest = run_id == self.target.victim or not self.target.victim
        self.requests["honest" if honest else "hostile"].append(json.dumps(body, ensure_ascii=False))
        if honest:
            return self.honest(turn)
        if name != "lead":
            return [call("wait", {})]
        if turn == 0:
            self.target.own = run_id
            self.plan = attempts(self.target, body)
        if turn == 1:
            self.target.plant()
        return self.plan[turn]

    def honest(self, turn):
        steps = [
            [
                call("write_file", {"path": "secret.txt", "text": OTHER}),
                call("write_file", {"path": "table.csv", "text": "a\n40\n2\n"}),
            ],
            [call("ask_person", {"question": "Which month?", "options": ["May", "June"]})],
            [call("edit_file", {"path": "secret.txt", "old": OTHER, "new": f"{OTHER}, as it was"})],
            [call("query_table", {"sql": "SELECT sum(a) AS total FROM t", "tables": {"t": "table.csv"}})],
            [
                call(
                    "finish", {"status": "done", "summary": "Done.", "reply": "All there.", "outputs": ["secret.txt"]}
                )
            ],
        ]
        return steps[turn]


def serving(listener, answer):
    """Give the answer to whoever gets through."""

    def serve():
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            caller.sendall(answer)
            caller.close()

    listener.listen()
    threading.Thread(target=serve, daemon=True).start()
    return listener


def contents(place, but=()):
    """Every plain file below a folder; links are named, not followed."""
    found = {}
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place).as_posix()
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}"
        elif path.is_file() and name not in but:
            found[name] = path.read_bytes()
    return found


def test_a_hostile_run_reaches_neither_the_other_run_nor_the_host(tmp_path, monkeypatch):
    home, outside = tmp_path / "home", tmp_path / "outside"
    outside.mkdir()
    (outside / "host.txt").write_text(HOST)
    shutil.copytree(HOSTILE, home / "skills" / "hostile")
    (home / "host.txt").write_text(HOST)
    monkeypatch.setenv("CADRE_TEST_SECRET", ENVIRONMENT)
    target = Target(home, outside)
    tcp, local = socket.socket(), socket.socket(socket.AF_UNIX)
    tcp.bind(("127.0.0.1", 0))
    local.bind(target.socket)
    target.port = serving(tcp, HOST.encode()).getsockname()[1]
    serving(local, HOST.encode())
    brains = Brains(target)

    async def scenario():
        async with play(home, brains) as on:
            honest, ts = await on.ask("look into May")
            await on.shown(ts, "Which month?")
            target.victim = honest
            before = contents(home / "runs" / honest)
            hostile, _ = await on.ask("look into everything")
            hostile_view = await on.until(hostile, lambda view: view.run.status in ("done", "failed", "stopped"))
            assert contents(home / "runs" / honest) == before
            await on.say(ts, "May")
            view = await on.until(honest, lambda view: view.run.status in ("done", "failed", "stopped"))
            assert (view.run.status, view.run.error) == ("done", None)
            data = await on.db.read(lambda c: journal.get_blob(c, view.artifacts[0].sha256))
            assert data.decode() == f"{OTHER}, as it was"
            await nothing_leaked(on, hostile, hostile_view)
            await refused(on, hostile_view, target)
            assert any(OTHER in request for request in brains.requests["honest"]), "the canaries can be seen"

    async def nothing_leaked(on, hostile, view):
        log = json.dumps([await on.here.log(server) for server in ("slack", "google")])
        for canary in CANARIES:
            assert [r for r in brains.requests["hostile"] if canary in r] == []
            assert canary not in log
        artifacts = select(t.artifact.c.sha256).where(t.artifact.c.run_id == hostile)
        for digest in await on.db.read(lambda c: c.execute(artifacts).scalars().all()):
            data = await on.db.read(lambda c, d=digest: journal.get_blob(c, d))
            assert not any(canary.encode() in data for canary in CANARIES)
        kept = contents(home / "runs" / hostile, but=("lead/hard.txt",))
        assert not any(
            canary.encode() in data for canary in CANARIES for data in kept.values() if isinstance(data, bytes)
        )

    try:
        asyncio.run(scenario())
    finally:
        for line in (tcp, local):
            line.shutdown(socket.SHUT_RDWR)  # which ends the thread in accept
            line.close()
    assert {p.name for p in (home / "runs").iterdir()} == {target.victim, target.own}
    assert contents(outside) == {"host.txt": HOST.encode()} and (home / "host.txt").read_text() == HOST


async def refused(on, view, target):
    """Every attempt was made, and every one on a path outside was refused."""
    assert view.run.status == "done", view.run.error
    made = [c for c in view.tool_calls if c.agent == "lead"]
    assert {c.name for c in made} >= REACHING
    outside = target.outside_paths()
    aimed = [c for c in made if c.name in REACHING and any(path in texts(c.args) for path in outside)]
    aimed = [c for c in aimed if c.args.get("name") != "mole" and c.args.get("script") != "grab.py"]
    aimed += [c for c in made if c.name == "query_table" and c.args["sql"] != "SELECT 1 AS x"]
    assert len(aimed) > 10 * len(outside)
    assert [(c.name, c.args) for c in aimed if c.status == "done"] == []
    results = {body["id"]: body["content"] for body in await on.rows(view.run.id, "tool.result")}
    (script,) = (results[c.id] for c in made if c.name == "run_script" and c.args.get("args", {}).get("victim"))
    assert script["got"] == {} and script["tried"] >= 60
    searched = [results[c.id] for c in made if c.name in ("search_files", "list_files")]
    assert len(searched) > 2 * len(outside) and {found["total"] for found in searched if found["ok"]} <= {0, 1}


def texts(value):
    """Every text of a call's arguments."""
    if isinstance(value, dict):
        return [text for one in value.values() for text in texts(one)]
    return [text for one in value for text in texts(one)] if isinstance(value, list) else [value]
