"""What people attach reaches the lead once; what the lead attaches is in the thread once, whatever is lost."""

import asyncio
import base64
import io
import zipfile

import pytest
from sqlalchemy import insert, select, update

from bot.slack import files, unpack
from bot.store import journal
from bot.store import schema as t
from tests.slack.harness import local


def scene(tmp_path, play, dispatch=True):
    async def show():
        async with local(tmp_path, dispatch=dispatch) as on:
            await play(on)

    asyncio.run(show())


async def upload(on, content, name="contract.pdf", text="@cadre look at this", **more):
    told = {"content_b64": base64.b64encode(content).decode(), "filename": name, "text": text, **more}
    return await on.act("maya", "upload", channel="finance", **told)


async def handed_over(on):
    """The message from Cadre to the lead, once it is there, with what its files hold."""
    letter = await on.until(
        lambda c: c.execute(select(t.mail).where(t.mail.c.recipient == "lead")).mappings().first()
    )
    held = await on.db.read(lambda c: {f["name"]: journal.get_blob(c, f["sha256"]) for f in letter["files"]})
    return letter, held


def test_a_file_attached_to_a_mention_reaches_the_lead(tmp_path):
    async def play(on):
        await upload(on, b"%PDF the words")
        letter, held = await handed_over(on)
        assert held == {"contract.pdf": b"%PDF the words"}
        assert letter["data"] == {"attached": ["contract.pdf"], "not_attached": {}, "by": "UMAYA"}
        lead = await on.until(lambda c: c.execute(select(t.agent).where(t.agent.c.name == "lead")).mappings().first())
        assert lead["inputs"]["attachments"] == ["contract.pdf"]
        # both events of the mention and every later look at the run hand it over once
        await on.delivered()
        assert len(await on.db.read(lambda c: c.execute(select(t.mail)).all())) == 1

    scene(tmp_path, play)


def test_a_file_without_words_starts_work_and_no_help(tmp_path):
    async def play(on):
        await on.act("maya", "upload", channel="cadre", filename="contract.txt", content="the words")
        run = await on.run()
        assert run["request"] == "Attached: contract.txt"
        letter, held = await handed_over(on)
        assert held == {"contract.txt": b"the words"} and letter["data"]["by"] == "UMAYA"
        assert [c for c in on.calls("chat.postMessage") if c["text"].startswith("Mention me")] == []

    scene(tmp_path, play)


def test_a_file_that_is_too_large_is_named_and_the_request_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "FILE_BYTES", 1 << 19)

    async def play(on):
        ts = (await upload(on, b"x" * (1 << 19 | 1), "huge.pdf"))["ts"]
        letter, held = await handed_over(on)
        assert held == {} and letter["data"]["not_attached"] == {"huge.pdf": "it is larger than 0 MB"}
        run = await on.run()
        notices = await on.until(lambda c: [r for r in journal.rows(c, run["id"]) if r["kind"] == "notice"])
        assert "I could not open huge.pdf: it is larger than 0 MB." in notices[0]["body"]["text"] and ts

    scene(tmp_path, play)


def archive(files, **options):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **options) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return out.getvalue()


def test_an_attached_archive_comes_as_the_files_in_it(tmp_path):
    inside = {
        "deals/a.txt": "one",
        "deals/b.txt": "two",
        "old/a.txt": "three",
        "__MACOSX/deals/._a.txt": "x",
        "deals/": "",
    }

    async def play(on):
        await upload(on, archive(inside), "deals.zip")
        _, held = await handed_over(on)
        assert held == {"deals-a.txt": b"one", "deals-b.txt": b"two", "old-a.txt": b"three"}

    scene(tmp_path, play)


def test_an_archive_that_cannot_be_opened_is_named(tmp_path):
    async def play(on):
        await upload(on, b"PK\x03\x04 nothing of the kind", "deals.zip")
        letter, held = await handed_over(on)
        assert held == {} and "damaged" in letter["data"]["not_attached"]["deals.zip"]

    scene(tmp_path, play)


def test_an_archive_of_too_much_is_not_unpacked():
    with pytest.raises(unpack.NotUnpacked, match="more than 1,000 files"):
        asyncio.run(unpack.unpacked(archive({f"{n}": "" for n in range(1_001)})))


@pytest.mark.parametrize(
    "url",
    ["https://example.org/x.pdf", "http://files.slack.com/x", "https://slack.com.example.org/x", "file:///etc/hosts"],
)
def test_the_token_goes_to_slack_alone(url):
    assert not files._of_slack(url, "https://slack.com/api/")


def test_slacks_own_addresses_are_slacks():
    assert files._of_slack("https://files.slack.com/files-pri/T1-F1/x.pdf", "https://slack.com/api/")
    assert files._of_slack("http://127.0.0.1:81/files-pri/T1-F1/x.pdf", "http://127.0.0.1:81/api/")
    assert not files._of_slack("http://127.0.0.1:82/files-pri/T1-F1/x.pdf", "http://127.0.0.1:81/api/")


