"""Two runs side by side, one hostile: nothing of it reaches the other's workspace or the host's files."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bot.errors import ModelMustRetry
from bot.skills import SkillLibrary
from bot.tools import child
from bot.tools.files import file_tools
from bot.tools.scripts import script_tools
from bot.tools.tables import table_tools
from bot.tools.team import team_tools
from bot.workspace import Workspace
from tests.tools.harness import context, run_row, store, use

HERE = Path(__file__).parent
SECRET = "the-other-runs-secret"
TOOLS = {tool.name: tool for tool in (*file_tools(), *table_tools(), *script_tools(SkillLibrary(HERE)))}


@pytest.fixture
def home(tmp_path):
    """A home with a victim's run beside the hostile one."""
    victim = Workspace(tmp_path, "run-victim", "worker")
    victim.write("secret.txt", SECRET.encode())
    victim.write("table.csv", f"a,b\n1,{SECRET}\n".encode())
    (tmp_path / "host.txt").write_text(SECRET)
    return tmp_path


@pytest.fixture
def ctx(home):
    with store(home) as db:
        run_row(db, "run-hostile")
        run_row(db, "run-victim")
        yield context(db, home, "run-hostile")


def victims_file(home):
    return home / "runs" / "run-victim" / "worker" / "secret.txt"


def listener(address, family):
    """A server that gives the secret to whoever gets through."""
    line = socket.socket(family)
    line.bind(address)
    line.listen()

    def serve():
        while True:
            try:
                caller, _ = line.accept()
            except OSError:
                return
            caller.sendall(SECRET.encode())
            caller.close()

    threading.Thread(target=serve, daemon=True).start()
    return line


def seen(place):
    """What must not change: owner, mode, and of a file also size and names."""
    now = place.lstat()
    return (now.st_mode, now.st_uid, *((now.st_size, now.st_nlink) if place.is_file() else ()))


@pytest.fixture
def traps(home):
    """Servers, a signal handler and files that tell when an attempt came through; what a hostile script is told."""
    signals = []
    before = signal.signal(signal.SIGUSR1, lambda *_: signals.append("SIGUSR1"))
    tcp = listener(("127.0.0.1", 0), socket.AF_INET)
    local = listener(str(home / "s"), socket.AF_UNIX)
    told = {
        "secret": SECRET, "victim": str(victims_file(home)), "home": str(home), "parent": os.getpid(),
        "port": tcp.getsockname()[1], "socket": str(home / "s"), "product": child.__file__,
    }  # fmt: skip
    outside = {p: seen(p) for p in home.rglob("*") if "run-hostile" not in p.parts and "cadre.db" not in p.name}
    yield told
    signal.signal(signal.SIGUSR1, before)
    for line in (tcp, local):
        line.shutdown(socket.SHUT_RDWR)  # which ends the thread in accept
        line.close()
    assert signals == []
    assert {place: seen(place) for place in outside} == outside
    assert not Path("/tmp/cadre-hostile").exists() and not Path("/tmp/cadre-absolute").exists()
    assert victims_file(home).read_text() == SECRET


def unconfined(told, place, *only):
    """The same attempts without any wall, as a control: only those that leave nothing behind."""
    place.mkdir()
    script = HERE / "hostile" / "scripts" / "grab.py"
    done = subprocess.run(
        [sys.executable, str(script)], input=json.dumps({**told, "only": only}), cwd=place, text=True,
        capture_output=True, check=True, env={},
    )  # fmt: skip
    return json.loads(done.stdout)["got"]


def test_no_attempt_of_a_hostile_script_gets_anything(ctx, traps, monkeypatch):
    monkeypatch.setenv("SLACK_BOT_TOKEN", SECRET)
    held = os.open(traps["victim"], os.O_RDONLY)
    try:
        outcome = asyncio.run(use(TOOLS, ctx, "run_script", skill="hostile", script="grab.py", args=traps))
    finally:
        os.close(held)
    assert outcome.content["got"] == {}
    assert outcome.content["tried"] >= 60
    assert {"sub/own.txt", "copy.txt"} <= set(outcome.files), "honest work goes on"


