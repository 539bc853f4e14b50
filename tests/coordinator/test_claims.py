"""What a reply claims against the rows of its run: documents left out, quotes that nobody saw."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import insert, select, update

from bot.coordinator import claims
from bot.store import items, journal, schema
from bot.store.item_tables import item
from bot.store.items import Source
from bot.tools import render
from bot.tools.team import open_agent
from tests.tools.harness import run_row, store


@pytest.fixture
def db(tmp_path):
    with store(tmp_path) as db:
        run_row(db, "run-a")
        yield db


def named(db, *documents):
    """The request named these documents of a Drive, by place and name."""

    def work(tx):
        told = json.dumps([{"ref": ref, "name": name} for ref, name in documents]).encode()
        inputs = {"named": journal.put_blob(tx, "T", told)}
        open_agent(tx, "run-a", "T", name="bulk1", role="item", kind="bulk", parent="lead", inputs=inputs)

    db.write_now(work)


def handed(db, *sources):
    db.write_now(lambda tx: items.fix(tx, "run-a", "T", "bulk1", "U", sources, "f", "m"))


def handed_in(db, reply):
    return db.read_now(lambda c: claims.check_handed_in(c, "run-a", reply))


def test_one_copy_stands_for_one_document_however_many_have_its_name(db):
    named(db, ("drive:1", "acme/contract.txt"), ("drive:2", "zeta/contract.txt"))
    handed(db, Source("contract.txt", "file:downloads/contract.txt", "downloads/contract.txt", sha256="a" * 64))
    told = handed_in(db, "Reviewed contract.txt.")
    assert not told.passed and "zeta/contract.txt" in told.evidence
    assert handed_in(db, "Reviewed one; zeta/contract.txt is left out, it is a draft.").passed


def test_what_was_handed_in_by_its_place_counts_whatever_it_is_called(db):
    named(db, ("drive:1", "acme/contract.txt"), ("drive:2", "zeta/contract.txt"))
    handed(db, Source("x", "drive:2", "x", sha256="a" * 64), Source("contract.txt", "file:c", "c/contract.txt"))
    assert handed_in(db, "Reviewed.").passed


def test_a_folder_that_was_not_looked_into_is_named(db):
    named(db, ("drive:1", "a.txt"), ("drive:9", "more/2019/"))
    handed(db, Source("a.txt", "drive:1", "a.txt", sha256="a" * 64))
    assert "more/2019/" in handed_in(db, "Reviewed.").evidence


def test_a_result_that_is_taken_over_still_says_what_could_not_be_read(db):
    source = Source("scan.pdf", "file:scan.pdf", "scan.pdf", sha256="a" * 64)
    gaps = "pages 3-9 could not be read"
    ended = {
        "status": "done",
        "reason": gaps,
        "result": "r" * 64,
        "document": "d" * 64,
        "windows": 1,
        "ended_at": 1.0,
    }
    handed(db, source)
    db.write_now(lambda tx: tx.execute(update(item).values(**ended)))
    run_row(db, "run-b")
    db.write_now(lambda tx: items.fix(tx, "run-b", "T", "bulk1", "U", [source], "f", "m"))
    kept = db.read_now(lambda c: c.execute(select(item).where(item.c.run_id == "run-b")).mappings().one())
    assert (kept["kept_from"], kept["reason"]) == ("run-a", gaps)


# --- quotes

MADE_UP = "The Supplier shall indemnify the Customer without any limit whatsoever"
SEEN = "The fee (see annex 2) is due at the end of each month."


def quoted(db, reply):
    return db.read_now(
        lambda c: claims.check_quotes(c, "run-a", reply, f"Look into this: {SEEN} And the rest.")
    ).passed


@pytest.mark.parametrize(
    "form",
    [
        "“{}”", '"{}"', "«{}»", "»{}«", "<<{}>>", "„{}“", "„{}”", "‘{}’", "> {}", "`{}`", "> {}\n> — the contract, §3",
        "> “{}” — the contract", "“{} {{{{f:x}}}}”", "> [{}](https://a.example/b)", "It says:\n\n> {}\n\nand more.",
    ],
)  # fmt: skip
def test_a_sentence_that_nobody_saw_is_caught_however_it_is_quoted(db, form):
    assert not quoted(db, form.format(MADE_UP))
    assert quoted(db, form.format(SEEN))


@pytest.mark.parametrize("form", ["“{}”", '"{}"', "«{}»", "„{}“", "‘{}’", "> {}"])
def test_a_quote_over_two_lines_is_one(db, form):
    assert not quoted(
        db, form.format(MADE_UP.replace("the Customer", "the\n> Customer" if ">" in form else "the\nCustomer"))
    )
    assert quoted(db, form.format(SEEN.replace("is due", "is\n> due" if ">" in form else "is\ndue")))


def test_a_quote_is_found_in_whichever_part_of_much_text_it_stands():
    pad = "word " * 40
    texts = [pad, f"{pad}{SEEN} {pad}", pad]
    for most in range(60, 120):
        assert claims.strange([SEEN, MADE_UP], texts, most) == [MADE_UP]


def test_a_number_of_a_quote_stands_whole_and_letters_may_be_written_in_two_ways():
    seen = [
        "The purchase price is 5\u202f000 000 EUR.",
        "Each re\u0301sume\u0301 of a résumé is kept; CHF 1'500'000.",
    ]
    cut = ["The purchase price is 5", "of a résumé is kept; CHF 1"]
    whole = ["The purchase price is 5 000\xa0000", "Each résumé of a re\u0301sume\u0301 is kept", "CHF 1’500’000"]
    assert claims.strange([*cut, *whole], seen, claims.AT_ONCE) == cut


@pytest.mark.parametrize(
    ("reply", "seen"),
    [
        ("他说：“{}”", "本合同的赔偿上限为一亿元人民币，任何情况下均不得超过。"),
        ("彼は「{}」と述べた", "この契約の責任上限は一億円であり、例外はない。"),
        ("สัญญาระบุว่า “{}”", "ความรับผิดทั้งหมดจำกัดไว้ที่สิบล้านบาทไม่มีข้อยกเว้น"),
    ],
)
def test_a_quote_without_blanks_between_its_words_is_checked_too(db, reply, seen):
    said = reply.format(seen)
    assert not quoted(db, said)
    note = {"text": f"{seen[:9]}\n{seen[9:]}"}
    db.write_now(
        lambda tx: journal.append(
            tx, "run-a", "tool.result", {"id": "x", "is_error": False, "content": note}, agent_id="run-a/lead"
        )
    )
    assert quoted(db, said) and quoted(db, reply.format(seen[2:-1]))
    assert not quoted(db, reply.format(f"{seen[:12]}{seen[20:]}{seen[3:9]}"))
    assert quoted(db, reply.format(seen[:5]))


def test_a_short_sentence_is_one_and_a_short_expression_is_none(db):
    assert not quoted(db, "It says “Liability is unlimited forever.”")
    assert quoted(db, "The “termination for convenience” clause, and the “right of first refusal”.")


@pytest.mark.parametrize(
    "reply",
    [
        'The 5" pipe and the 6" pipe were bought in the same month and cost the same as before, see "pipes".',
        "Run `cadre runs show --since 2026-01-01 --all of them` to see more.",
        "The suppliers’ duties are the customers’ rights, and none of the parties’ claims are new here.",
    ],
)
def test_what_is_no_quote_is_not_taken_for_one(db, reply):
    assert quoted(db, reply)


# --- numbers


def numbers(db, text, request=""):
    return db.read_now(lambda c: render.uncited_numbers(text, request, render.lookup(c, "run-a", "").messages))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1234567. Revenue in dollars", "1234567"), ("9876543) is the total", "9876543"), ("We sold 2099 units", "2099"),
        ("We sold 2024 units", "2024"), ("It cost $2024", "2024"), ("It cost 2024 EUR", "2024"), ("It is 2024.50", "2024.50"),
        ("revenue_9876543 it was", "9876543"), ("Profit-4500000 EUR", "4500000"), ("see https://x.y/9,876,543", "9,876,543"),
        ("[Revenue rose to 9,876,543](https://made.up/archives/C1/p1)", "9,876,543"),
        ("<https://made.up/a|9876543>", "9876543"),
    ],
)  # fmt: skip
def test_a_number_in_the_clothes_of_something_else_needs_a_source(db, text, number):
    assert numbers(db, text) == [number]


@pytest.mark.parametrize(
    "text",
    [
        "Q3 2026, FY2025, 2026-09-30 and 30 September", "the forecast of 2026 and the budget 2025", "1. first\n12. twelfth",
        "entry JE-2026091 and INV-20311, lease_20260101.pdf", "https://docs.example/d/123456/edit?gid=0&range=B4",
    ],
)  # fmt: skip
def test_periods_ids_addresses_and_list_markers_need_none(db, text):
    assert numbers(db, text) == []


def test_a_linked_message_gives_its_own_numbers_once_the_run_has_read_it(db):
    link = "[we agreed on {}](https://acme.example/archives/C/p1700000000000100)"
    assert numbers(db, link.format(45)) == ["45"], "nobody read the channel"

    def work(tx):
        open_agent(tx, "run-a", "T", name="lead", role="lead", kind="agent", parent="", inputs={})
        message = {"team_id": "T", "channel": "C", "ts": "1700000000.000100", "user": "U", "text": "we agreed on 45."}
        tx.execute(insert(schema.seen_message).values(**message))
        call = {
            "agent_id": "run-a/lead", "id": "toolu_1", "team_id": "T", "run_id": "run-a", "turn": 1, "position": 0,
            "name": "read_channel", "args": {}, "args_sha256": "", "effect": "read", "op_key": "", "decision_id": "",
            "status": "done", "epoch": 1,
        }  # fmt: skip
        tx.execute(insert(schema.tool_call).values(**call))

    db.write_now(work)
    assert numbers(db, link.format(45)) == []
    assert numbers(db, link.format(46)) == ["46"], "the message does not say so"
