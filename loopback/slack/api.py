"""The Web API's frame: reading a request, knowing who calls, and one table from method name to handler."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from loopback.control import CallLog
from loopback.slack.blocks import message_problems, view_problems
from loopback.slack.desk import Desk
from loopback.slack.errors import Refused, bad_argument
from loopback.slack.interactions import Interactions
from loopback.slack.limits import RateLimits
from loopback.slack.state import Channel, Workspace
from loopback.slack.tokens import Caller, listed

# Arguments that clients send as JSON strings inside forms.
_STRUCTURED = {
    *("attachments", "blocks", "chunks", "files", "loading_messages", "metadata", "prompts", "unfurls", "view"),
    *(
        "cells",
        "changes",
        "criteria",
        "description_blocks",
        "document_content",
        "initial_fields",
        "item_ids",
        "schema",
    ),
    *("channel_ids", "manifest", "outputs", "profile", "user_ids", "users"),
}
_TRUE = ("1", "true", "True", "yes")


@dataclass(frozen=True)
class Upload:
    """A file inside a form."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Call:
    """One Web API call: who, with which arguments, on which workspace."""

    caller: Caller
    token: str
    args: Mapping[str, Any]
    desk: Desk
    interactions: Interactions

    @property
    def space(self) -> Workspace:
        return self.desk.space

    @property
    def team(self) -> str:
        team: str = self.space.team["id"]
        return team

    def text(self, name: str, default: str = "") -> str:
        value = self.args.get(name)
        return default if value is None else str(value)

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.args.get(name)
        return default if value is None else value is True or str(value) in _TRUE

    def number(self, name: str, default: int) -> int:
        value = self.args.get(name)
        try:
            return default if value in (None, "") else int(float(str(value)))
        except ValueError as error:
            raise bad_argument(f"must be an integer [json-pointer:/{name}]") from error

    def listed(self, name: str) -> list[str]:
        """A comma separated argument or a JSON array, as a list."""
        value = self.args.get(name)
        if isinstance(value, list):
            return [str(one) for one in value]
        return [one.strip() for one in str(value).split(",") if one.strip()] if value else []

    def objects(self, name: str) -> list[dict[str, Any]]:
        """A JSON array of objects."""
        value = self.args.get(name)
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise bad_argument(f"must be an array of objects [json-pointer:/{name}]")
        return value

    def channel(self, name: str = "channel", *, member: bool = True) -> Channel:
        """The named channel as the caller may see it; with `member` the caller must be in it."""
        wanted = self.text(name)
        found = self.space.channel(wanted)
        if found is None and self.space.users.get(wanted) and wanted != self.caller.user:
            found = self.space.direct(self.caller.user, wanted)
        if found is None or not self.space.may_see(found, self.caller.user):
            raise Refused("channel_not_found")
        if member and self.caller.user not in found.members:
            raise Refused("not_in_channel")
        return found

    def need(self, scope: str) -> None:
        """Raises missing_scope unless the bot has one of the scopes in `a|b`; people have what Slack gives them."""
        if self.caller.is_bot and not any(one in self.caller.scopes for one in scope.split("|")):
            raise Refused("missing_scope", needed=scope.split("|")[0], provided=listed(self.caller.scopes))


Handler = Callable[[Call], dict[str, Any]]


@dataclass(frozen=True)
class Method:
    """A Web API method: what it needs, what answers it, and the rate limit tier Slack gives it."""

    handler: Handler
    required: tuple[str, ...] = ()
    scope: str = ""
    tier: int = 0
    token: str = "bot_or_user"  # or "bot", "user", "app", "none"


METHODS: dict[str, Method] = {}


def method(
    name: str, *, required: tuple[str, ...] = (), scope: str = "", tier: int = 0, token: str = "bot_or_user"
) -> Callable[[Handler], Handler]:
    """Enters a handler into the table of methods."""

    def entered(handler: Handler) -> Handler:
        METHODS[name] = Method(handler, required, scope, tier, token)
        return handler

    return entered


def checked_blocks(call: Call) -> list[dict[str, Any]] | None:
    """The blocks of a call, or None; raises invalid_blocks with pointers."""
    blocks = call.args.get("blocks")
    if blocks in (None, ""):
        return None
    if isinstance(blocks, str):
        raise Refused("invalid_blocks_format")
    refuse_problems("invalid_blocks", message_problems(blocks))
    checked: list[dict[str, Any]] = json.loads(json.dumps(blocks))
    return checked


def checked_view(call: Call) -> dict[str, Any]:
    """The view of a call; raises invalid_arguments with pointers."""
    view = call.args.get("view")
    refuse_problems("invalid_arguments", view_problems(view))
    checked: dict[str, Any] = json.loads(json.dumps(view))
    return checked