def test_the_same_attempts_succeed_where_there_are_no_walls(traps, home):
    reading = ["absolute_path", "path_upwards", "symbolic_link", "through_proc_root", "from_a_thread"]
    reading += ["network", "local_socket", "network_by_a_loop", "another_program", "duckdb_reads"]
    got = unconfined(traps, home / "runs" / "run-hostile", *reading, "listing_of_the_home", "shared_memory")
    assert [name for name in reading if SECRET not in got.get(name, "")] == []
    assert "cadre" in got["listing_of_the_home"] or "host.txt" in got["listing_of_the_home"]


# Without Landlock a script may fill the empty file system around it, which ends with it; without that file system
# it learns sizes of files whose names it guesses.
HARMLESS = {
    "_alone": ["stat_of_the_victim"],
    "_landlock": [
        "copying_out",
        "file_in_tmp",
        "globbing",
        "listing_of_the_home",
        "listing_of_the_root",
        "zip_upwards",
    ],
    "_powerless": [],
}


@pytest.mark.parametrize("gone", HARMLESS)
def test_with_one_wall_missing_the_others_still_hold_the_files(ctx, traps, gone):
    """A system may offer fewer walls: this takes one away, with the rest of the cell as it is."""
    told = {**traps, "but": ["duckdb_reads"]}  # a refusal of Landlock ends that library with its process
    order = child._order(HERE / "hostile" / "scripts" / "grab.py", ctx.workspace.made(), 60, None)
    code = f"import sys; sys.path.insert(0, {str(Path(child.cell.__file__).parent)!r}); import cell\n"
    code += f"def {gone}(order): raise cell.WallMissing('{gone}')\ncell.{gone} = {gone}\ncell.main()"
    done = subprocess.run(
        [sys.executable, "-E", "-s", "-P", "-B", "-c", code, json.dumps(order)], input=json.dumps(told), text=True,
        capture_output=True, cwd=ctx.workspace.root, env={},
    )  # fmt: skip
    assert (done.returncode, gone in done.stderr) == (0, True), done.stderr
    got = json.loads(done.stdout)["got"]
    for harmless in HARMLESS[gone]:
        assert SECRET not in got.pop(harmless)
    assert got == {}


# --- file tools


OUTSIDE = [
    "../../run-victim/worker/secret.txt", "/etc/passwd", "/proc/self/environ", "a/../../../run-victim/worker/secret.txt",
    "..", ".", "", "/", "//etc/passwd", "./../../run-victim/worker/secret.txt", "a/" * 40 + "b", "x" * 300, "a\0b",
    "../worker/own.txt",
]  # fmt: skip


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_path_leads_out_of_the_workspace(ctx, traps, path):
    ctx.workspace.write("own.txt", b"x")
    for name, args in (
        ("read_file", {"path": path}),
        ("write_file", {"path": path, "text": "changed"}),
        ("edit_file", {"path": path, "old": SECRET, "new": "changed"}),
        ("query_table", {"sql": "SELECT * FROM t", "tables": {"t": path}}),
        ("query_table", {"sql": "SELECT * FROM t", "tables": {"t": "own.txt"}, "save_as": path or "/"}),
    ):
        with pytest.raises(ModelMustRetry):
            asyncio.run(use(TOOLS, ctx, name, **args))


@pytest.mark.parametrize("path", [p for p in OUTSIDE if p])
def test_nothing_outside_is_sent_or_declared(ctx, traps, path):
    team = {tool.name: tool for tool in team_tools()}
    with pytest.raises(ModelMustRetry):
        asyncio.run(use(team, ctx, "send_message", to="lead", text="here", files=[path]))
    with pytest.raises(ModelMustRetry):
        asyncio.run(use(team, ctx, "finish", status="done", summary="done", outputs=[path]))