async def finished(on, ts):
    """A run that is done, with a page and a table that its lead attached."""
    await on.make_run(thread=ts, status="done", summary="The review is done.", finished_at=on.db.now())
    args = {"attach": ["page.html", "rows.csv"], "outputs": ["page.html", "rows.csv"], "reply": "", "status": "done"}
    lead = {"id": "run-1/lead", "team_id": "T0LOCAL", "run_id": "run-1", "kind": "agent", "name": "lead"}

    def work(tx):
        tx.execute(insert(t.agent).values(**lead, status="done", labels={}, finish={"id": "c1", "args": args}))
        for number, (name, data) in enumerate({"page.html": b"<p>old</p>", "rows.csv": b"a,b\n=1+1,-2\n"}.items()):
            row = {
                "team_id": "T0LOCAL",
                "run_id": "run-1",
                "agent_id": "run-1/lead",
                "created_at": tx.now(),
                "labels": {},
            }
            row |= {
                "name": f"lead/{name}",
                "version": 1,
                "path": name,
                "sha256": journal.put_blob(tx, "T0LOCAL", data),
            }
            tx.execute(insert(t.artifact).values(id=f"a{number}", **row))
        newer = {"name": "lead/page.html", "version": 2, "sha256": journal.put_blob(tx, "T0LOCAL", b"<p>new</p>")}
        tx.execute(insert(t.artifact).values(id="a9", **{**row, **newer}))

    await on.db.write(work)


async def shown(on, ts):
    """The files of the thread: name and content as a person downloads them."""
    found = [f for m in await on.thread("finance", ts) for f in m.get("files", []) if m.get("bot_id")]
    return {f["name"]: f for f in found}, found


@pytest.mark.parametrize("fault", [None, "accept_then_drop", "drop", "5xx"])
@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.upload", "files.completeUploadExternal"])
def test_what_the_lead_attached_is_in_the_thread_once(tmp_path, monkeypatch, method, fault):
    monkeypatch.setattr(files, "RETRY_S", 0.01)

    async def play(on):
        ts = (await on.act("maya", "post", channel="finance", text="review"))["ts"]
        await finished(on, ts)
        if fault:
            on.faults.add({"match": method, "kind": fault})
        claim = await on.claim()
        while (due := await on.writer.activate(claim)) is not None and due < on.db.now() + 60:
            on.clock.advance(2)
        named, found = await shown(on, ts)
        assert sorted(named) == ["page.html", "rows.csv"] and len(found) == 2
        headers = {"Authorization": "Bearer xoxb-local-cadre"}
        async with on.http.get(named["page.html"]["url_private"], headers=headers) as reply:
            assert await reply.text() == "<p>new</p>"  # the newest version
        async with on.http.get(named["rows.csv"]["url_private"], headers=headers) as reply:
            assert (await reply.read()).decode() == "a,b\r\n'=1+1,-2\r\n"  # no spreadsheet computes it
        await on.writer.activate(await on.claim())
        assert len((await shown(on, ts))[1]) == 2

    scene(tmp_path, play, dispatch=False)


def test_files_wait_for_a_good_token_like_everything_else(tmp_path):
    async def play(on):
        ts = (await on.act("maya", "post", channel="finance", text="review"))["ts"]
        await finished(on, ts)
        on.faults.add({"match": "files.getUploadURLExternal", "kind": "refuse", "error": "token_revoked"})
        claim = await on.claim()
        assert await on.writer.activate(claim) is not None
        await on.writer.activate(claim)
        assert sorted((await shown(on, ts))[0]) == ["page.html", "rows.csv"]

    scene(tmp_path, play, dispatch=False)


@pytest.mark.sends_wrong
def test_files_that_slack_refuses_are_told_and_do_not_hold_up_the_thread(tmp_path):
    async def play(on):
        ts = (await on.act("maya", "post", channel="finance", text="review"))["ts"]
        await finished(on, ts)
        empty = update(t.blob).where(t.blob.c.data == b"a,b\n=1+1,-2\n").values(data=b"")  # Slack takes no empty file
        await on.db.write(lambda tx: tx.execute(empty))
        await on.writer.activate(await on.claim())
        await on.writer.activate(await on.claim())
        told = [m["text"] for m in await on.thread("finance", ts)]
        assert "The review is done." in told[-1]
        view = await on.db.read(lambda c: [r["body"] for r in journal.rows(c, "run-1") if r["kind"] == "notice"])
        assert view == [
            {"text": "The files of the result could not be attached here: Slack refused: invalid_arguments."}
        ]

    scene(tmp_path, play, dispatch=False)


def test_files_of_an_answer_whose_thread_is_out_of_reach_come_with_the_private_message(tmp_path):
    async def play(on):
        ts = (await on.act("maya", "post", channel="finance", text="review"))["ts"]
        await finished(on, ts)
        await on.act("maya", "leave", channel="finance", user="cadre")
        await on.writer.activate(await on.claim())
        await on.writer.activate(await on.claim())
        (told,) = on.calls("files.completeUploadExternal")
        (private,) = [call for call in on.calls("chat.postMessage") if call["channel"].startswith("D")]
        assert told["channel_id"] == private["channel"] and "The review is done." in private["text"]

    scene(tmp_path, play, dispatch=False)