def refuse_problems(error: str, problems: list[tuple[str, str]]) -> None:
    if problems:
        messages = [f"[ERROR] {what} [json-pointer:{where}]" for what, where in problems]
        raise Refused(error, errors=messages, response_metadata={"messages": messages})


class WebApi:
    """Answers `/api/<method>` from the table."""

    def __init__(self, desk: Desk, interactions: Interactions, limits: RateLimits, log: CallLog) -> None:
        self._desk = desk
        self._interactions = interactions
        self._limits = limits
        self._log = log

    async def handle(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        args = await read_arguments(request)
        token, basic = _credentials(request, args)
        args |= basic
        caller, refused = self._caller(token)
        who = caller.user if caller else ""
        n = self._log.append({"server": "slack", "kind": "request", "name": name, "as": who, "body": _shown(args)})
        wait = 0
        body: dict[str, Any]
        try:
            if refused is not None:
                raise refused
            wait = self._wait(name, caller, args)
            if wait:
                raise Refused("ratelimited")
            body = {"ok": True, **self._answer(name, caller, token, args)}
        except Refused as error:
            body = {"ok": False, "error": error.error, **error.more}
        return self._answered(n, name, body, caller, wait)

    def _caller(self, token: str) -> tuple[Caller | None, Refused | None]:
        """Who calls, or why a token that was good once is not any more."""
        try:
            return self._desk.tokens.caller(token), None
        except Refused as error:
            return None, error

    def _answered(self, n: int, name: str, body: Mapping[str, Any], caller: Caller | None, wait: int) -> web.Response:
        status = 429 if wait else 200
        text = json.dumps(body)  # as it is now: messages in it go on changing
        row = {"server": "slack", "kind": "response", "name": name, "of": n, "status": status}
        self._log.append({**row, "body": json.loads(text)})
        headers = {"x-slack-req-id": f"{n:032x}", "x-oauth-scopes": listed(caller.scopes) if caller else ""}
        headers |= {"Retry-After": str(wait)} if wait else {}
        return web.json_response(text=text, status=status, headers=headers)

    def _wait(self, name: str, caller: Caller | None, args: Mapping[str, Any]) -> int:
        """Seconds a known caller must wait before this call."""
        known = METHODS.get(name)
        if known is None or caller is None:
            return 0
        channel = self._desk.space.channel(str(args.get("channel", "")))
        where = channel.id if channel else str(args.get("channel", ""))
        return self._limits.wait(name, f"{caller.kind}/{caller.user}", known.tier, where)

    def _answer(self, name: str, caller: Caller | None, token: str, args: dict[str, Any]) -> dict[str, Any]:
        found = METHODS.get(name)
        if found is None:
            raise Refused("unknown_method", req_method=name)
        if found.token != "none":
            if caller is None:
                raise Refused("invalid_auth" if token else "not_authed")
            if caller.kind not in found.token.split("_or_"):
                raise Refused("not_allowed_token_type")
        call = Call(caller or Caller("none", ""), token, args, self._desk, self._interactions)
        if found.scope:
            call.need(found.scope)
        missing = [one for one in found.required if args.get(one) in (None, "")]
        if missing:
            raise bad_argument(*(f"missing required field: {one}" for one in missing))
        return found.handler(call)


def _credentials(request: web.Request, args: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The token, from the header or the arguments, and the client's id and secret when they come as Basic."""
    token = str(args.pop("token", "") or "")
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip(), {}
    if kind.lower() == "basic":
        try:
            client_id, _, secret = base64.b64decode(value).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return token, {}
        return token, {"client_id": client_id, "client_secret": secret}
    return token, {}


def _shown(args: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments for the log: without secrets, and files as their size."""
    hidden = {key: "…" for key in ("client_secret", "refresh_token") if key in args}
    files = {key: f"{len(one.content)} bytes" for key, one in args.items() if isinstance(one, Upload)}
    return {**args, **hidden, **files}


async def read_arguments(request: web.Request) -> dict[str, Any]:
    """Arguments from the query, a form or JSON, whichever a client prefers; an empty body is fine."""
    args: dict[str, Any] = dict(request.query)
    if request.method == "POST":
        if request.content_type == "application/json":
            raw = await request.read()
            try:
                body = json.loads(raw) if raw.strip() else {}
            except ValueError:
                body = {}
            args |= body if isinstance(body, dict) else {}
        else:
            form = await request.post()
            for key, value in form.items():
                args[key] = Upload(value.filename, value.file.read()) if isinstance(value, web.FileField) else value
    for key in _STRUCTURED & args.keys():
        if isinstance(args[key], str) and args[key][:1] in ("[", "{"):
            try:
                args[key] = json.loads(args[key])
            except ValueError:
                continue  # the method says what it thinks of the text
    return args