def planted(ctx, victim):
    """Links in the workspace, as something outside of Cadre may have left them."""
    root = ctx.workspace.made()
    (root / "soft.txt").symlink_to(victim)
    (root / "folder").symlink_to(victim.parent)
    os.link(victim, root / "hard.txt")
    os.mkfifo(root / "pipe")
    (root / "dir").mkdir()


def test_links_pipes_and_folders_in_the_workspace_are_not_files(ctx, home):
    planted(ctx, victims_file(home))
    for path in ("soft.txt", "folder/secret.txt", "hard.txt", "pipe", "dir"):
        for name, args in (
            ("read_file", {"path": path}),
            ("edit_file", {"path": path, "old": SECRET, "new": "changed"}),
            ("query_table", {"sql": "SELECT * FROM t", "tables": {"t": path}}),
        ):
            with pytest.raises(ModelMustRetry):
                asyncio.run(use(TOOLS, ctx, name, **args))
    for path in ("soft.txt", "folder/secret.txt", "pipe", "dir", "hard.txt/below"):
        with pytest.raises(ModelMustRetry):
            asyncio.run(use(TOOLS, ctx, "write_file", path=path, text="changed"))
    asyncio.run(use(TOOLS, ctx, "write_file", path="hard.txt", text="mine"))  # a new file takes the name
    assert victims_file(home).read_text() == SECRET
    listed = asyncio.run(use(TOOLS, ctx, "list_files")).content["files"]
    assert [f["path"] for f in listed] == ["hard.txt"]
    found = asyncio.run(use(TOOLS, ctx, "search_files", pattern="secret")).content
    assert found["total"] == 0


def test_searching_goes_through_the_own_files_only(ctx, home):
    ctx.workspace.write("notes.md", b"nothing here\nthe word is here\n")
    found = asyncio.run(use(TOOLS, ctx, "search_files", pattern="w[o]rd")).content
    assert found["hits"] == [{"path": "notes.md", "line": 2, "text": "the word is here"}]
    assert asyncio.run(use(TOOLS, ctx, "search_files", pattern=SECRET)).content["total"] == 0
    assert asyncio.run(use(TOOLS, ctx, "search_files", pattern="x", below="../../")).content["total"] == 0


# --- SQL


QUERIES = [
    "SELECT * FROM read_text('{victim}')",
    "SELECT * FROM read_csv('{victim}')",
    "SELECT * FROM read_csv('*')",
    "SELECT * FROM read_blob('own.csv')",
    "SELECT * FROM '{victim}'",
    "SELECT * FROM glob('/**')",
    "SELECT * FROM glob('../*')",
    "SELECT getenv('SLACK_BOT_TOKEN')",
    "COPY t TO '{victim}'",
    "COPY (SELECT 1) TO 'copied.csv'",
    "EXPORT DATABASE 'out'",
    "IMPORT DATABASE 'out'",
    "ATTACH '{home}/cadre.db' AS other (TYPE sqlite)",
    "ATTACH 'new.db'",
    "INSTALL httpfs",
    "LOAD sqlite",
    "SET enable_external_access = true",
    "PRAGMA enable_external_access = true",
    "RESET lock_configuration",
    "CREATE SECRET s (TYPE s3)",
    "CREATE TABLE x AS SELECT 1",
    "SELECT 1; SELECT * FROM read_text('{victim}')",
    "WITH a AS (SELECT * FROM read_text('{victim}')) SELECT * FROM a",
    "SELECT * FROM (FROM '{home}/host.txt')",
    "SELECT * FROM sniff_csv('{victim}')",
    "SELECT * FROM parquet_metadata('{victim}')",
    "SELECT * FROM read_json_auto('{victim}')",
    "SELECT * FROM query('SELECT * FROM read_text(''{victim}'')')",
    "SELECT * FROM read_text('file://{victim}')",
    "SELECT * FROM read_csv('http://127.0.0.1/')",
    "SELECT * FROM range(100000000)",
    "",
]


