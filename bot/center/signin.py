"""Where a private link leads: a page that says where it goes, the way there, and the way back from a sign-in.

Opening the page does nothing, so no preview of a link can begin anything; and a sign-in ends only in the browser in
which the person who has the link began it.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from jinja2 import Environment

from bot.store import links
from bot.store.database import Database
from bot.store.grants import Grants
from bot.store.links import Link
from bot.store.vault import Vault
from connectors.google.signin import ALIAS, STATE, SignIn
from connectors.mcp import AuthorizationRequired, Caller, McpFailure, McpHost

log = structlog.get_logger()

COOKIE = "cadre_sign_in"
CALLBACK = "/oauth/mcp/callback"
CLIENT = "/oauth/mcp/client.json"
WHILE_S = 900
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
OLD = "This link is too old, or it was replaced. Ask Cadre again in Slack and it sends a new one."
OTHER_BROWSER = (
    "This sign-in was begun in another browser, so it does not end here. Open the link in Slack again in this one."
)

SignedIn = Callable[[str, str], Awaitable[int]]


class SignIns:
    """The routes. `signed_in` lets the calls go on that wait for a principal at a server."""

    def __init__(
        self, db: Database, vault: Vault, host: McpHost, base_url: str, signed_in: SignedIn,
        google: SignIn | None = None,
    ) -> None:  # fmt: skip
        self._google = google
        self._db, self._vault, self._host, self._signed_in = db, vault, host, signed_in
        self._grants = Grants(db, vault)
        self._base_url = base_url

    def add_to(self, app: web.Application, pages: Environment) -> None:
        self._page = pages.get_template("signin.html")
        app.router.add_get(f"{links.PATH}{{ticket}}", self._ask)
        app.router.add_post(f"{links.PATH}{{ticket}}", self._go)
        app.router.add_get(CALLBACK, self._back)
        app.router.add_get(CLIENT, self._client)

    async def close(self) -> None:
        await self._host.close()

    async def _ask(self, request: web.Request) -> web.Response:
        """Say where the link leads; only a press of the button goes there."""
        link = await self._link(request)
        if link is None:
            return self._shown(OLD, status=404)
        return self._shown("", link=link, to=link.url)

    async def _go(self, request: web.Request) -> web.Response:
        link = await self._link(request)
        if link is None:
            return self._shown(OLD, status=404)
        if not link.state:
            return _redirect(link.url)
        url, state = await self._open(link)
        if not url:
            return self._shown(f"You are signed in at {link.server}. The work goes on in Slack.")
        browser = secrets.token_urlsafe(32)
        await self._grants.begun_in(state, browser)
        answer = _redirect(url)
        secure = self._base_url.startswith("https://")
        answer.set_cookie(
            COOKIE, browser, max_age=WHILE_S, path="/oauth/mcp", httponly=True, samesite="Lax", secure=secure
        )
        return answer

    async def _open(self, link: Link) -> tuple[str, str]:
        """The address of the sign-in that is open for the link's person, or of a new one; "" when none is needed."""
        if await self._grants.is_open(link.state):
            return link.url, link.state
        caller = Caller(link.principal, interactive=True)
        try:
            if self._google is not None and link.server == ALIAS:
                await self._google.credentials(link.principal)
            else:
                await self._host.tools(link.server, caller=caller)
        except AuthorizationRequired as needed:
            return needed.url, needed.state
        await self._signed_in(link.server, link.principal)
        return "", ""

    async def _back(self, request: web.Request) -> web.Response:
        """The authorization server sends the person back."""
        query = request.query
        state = query.get("state", "")
        if not await self._grants.is_open(state):
            return self._shown(OLD, status=400)
        if not await self._grants.is_browser_of(state, request.cookies.get(COOKIE, "")):
            log.warning("a sign-in came back in another browser than it began in")
            return self._shown(OTHER_BROWSER, status=403)
        try:
            ours = self._google is not None and state.startswith(STATE)
            finish = self._google.finish if self._google is not None and ours else self._host.finish_sign_in
            attempt = await finish(state, code=query.get("code"), iss=query.get("iss"), error=query.get("error"))
        except McpFailure as error:
            return self._shown(f"{error} To try again, open the link in Slack once more.", status=400)
        waiting = await self._signed_in(attempt.server, attempt.principal)
        log.info("signed in", server=attempt.server, waiting=waiting)
        return self._shown(
            f"Your account at {attempt.server} is connected. You can close this page; the work goes on in Slack."
        )

    async def _client(self, _request: web.Request) -> web.Response:
        """Who we are, for authorization servers that look clients up by their address."""
        return web.json_response(
            {
                "client_id": f"{self._base_url}{CLIENT}", "client_name": "Cadre", "client_uri": self._base_url,
                "redirect_uris": [f"{self._base_url}{CALLBACK}"], "token_endpoint_auth_method": "none",
                "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
            }
        )  # fmt: skip

    async def _link(self, request: web.Request) -> Link | None:
        return await self._db.read(lambda c: links.by_ticket(c, self._vault, request.match_info["ticket"]))

    def _shown(self, words: str, *, link: Link | None = None, to: str = "", status: int = 200) -> web.Response:
        headers = dict(HEADERS)
        if to:
            place = urlsplit(to)
            headers["Content-Security-Policy"] += f"; form-action 'self' {place.scheme}://{place.netloc}"
        page = self._page.render(words=words, link=link)
        return web.Response(text=page, status=status, content_type="text/html", headers=headers)


def _redirect(url: str) -> web.Response:
    place = urlsplit(url)
    local = place.hostname in ("127.0.0.1", "localhost", "::1")
    if place.scheme != "https" and not (place.scheme == "http" and local):
        raise web.HTTPBadRequest(text="This address is not a secure one, so Cadre does not lead there.")
    return web.Response(status=303, headers={**HEADERS, "Location": url})
