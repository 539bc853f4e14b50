"""The install pages: a signed-in person sees what the app asks for, and allows or cancels it."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from loopback.slack.desk import Desk
from loopback.slack.seed import BOT_USER, CLIENT_ID
from loopback.slack.tokens import Grant

PAGE = Template((Path(__file__).parent / "authorize.html").read_text(encoding="utf-8"))


class InstallPages:
    """`/oauth/v2/authorize`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/oauth/v2/authorize", self.ask), web.post("/oauth/v2/authorize", self.answered)]

    async def ask(self, request: web.Request) -> web.Response:
        """The page; `as` in the address chooses who is signed in."""
        wrong = self._wrong(request.query)
        if wrong:
            return web.Response(status=400, text=wrong)
        space, chosen = self._desk.space, self._desk.space.user(request.query.get("as", ""))
        people = [one for one in space.users.values() if not one.get("is_bot") and not space.is_outsider(one["id"])]
        options = [
            f'<option value="{escape(one["id"])}"{" selected" if one["id"] == chosen else ""}>'
            f"{escape(one['real_name'])}</option>"
            for one in people
        ]
        app = space.users[BOT_USER]["real_name"]
        wishes = _wishes(f"What {app} can do", request.query.get("scope", ""))
        wishes += _wishes(f"What {app} can do as you", request.query.get("user_scope", ""))
        given = {"app": escape(app), "team": escape(space.team["name"])}
        page = PAGE.substitute(given, people="".join(options), wishes=wishes)
        return web.Response(text=page, content_type="text/html", headers={"X-Frame-Options": "DENY"})

    async def answered(self, request: web.Request) -> web.Response:
        """Sends the person back to the app with a code, or with `access_denied`."""
        wrong = self._wrong(request.query)
        if wrong:
            return web.Response(status=400, text=wrong)
        form, query = await request.post(), request.query
        user = self._desk.space.user(str(form.get("as", "")))
        to = self._return_address(query)
        back = {"state": query.get("state", "")}
        if form.get("answer") != "allow" or user is None:
            return _redirect(to, {"error": "access_denied", **back})
        scopes, own = (frozenset(_listed(query.get(key, ""))) for key in ("scope", "user_scope"))
        code = self._desk.tokens.code(Grant(user, scopes, own, query.get("redirect_uri", ""), self._desk.space.now()))
        return _redirect(to, {"code": code, **back})

    def _return_address(self, query: Mapping[str, str]) -> str:
        """The address in the request, else the first that the manifest names."""
        return query.get("redirect_uri") or next(iter(self._desk.app.redirect_urls), "")

    def _wrong(self, query: Mapping[str, str]) -> str:
        """Why this address cannot be asked for, in Slack's words."""
        if query.get("client_id") != CLIENT_ID:
            return "invalid_client_id"
        to, known = self._return_address(query), self._desk.app.redirect_urls
        if urlsplit(to).scheme not in ("http", "https") or not (not known or to.startswith(known)):
            return "bad_redirect_uri"
        asked = _listed(query.get("scope", ""))
        unknown = [one for one in asked if one not in self._desk.app.scopes]
        if unknown or not (asked or _listed(query.get("user_scope", ""))):
            return f"invalid_scope: {', '.join(unknown) or 'no scope is asked for'}"
        return ""


def _listed(scopes: str) -> list[str]:
    return [one for one in scopes.replace(" ", ",").split(",") if one]


def _wishes(title: str, scopes: str) -> str:
    rows = "".join(f"<li>{escape(one)}</li>" for one in _listed(scopes))
    return f"<h2>{escape(title)}</h2><ul>{rows}</ul>" if rows else ""


def _redirect(to: str, more: Mapping[str, str]) -> web.Response:
    sign = "&" if urlsplit(to).query else "?"
    return web.Response(status=302, headers={"Location": f"{to}{sign}{urlencode(more)}"})
