"""Google's sign-in: a page on which a person allows an app, and tokens for the code it brings back.

The page has no passwords: it offers the people of the sample company, the hinted one first.
"""

from __future__ import annotations

import base64
import hashlib
import html
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from loopback.control import Clock, local_only

CODE_S = 600.0
TOKEN_S = 3600


@dataclass
class _Code:
    """What a person allowed, until the app fetches it."""

    user: str
    asked: dict[str, str]
    until: float


class OAuth:
    """`/o/oauth2/auth` and `/token` of the stand-in."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Forgets everybody's grants."""
        self._codes: dict[str, _Code] = {}
        self._refresh: dict[str, _Code] = {}

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/o/oauth2/auth", self._ask)
        app.router.add_get("/o/oauth2/allow", self._allow)
        app.router.add_post("/token", self._token)
        app.router.add_post("/revoke", self._revoke)

    async def _ask(self, request: web.Request) -> web.Response:
        local_only(request)
        asked = dict(request.query)
        missing = [n for n in ("client_id", "redirect_uri", "scope", "state", "response_type") if not asked.get(n)]
        if missing or asked["response_type"] != "code":
            raise web.HTTPBadRequest(text=f"Error 400: invalid_request. Missing: {', '.join(missing)}")
        hint = asked.get("login_hint", "").partition("@")[0]
        people = dict.fromkeys([hint] if hint else ["maya", "jonas", "priya"])
        links = "".join(
            f'<li><a href="/o/oauth2/allow?{html.escape(urlencode({**asked, "as": who}))}">Allow as '
            f"{html.escape(who)}</a></li>"
            for who in people
        )
        refuse = html.escape(urlencode({**asked, "deny": "1"}))
        scopes = "".join(f"<li>{html.escape(scope)}</li>" for scope in asked["scope"].split())
        page = f"<h1>Local Google</h1><p>An app asks for:</p><ul>{scopes}</ul><ul>{links}</ul>"
        page += f'<p><a href="/o/oauth2/allow?{refuse}">Do not allow</a></p>'
        return web.Response(text=f"<!doctype html><title>Sign in</title>{page}", content_type="text/html")

    async def _allow(self, request: web.Request) -> web.Response:
        local_only(request)
        asked = dict(request.query)
        told = {"state": asked["state"], "scope": asked["scope"]}
        if asked.get("deny"):
            told = {"state": asked["state"], "error": "access_denied"}
        else:
            code = f"4/{secrets.token_urlsafe(24)}"
            self._codes[code] = _Code(asked["as"], asked, self._clock.now() + CODE_S)
            told["code"] = code
        raise web.HTTPFound(f"{asked['redirect_uri']}?{urlencode(told)}")

    async def _token(self, request: web.Request) -> web.Response:
        local_only(request)
        form = {name: str(value) for name, value in (await request.post()).items()}
        if form.get("grant_type") == "refresh_token":
            held = self._refresh.get(form.get("refresh_token", ""))
            if held is None:
                return _refused("invalid_grant", "Token has been expired or revoked.")
            return web.json_response(self._access(held))
        held = self._codes.pop(form.get("code", ""), None)
        if held is None or held.until < self._clock.now() or held.asked["redirect_uri"] != form.get("redirect_uri"):
            return _refused("invalid_grant", "Malformed auth code.")
        if (
            "code_challenge" in held.asked
            and _challenge(form.get("code_verifier", "")) != held.asked["code_challenge"]
        ):
            return _refused("invalid_grant", "Invalid code verifier.")
        answer = self._access(held)
        if held.asked.get("access_type") == "offline":
            token = f"1//{secrets.token_urlsafe(24)}"
            self._refresh[token] = held
            answer["refresh_token"] = token
        return web.json_response(answer)

    def _access(self, held: _Code) -> dict[str, Any]:
        token = {"access_token": f"ya29.local-{held.user}", "token_type": "Bearer", "expires_in": TOKEN_S}
        return {**token, "scope": held.asked["scope"]}

    async def _revoke(self, request: web.Request) -> web.Response:
        local_only(request)
        self._refresh.pop(str((await request.post()).get("token", "")), None)
        return web.json_response({})


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _refused(error: str, words: str) -> web.Response:
    return web.json_response({"error": error, "error_description": words}, status=400)
