"""Secrets in the store open only in their own place, with their own key; accounts are refreshed by one at a time."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import os
import time

import pytest
from sqlalchemy import select, update

from bot.errors import OperatorMustFix
from bot.store.grants import Grants
from bot.store.mcp_tables import mcp_grant
from bot.store.vault import FILE, Vault
from connectors.mcp import Attempt, Grant, Registration
from tests.tools.harness import store

MAYA, JONAS = "user:T:UMAYA", "user:T:UJONAS"


def key(fill):
    return base64.b64encode(bytes([fill]) * 32).decode()


def grant(token="secret-token-1"):
    client = Registration("https://as", "cadre")
    return Grant("https://crm/mcp", "https://as", "https://as/token", client, token, "refresh-1", expires_at=5.0)


def attempt(state, server="crm", principal=MAYA, left_s=600.0):
    return Attempt(
        state, server, principal, "https://as/authorize", "verifier-1", grant(""), None, time.time() + left_s
    )


@pytest.fixture
def grants(tmp_path):
    with store(tmp_path) as db:
        yield Grants(db, Vault.open_home(tmp_path, ""))


def test_the_key_of_a_home_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    sealed = Vault.open_home(tmp_path, "").seal({"a": 1}, "t", "T")
    assert Vault.open_home(tmp_path, "").open(sealed, "t", "T") == {"a": 1}
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    os.chmod(tmp_path / FILE, 0o640)
    with pytest.raises(OperatorMustFix, match="chmod 600"):
        Vault.open_home(tmp_path, "")


def test_what_is_sealed_opens_only_in_its_own_place(tmp_path):
    vault = Vault.open_home(tmp_path, key(1))
    sealed = vault.seal("hush", "mcp_grant", "T1", "crm", "service")
    assert b"hush" not in sealed
    for place in (
        ("mcp_grant", "T2", "crm", "service"),
        ("mcp_grant", "T1", "crm"),
        ("mcp_grant", "T1crm", "service"),
    ):
        with pytest.raises(OperatorMustFix):
            vault.open(sealed, *place)


def test_after_a_change_of_keys_old_secrets_still_open(tmp_path):
    old = Vault.open_home(tmp_path, key(1)).seal("hush", "t")
    both = Vault.open_home(tmp_path, f"{key(2)},{key(1)}")
    assert both.open(old, "t") == "hush"
    assert Vault.open_home(tmp_path, key(2)).open(both.seal("new", "t"), "t") == "new"
    with pytest.raises(OperatorMustFix, match="CADRE_SECRET_KEY"):
        Vault.open_home(tmp_path, key(2)).open(old, "t")


@pytest.mark.parametrize("wrong", ["short", "!!", base64.b64encode(b"x" * 31).decode()])
def test_a_key_that_is_none_is_named(tmp_path, wrong):
    with pytest.raises(OperatorMustFix, match="key 2 is not 32 bytes"):
        Vault.open_home(tmp_path, f"{key(1)} {wrong}")


def test_accounts_are_kept_per_person_and_no_token_is_readable_in_the_store(grants, tmp_path):
    async def scenario():
        assert await grants.keep("crm", MAYA, grant(), expected=None)
        assert await grants.keep("crm", JONAS, grant("secret-token-2"), expected=None)
        mine = await grants.grant("crm", MAYA)
        assert (mine.grant, mine.version) == (grant(), 1)
        assert (await grants.grant("crm", JONAS)).grant.access_token == "secret-token-2"
        assert await grants.grant("crm", "user:T2:UMAYA") is None and await grants.grant("docs", MAYA) is None
        assert not await grants.keep("crm", MAYA, grant("late"), expected=7)
        assert await grants.keep("crm", MAYA, grant("newer"), expected=1)
        assert not await grants.forget("crm", MAYA, expected=1) and await grants.forget("crm", MAYA, expected=2)
        assert await grants.grant("crm", MAYA) is None
        await grants.keep_attempt(attempt("state-1"))

    asyncio.run(scenario())
    held = b"".join(path.read_bytes() for path in tmp_path.glob("cadre.db*"))
    for secret in (b"secret-token", b"refresh-1", b"verifier-1", b"state-1"):
        assert secret not in held


def test_a_token_copied_into_another_persons_row_does_not_open(grants):
    async def scenario():
        await grants.keep("crm", MAYA, grant(), expected=None)
        await grants.keep("crm", JONAS, grant(), expected=None)
        stolen = select(mcp_grant.c.sealed).where(mcp_grant.c.principal == MAYA).scalar_subquery()
        await grants._db.write(
            lambda tx: tx.execute(update(mcp_grant).where(mcp_grant.c.principal == JONAS).values(sealed=stolen))
        )
        with pytest.raises(OperatorMustFix):
            await grants.grant("crm", JONAS)

    asyncio.run(scenario())


def test_a_sign_in_is_taken_once_in_time_by_the_browser_that_began_it(grants):
    async def scenario():
        await grants.keep_attempt(attempt("one"))
        await grants.keep_attempt(attempt("late", left_s=-1.0))
        assert (await grants.attempt("crm", MAYA)).state == "one"
        assert await grants.attempt("crm", JONAS) is None
        assert not await grants.is_browser_of("one", "") and not await grants.is_browser_of("one", "b")
        await grants.begun_in("one", "b")
        assert await grants.is_browser_of("one", "b") and not await grants.is_browser_of("one", "c")
        assert (await grants.take_attempt("one")).verifier == "verifier-1"
        assert await grants.take_attempt("one") is None and await grants.take_attempt("late") is None
        assert await grants.take_attempt("never") is None and await grants.attempt("crm", MAYA) is None

    asyncio.run(scenario())


def test_one_process_refreshes_at_a_time_and_the_lock_of_a_dead_one_runs_out(grants):
    order = []

    async def refresh(name):
        async with grants.refreshing("crm", MAYA):
            order.append(name)
            await asyncio.sleep(0)
            order.append(name)

    async def scenario():
        await grants.keep("crm", MAYA, grant(), expected=None)
        await asyncio.gather(*(refresh(name) for name in "abc"))
        dead = update(mcp_grant).values(lock_owner="dead", lock_until=time.time() - 1)
        await grants._db.write(lambda tx: tx.execute(dead))
        await refresh("d")

    asyncio.run(scenario())
    assert order[::2] == order[1::2] and sorted(order[::2]) == ["a", "b", "c", "d"]


def test_a_client_is_kept_for_its_issuer_alone(grants):
    async def scenario():
        mine = Registration("https://as", "id-1", "hush")
        await grants.keep_registration("crm", mine)
        await grants.keep_registration("crm", dataclasses.replace(mine, client_id="id-2"))
        assert (await grants.registration("crm", "https://as")).client_id == "id-2"
        assert await grants.registration("crm", "https://other") is None

    asyncio.run(scenario())
