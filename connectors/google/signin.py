"""People's own Google accounts: a sign-in in the browser, with proof of who began it, and what it gave.

Grants, and sign-ins under way, are kept by whoever embeds this, as those of MCP servers are: encrypted at rest.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import secrets
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
from google.oauth2.credentials import Credentials

from connectors.errors import SignInNeeded
from connectors.google.transport import MORE_SCOPES, SCOPES
from connectors.mcp import Attempt, AuthorizationRequired, Grant, GrantStore, Registration, SignInFailed

ALIAS = "google"
STATE = "google."  # what a sign-in's state begins with, so that its way back is known
OPEN_S = 7 * 86_400.0
TIMEOUT_S = 30.0
ALL_SCOPES = (*SCOPES, *(scope for scopes in MORE_SCOPES.values() for scope in scopes))
PUBLIC = ("https://accounts.google.com/o/oauth2/auth", "https://oauth2.googleapis.com/token")


def client_of(file: str) -> dict[str, Any] | None:
    """The OAuth client of a file as Google's console gives it; None when it holds something else."""
    try:
        told = json.loads(Path(file).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    found = told.get("web") or told.get("installed") if isinstance(told, dict) else None
    return found if isinstance(found, dict) and found.get("client_id") else None


class SignIn:
    """Cadre as one client of Google's sign-in."""

    def __init__(self, client: dict[str, Any], grants: GrantStore, callback: str) -> None:
        self._client, self._grants, self._callback = client, grants, callback
        self._auth, self._token = client.get("auth_uri") or PUBLIC[0], client.get("token_uri") or PUBLIC[1]

    def _registration(self) -> Registration:
        issuer = f"{urlsplit(self._token).scheme}://{urlsplit(self._token).netloc}"
        return Registration(
            issuer, self._client["client_id"], self._client.get("client_secret"), "client_secret_post", self._callback
        )

    async def credentials(self, principal: str, hint: str = "") -> Credentials:
        """A person's credentials. Raises AuthorizationRequired, which only they may be shown."""
        stored = await self._grants.grant(ALIAS, principal)
        if stored is None or not stored.grant.refresh_token:
            raise await self.begin(principal, hint)
        grant = stored.grant
        expiry = None
        if grant.expires_at is not None:  # google-auth compares with moments without a zone
            expiry = datetime.datetime.fromtimestamp(grant.expires_at, datetime.UTC).replace(tzinfo=None)
        return Credentials(  # type: ignore[no-untyped-call]
            grant.access_token, refresh_token=grant.refresh_token, token_uri=grant.token_endpoint,
            client_id=grant.registration.client_id, client_secret=grant.registration.client_secret,
            scopes=(grant.scope or "").split() or None, expiry=expiry,
        )  # fmt: skip

    async def forget(self, principal: str) -> None:
        """A grant that Google does not take any more is none."""
        stored = await self._grants.grant(ALIAS, principal)
        if stored is not None:
            await self._grants.forget(ALIAS, principal, expected=stored.version)

    async def begin(self, principal: str, hint: str = "") -> AuthorizationRequired:
        """Where a person goes to sign in; the sign-in that is still open, when there is one."""
        known = await self._grants.attempt(ALIAS, principal)
        if known is not None:
            return AuthorizationRequired(ALIAS, principal, known.url, known.state, known.scope)
        state, verifier = STATE + secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        scope = " ".join(ALL_SCOPES)
        asked = {
            "response_type": "code", "client_id": self._client["client_id"], "redirect_uri": self._callback,
            "scope": scope, "state": state, "code_challenge": challenge, "code_challenge_method": "S256",
            "access_type": "offline", "prompt": "consent",
        }  # fmt: skip
        url = f"{self._auth}?{urlencode({**asked, **({'login_hint': hint} if hint else {})})}"
        grant = Grant(
            "https://www.googleapis.com", self._registration().issuer, self._token, self._registration(), ""
        )
        attempt = Attempt(state, ALIAS, principal, url, verifier, grant, scope, time.time() + OPEN_S)
        await self._grants.keep_attempt(attempt)
        return AuthorizationRequired(ALIAS, principal, url, state, scope)

    async def finish(self, state: str, *, code: str | None, iss: str | None, error: str | None) -> Attempt:
        """The person is back: exchange the code, once, and keep what it gives. Raises SignInFailed."""
        attempt = await self._grants.take_attempt(state)
        if attempt is None or attempt.server != ALIAS:
            raise SignInFailed(ALIAS, "This sign-in is not known or is over.")
        if error or not code:
            raise SignInFailed(ALIAS, "You did not allow it." if error == "access_denied" else f"Google: {error}.")
        given = await self._exchanged(attempt, code)
        if not given.get("refresh_token"):
            raise SignInFailed(
                ALIAS, "Google gave an account for an hour only; remove Cadre's access there and retry."
            )
        missing = set(SCOPES) - set(str(given.get("scope", attempt.scope)).split())
        if missing:
            raise SignInFailed(ALIAS, "Not everything was ticked on Google's page, so Cadre could not read files.")
        kept = replace(
            attempt.grant, access_token=given["access_token"], refresh_token=given["refresh_token"],
            expires_at=time.time() + float(given.get("expires_in", 3600)), scope=given.get("scope") or attempt.scope,
        )  # fmt: skip
        await self._grants.keep(ALIAS, attempt.principal, kept, expected=None)
        return attempt

    async def _exchanged(self, attempt: Attempt, code: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self._callback,
            "client_id": self._client["client_id"], "client_secret": self._client.get("client_secret", ""),
            "code_verifier": attempt.verifier,
        }  # fmt: skip
        try:
            async with httpx2.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False) as http:
                answer = await http.post(self._token, data=form)
                told: Any = answer.json()
        except (httpx2.HTTPError, ValueError) as failure:
            raise SignInFailed(ALIAS, f"Google did not answer the sign-in: {failure}") from failure
        if answer.status_code != 200 or "access_token" not in told:
            raise SignInFailed(
                ALIAS, f"Google refused the sign-in: {told.get('error_description') or told.get('error')}"
            )
        return dict(told)


def signing_in(file: str, grants: GrantStore, callback: str) -> SignIn:
    """The sign-in by an OAuth client's file. Raises SignInNeeded when it is none."""
    client = client_of(file)
    if client is None:
        raise SignInNeeded(f"{file} is not the file of an OAuth client.")
    return SignIn(client, grants, callback)
