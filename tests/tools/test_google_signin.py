"""People's own Google accounts: asked for privately, proven by the browser that began it, kept sealed, used by nobody else."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httplib2
import pytest
from sqlalchemy import insert, select, update

from bot.store import schema as t
from bot.store.grants import Grants
from bot.store.mcp_tables import private_link
from bot.store.vault import Vault
from bot.tools.google import GoogleTools
from bot.tools.google_accounts import connect
from bot.tools.google_signin import personal
from bot.tools.mcp.waiting import signed_in
from connectors.google import signing_in
from connectors.mcp import SignInFailed
from tests.loopback.google_harness import running, seed
from tests.tools.harness import context, run_row, store, use

BACK = "http://127.0.0.1:1/oauth/mcp/callback"


class Place:
    """Cadre with an OAuth client's file, over the stand-in."""

    def __init__(self, google, db, tmp_path):
        self.google, self.db, self.home = google, db, tmp_path
        client = {"client_id": "cadre", "client_secret": "s3cret", "auth_uri": f"{google.url}/o/oauth2/auth"}
        self.file = tmp_path / "client.json"
        self.file.write_text(json.dumps({"web": {**client, "token_uri": f"{google.url}/token"}}))
        self.vault = Vault.open_home(tmp_path, "")
        self.grants = Grants(db, self.vault)
        self.sign_in = signing_in(str(self.file), self.grants, BACK)
        self.number = 0
        self.restart()

    def restart(self):
        """A process that knows nothing but the rows."""
        self.accounts = connect(self.google.url, str(self.file), grants=self.grants, public_url="http://127.0.0.1:1")
        tools = personal(GoogleTools(self.accounts, "").tools(), self.accounts, self.vault)
        self.tools = {tool.name: tool for tool in tools}

    def agent(self, user):
        """An agent of a run of this person."""
        self.number += 1
        run, name = f"run-{user}{self.number}", f"a{self.number}"
        run_row(self.db, run, requester=user, credential_owner=user)
        row = {"team_id": "T", "run_id": run, "kind": "agent", "name": name, "status": "live", "labels": {}}
        self.db.write_now(lambda tx: tx.execute(insert(t.agent).values(id=f"{run}/{name}", **row)))
        return replace(context(self.db, self.home, run, name), requester=user)

    def names(self, ctx):
        """The files an agent sees, or None when its call sleeps until somebody has signed in."""

        async def look():
            outcome = await use(self.tools, ctx, "google__drive_list")
            if outcome.parks:
                await self.db.write(outcome.commit or (lambda tx: None))
                return None
            return {f["name"] for f in outcome.content["files"]}

        return asyncio.run(look())

    def allow(self, user, who, deny=False):
        """Go where a person's link leads, allow as somebody, and come back with code and state."""
        attempt = asyncio.run(self.grants.attempt("google", f"user:T:{user}"))
        http = httplib2.Http(timeout=20)
        http.follow_redirects = False
        page, _ = http.request(attempt.url)
        assert page.status == 200
        way = attempt.url.replace("/auth?", "/allow?") + (f"&as={who}" if not deny else "&deny=1")
        answer, _ = http.request(way)
        http.close()
        told = {k: v[0] for k, v in parse_qs(urlsplit(answer["location"]).query).items()}
        assert answer["location"].startswith(BACK)
        return told.pop("state"), {"code": told.get("code"), "iss": None, "error": told.get("error")}

    def finish(self, state, told):
        asyncio.run(self.sign_in.finish(state, **told))

    def signs_in(self, user, who):
        self.finish(*self.allow(user, who))
        return asyncio.run(signed_in(self.db, "google", f"user:T:{user}"))


@pytest.fixture
def place(tmp_path):
    with running(seed(tmp_path / "drive")) as google, store(tmp_path) as db:
        google.post("/_local/act", {"as": "owner", "do": "restrict", "file": "Rules"})
        google.post("/_local/act", {"as": "owner", "do": "share", "file": "Rules", "with": "maya"})
        made = Place(google, db, tmp_path)
        yield made
        made.accounts.close()


def test_a_call_waits_for_its_requesters_sign_in_and_then_sees_what_they_may_see(place):
    mine, theirs = place.agent("U1"), place.agent("U2")
    assert (place.names(mine), place.names(theirs)) == (None, None)
    asked = place.db.read_now(lambda c: c.execute(select(t.approval)).mappings().all())
    assert [a["kind"] for a in asked] == ["signin", "signin"]
    assert "/o/oauth2" not in json.dumps([a["preview"] for a in asked])  # the address is for one person's eyes
    assert len(place.db.read_now(lambda c: c.execute(select(private_link)).all())) == 2

    assert place.signs_in("U1", "maya") == 1
    assert "Rules" in place.names(mine)
    assert place.names(theirs) is None
    place.signs_in("U2", "jonas")
    assert "Plan" in place.names(theirs) and "Rules" not in place.names(theirs)


def test_after_a_restart_with_an_expired_token_nobody_is_asked_again_until_google_takes_it_back(place):
    first = place.agent("U1")
    assert place.names(first) is None
    place.signs_in("U1", "maya")

    async def expire():
        stored = await place.grants.grant("google", "user:T:U1")
        old = replace(stored.grant, access_token="gone", expires_at=time.time() - 5)
        await place.grants.keep("google", "user:T:U1", old, expected=None)
        return stored.grant.refresh_token

    refresh = asyncio.run(expire())
    raw = b"".join(p.read_bytes() for p in place.home.glob("cadre.db*"))
    assert refresh.encode() not in raw and b"s3cret" not in raw
    place.accounts.close()
    place.restart()
    assert "Rules" in place.names(place.agent("U1"))

    asyncio.run(expire())
    place.accounts.close()
    place.restart()
    http = httplib2.Http(timeout=20)
    form = {"content-type": "application/x-www-form-urlencoded"}
    http.request(f"{place.google.url}/revoke", "POST", body=f"token={refresh}", headers=form)
    http.close()
    again = place.agent("U1")
    assert place.names(again) is None
    place.signs_in("U1", "maya")
    assert "Rules" in place.names(again)


def test_a_sign_in_counts_once_and_a_refusal_says_so(place):
    ctx = place.agent("U1")
    assert place.names(ctx) is None
    state, told = place.allow("U1", "", deny=True)
    with pytest.raises(SignInFailed, match="You did not allow it"):
        place.finish(state, told)
    assert place.names(place.agent("U1")) is None
    state, told = place.allow("U1", "maya")
    place.finish(state, told)
    with pytest.raises(SignInFailed, match="not known or is over"):
        place.finish(state, told)


def test_a_person_who_goes_on_without_gets_no_data(place):
    ctx = place.agent("U1")
    assert place.names(ctx) is None
    closed = update(t.approval).values(status="answered", answer="Go on without")
    place.db.write_now(lambda tx: tx.execute(closed))
    outcome = asyncio.run(use(place.tools, ctx, "google__drive_list"))
    assert outcome.is_error and "does not want to connect an account at google" in outcome.content["error"]
