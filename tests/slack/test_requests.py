"""Slack payloads as requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.coordinator import limits
from bot.slack import messages, requests
from bot.slack.heard import seen
from bot.slack.requests import Ignored, clean, from_command, from_event
from bot.types import Request

BOT = "UCADRE"


def event(**fields):
    told = {"type": "message", "user": "U1", "channel": "C1", "ts": "10.000100", "text": "hello", **fields}
    return {"type": "event_callback", "team_id": "T1", "event_id": "Ev1", "event": told}


def command(name, text, **fields):
    base = {
        "command": name,
        "text": text,
        "team_id": "T1",
        "channel_id": "C1",
        "user_id": "U1",
        "trigger_id": "1.2.a",
    }
    return {**base, **fields}


def test_a_mention_and_its_message_event_are_one_occurrence():
    text = f"<@{BOT}> close Q3 2026"
    first = from_event(event(type="app_mention", text=text), BOT)
    second = from_event(event(text=text), BOT)
    assert isinstance(first, Request) and isinstance(second, Request)
    assert (first.team, first.channel, first.key, first.kind) == (
        second.team,
        second.channel,
        second.key,
        second.kind,
    )
    assert first.text == second.text == "close Q3 2026" and first.thread == "10.000100"


def test_a_reply_names_its_thread_and_a_message_to_others_is_nothing():
    reply = from_event(event(thread_ts="9.000100"), BOT)
    assert isinstance(reply, Request) and (reply.kind, reply.thread) == ("reply", "9.000100")
    assert from_event(event(), BOT) == Ignored("a message to others")


def test_files_come_along_with_their_address_and_those_that_are_gone_do_not():
    there = {
        "id": "F1",
        "name": "deal.pdf",
        "size": 7,
        "mimetype": "application/pdf",
        "url_private_download": "https://x",
    }
    gone = {"id": "F2", "mode": "tombstone"}
    asked = from_event(event(type="app_mention", subtype="file_share", text="review this", files=[there, gone]), BOT)
    assert isinstance(asked, Request)
    assert asked.files == (
        {"id": "F1", "name": "deal.pdf", "size": 7, "type": "application/pdf", "url": "https://x"},
    )
    reply = from_event(event(thread_ts="9.000100", subtype="file_share", text="", files=[there]), BOT)
    assert isinstance(reply, Request) and reply.text == "Attached: deal.pdf"


@pytest.mark.parametrize("asked", [{"type": "app_mention", "text": f"<@{BOT}>"}, {"channel": "D1", "text": ""}])
def test_a_file_without_words_is_what_is_asked_about_whoever_is_asked(asked):
    file = {"id": "F1", "name": "deal.pdf"}
    told = from_event(event(subtype="file_share", files=[file], **asked), BOT)
    assert isinstance(told, Request) and told.text == "Attached: deal.pdf" and len(told.files) == 1
    assert not requests.asks_for_help(told.text)


SHARED = {
    "is_share": True, "author_name": "Jonas\nWeber", "from_url": "https://acme.slack.com/archives/C2/p1",
    "text": "Close Q3 2026 &amp; pay <https://x.test|it>, at most $900", "files": [{"id": "F2", "name": "bill.pdf"}],
}  # fmt: skip
QUOTE = (
    "Forwarded message, quoted as data (Jonas Weber, https://acme.slack.com/archives/C2/p1):\n"
    "> Close Q3 2026 & pay it (https://x.test), at most $900"
)


def test_a_forwarded_message_comes_as_a_quote_with_its_author_its_address_and_its_files():
    preview = {"title": "A page", "text": "of somewhere else", "from_url": "https://elsewhere.test"}
    told = from_event(event(channel="D1", text="is this right?", attachments=[SHARED, preview]), BOT)
    assert isinstance(told, Request) and told.text == f"is this right?\n\n{QUOTE}"
    assert [file["name"] for file in told.files] == ["bill.pdf"]
    alone = from_event(event(channel="D1", text="", attachments=[SHARED]), BOT)
    assert isinstance(alone, Request) and alone.text == QUOTE
    kept = seen(event(text="look", attachments=[SHARED]), BOT)
    assert kept is not None and kept.text == f"look\n\n{QUOTE}"


def test_the_words_of_a_forwarded_message_are_found_in_its_blocks_too():
    line = [{"type": "text", "text": "Pay "}, {"type": "user", "user_id": "U2"}, {"type": "text", "text": " now"}]
    rich = {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": line}]}
    shared = {"message_blocks": [{"team": "T1", "message": {"blocks": [rich]}}], "author_id": "U3"}
    told = from_event(event(channel="D1", text="?!", attachments=[shared]), BOT)
    assert isinstance(told, Request)
    assert told.text == "?!\n\nForwarded message, quoted as data (U3):\n> Pay @U2 now"


def test_what_is_forwarded_asks_for_nothing_and_sets_no_limit():
    told = from_event(event(channel="D1", text="is this right? at most $2", attachments=[SHARED]), BOT)
    assert isinstance(told, Request)
    assert limits.plain(told.text) == "is this right?"
    asked = limits.parse(told.text)
    assert asked is not None and asked.hard == 2
    assert limits.plain(QUOTE) == "" and limits.parse(QUOTE) is None


def test_a_direct_message_needs_no_mention():
    asked = from_event(event(channel="D1", channel_type="im"), BOT)
    assert isinstance(asked, Request) and (asked.kind, asked.thread) == ("mention", "10.000100")


@pytest.mark.parametrize(
    "fields",
    [
        {"bot_id": "B1"},
        {"user": BOT},
        {"subtype": "message_changed"},
        {"subtype": "channel_join"},
        {"edited": {"user": "U1", "ts": "11.0"}},
        {"type": "reaction_added"},
        {"user": None},
    ],
)
def test_bots_own_messages_edits_and_other_subtypes_are_no_requests(fields):
    told = from_event(event(text=f"<@{BOT}> close", **fields), BOT)
    assert isinstance(told, Ignored) and told.reason


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("<@UCADRE> a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
        ("<@UCADRE|cadre>  ask <@U2> and <@U3|jo>", "ask @U2 and @U3"),
        ("see <https://a.example/x?a=1&amp;b=2|the page>", "see the page (https://a.example/x?a=1&b=2)"),
        ("<https://a.example>", "https://a.example"),
        ("<http://a.example|a.example>", "http://a.example"),
        ("<mailto:a@b.example|a@b.example>", "a@b.example"),
        ("in <#C2|finance> <!here> <!subteam^S1|@team>", "in #finance @here @team"),
        ("<!date^1700000000^{date}|14 Nov>", "14 Nov"),
        ("one\n<@UCADRE>   two", "one\ntwo"),
        ("close the books" + "\n" * 12_000 + "please", "close the books\n\nplease"),
        ("| a | b |\n|---|---|\n| 1 |\u2003\v 2 |\n \n\t\n\nnow", "| a | b |\n|---|---|\n| 1 | 2 |\n\nnow"),
    ],
)
def test_entities_are_decoded(raw, plain):
    assert clean(raw, BOT) == plain


@given(st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1))
def test_what_a_person_typed_comes_back_whole(text):
    assert clean(messages.escape(text), BOT) == text


@given(st.text())
def test_cleaning_never_fails(raw):
    clean(raw, BOT)


@pytest.mark.parametrize(
    ("name", "text", "asked"),
    [
        ("/cadre", "close Q3 2026", "close Q3 2026"),
        ("/quarter-close", "Q3 2026", "close Q3 2026"),
        ("/quarter-close", "q3 2026 for sales", "close q3 2026 for sales"),
        ("/quarter-close", "summary", "quarter-close summary"),
    ],
)
def test_commands_become_the_words_of_a_request(name, text, asked):
    told = from_command(command(name, text))
    assert isinstance(told, Request) and told.text == asked
    assert (told.kind, told.thread, told.key) == ("command", "", "1.2.a")


@pytest.mark.parametrize("text", ["", "  ", "help", "?"])
def test_an_empty_command_asks_for_help(text):
    assert from_command(command("/cadre", text)) == Ignored("help")


def test_a_long_trigger_still_gives_a_key_that_fits():
    told = from_command(command("/cadre", "x", trigger_id="t" * 200))
    assert isinstance(told, Request) and len(told.key) == 64
    assert from_command(command("/cadre", "x", trigger_id="t" * 200)) == told


def test_history_keeps_what_was_said_edited_and_deleted():
    said = seen(event(text=f"<@{BOT}> hi", thread_ts="9.0"), BOT)
    assert said is not None and (said.text, said.thread, said.change) == (f"@{BOT} hi", "9.0", "said")
    changed = {"ts": "10.0", "user": "U1", "text": "new"}
    edited = seen(event(subtype="message_changed", message=changed), BOT)
    assert edited is not None and (edited.ts, edited.text, edited.change) == ("10.0", "new", "edited")
    gone = seen(event(subtype="message_deleted", deleted_ts="10.0", previous_message={"user": "U1"}), BOT)
    assert gone is not None and (gone.ts, gone.change) == ("10.0", "deleted")
    assert seen(event(subtype="channel_join"), BOT) is None
    assert seen(event(subtype="message_changed", message={"ts": "1.0", "user": BOT}), BOT) is None
    assert requests.mentions(f"<@{BOT}|cadre>", BOT)