@pytest.mark.parametrize("sql", QUERIES)
def test_no_query_reaches_a_file(ctx, traps, sql):
    ctx.workspace.write("own.csv", b"a,b\n1,2\n")
    sql = sql.format(**traps)
    outcome = asyncio.run(use(TOOLS, ctx, "query_table", sql=sql, tables={"t": "own.csv"}))
    assert outcome.is_error, outcome.content
    assert SECRET not in json.dumps(outcome.content)
    assert ctx.workspace.names() == ["own.csv"]


def test_a_query_sees_the_tables_it_was_given_and_no_other(ctx):
    ctx.workspace.write("own.csv", b"code,amount\n007,1.10\n008,2.20\n")
    outcome = asyncio.run(
        use(
            TOOLS,
            ctx,
            "query_table",
            sql="SELECT sum(amount) AS total FROM t",
            tables={"t": "own.csv"},
            save_as="x/s.csv",
        )
    )
    assert outcome.content["rows"] == [{"total": "3.30"}]
    assert ctx.workspace.text("x/s.csv") == "total\n3.30\n"
    none = asyncio.run(
        use(
            TOOLS,
            ctx,
            "query_table",
            sql="SELECT code FROM t WHERE code = 'x'",
            tables={"t": "own.csv"},
            save_as="n.csv",
        )
    )
    assert (none.content["rows_total"], ctx.workspace.text("n.csv")) == (0, "code\n")


# --- more than its share


def test_a_script_gets_its_share_and_no_more(ctx, monkeypatch):
    monkeypatch.setattr(child, "WORKSPACE_BYTES", 8 * 1024**2)
    monkeypatch.setattr(child, "LOOK_S", 0.01)
    monkeypatch.setitem(child.LIMITS, "AS", 512 * 1024**2)
    for what, words in (
        ("silence", "printed no JSON"),
        ("memory", "MemoryError"),
        ("output", "printed more than"),
        ("errors", "no time left"),
        ("file", "File too large"),
        ("disk", "filled the workspace"),
    ):
        with pytest.raises(ModelMustRetry, match=words):
            asyncio.run(use(TOOLS, ctx, "run_script", skill="hostile", script="hog.py", args={"what": what}))


def test_a_search_that_would_take_forever_ends(ctx, monkeypatch):
    monkeypatch.setattr("bot.tools.files.SEARCH_S", 0.5)
    ctx.workspace.write("line.txt", b"a" * 5000 + b"!")
    with pytest.raises(ModelMustRetry, match="did not end"):
        asyncio.run(use(TOOLS, ctx, "search_files", pattern="(a+)+$"))


def test_a_cancelled_script_leaves_no_process(ctx):
    async def go():
        task = asyncio.create_task(
            use(TOOLS, ctx, "run_script", skill="hostile", script="hog.py", args={"what": "sleep"})
        )
        while not (pid := await asyncio.to_thread(pid_of, ctx)):
            assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return pid

    pid = asyncio.run(go())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def pid_of(ctx):
    return int(ctx.workspace.text("pid.txt")) if "pid.txt" in ctx.workspace.names() else 0


def test_a_script_ends_with_the_process_that_started_it(ctx):
    code = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom bot.tools.child import run_child\n"
        f"asyncio.run(run_child(Path({str(HERE / 'hostile' / 'scripts' / 'hog.py')!r}), {{'what': 'sleep'}}, "
        f"Path({str(ctx.workspace.made())!r})))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    while not (pid := pid_of(ctx)):
        assert parent.poll() is None
    place = os.pidfd_open(pid)
    parent.kill()
    parent.wait()
    ready, _, _ = select.select([place], [], [], 10)
    os.close(place)
    assert ready, "the script went on"


def test_a_system_without_walls_is_told_of_once(monkeypatch, capsys):
    monkeypatch.setattr(child, "_told", set())
    line = f"{child.cell.MARK} no Landlock\n".encode()
    assert child._complaints(line + b"Traceback\nValueError: x") == ["Traceback", "ValueError: x"]
    child._complaints(line)
    assert capsys.readouterr().out.count("no Landlock") == 1
