"""The Web API's frame: reading a request, knowing who calls, and one table from method name to handler."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from loopback.control import CallLog
from loopback.slack.blocks import message_problems, view_problems
from loopback.slack.desk import Desk, Refused
from loopback.slack.interactions import Interactions
from loopback.slack.seed import APP_TOKEN, BOT_TOKEN, BOT_USER
from loopback.slack.state import Channel, Workspace

# Arguments that clients send as JSON strings inside forms.
_STRUCTURED = ("blocks", "attachments", "files", "view", "metadata", "chunks", "prompts", "loading_messages")
_TRUE = ("1", "true", "True", "yes")


@dataclass(frozen=True)
class Caller:
    """Who a token stands for: the app's bot, a person, or the app itself for Socket Mode."""

    kind: str
    user: str

    @property
    def is_bot(self) -> bool:
        return self.kind == "bot"


@dataclass(frozen=True)
class Call:
    """One Web API call: who, with which arguments, on which workspace."""

    caller: Caller
    args: Mapping[str, Any]
    desk: Desk
    interactions: Interactions

    @property
    def space(self) -> Workspace:
        return self.desk.space

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

    def channel(self, name: str = "channel", *, member: bool = True) -> Channel:
        """The named channel as the caller may see it; with `member` the caller must be in it."""
        wanted = self.text(name)
        found = self.space.channel(wanted)
        if found is None and self.space.users.get(wanted) and wanted != self.caller.user:
            found = self.space.direct(self.caller.user, wanted)
        if found is None or (found.is_private and self.caller.user not in found.members):
            raise Refused("channel_not_found")
        if member and self.caller.user not in found.members:
            raise Refused("not_in_channel")
        return found


Handler = Callable[[Call], dict[str, Any]]


@dataclass(frozen=True)
class Method:
    """A Web API method: what it needs and what answers it."""

    handler: Handler
    required: tuple[str, ...] = ()
    scope: str = ""
    token: str = "bot_or_user"  # or "app", or "none"


METHODS: dict[str, Method] = {}


def method(
    name: str, *, required: tuple[str, ...] = (), scope: str = "", token: str = "bot_or_user"
) -> Callable[[Handler], Handler]:
    """Enters a handler into the table of methods."""

    def entered(handler: Handler) -> Handler:
        METHODS[name] = Method(handler, required, scope, token)
        return handler

    return entered


def bad_argument(*messages: str) -> Refused:
    return Refused("invalid_arguments", response_metadata={"messages": [f"[ERROR] {one}" for one in messages]})


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

    def __init__(self, desk: Desk, interactions: Interactions, log: CallLog) -> None:
        self._desk = desk
        self._interactions = interactions
        self._log = log

    async def handle(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        args = await read_arguments(request)
        token = str(args.pop("token", "") or "")
        header = request.headers.get("Authorization", "")
        if header.lower().startswith("bearer "):
            token = header[7:].strip()
        caller = caller_of(token, self._desk.space)
        who = caller.user if caller else ""
        n = self._log.append({"server": "slack", "kind": "request", "name": name, "as": who, "body": args})
        try:
            body = {"ok": True, **self._answer(name, caller, token, args)}
        except Refused as refused:
            body = {"ok": False, "error": refused.error, **refused.more}
        text = json.dumps(body)  # as it is now: messages in it go on changing
        row = {"server": "slack", "kind": "response", "name": name, "of": n, "status": 200}
        self._log.append({**row, "body": json.loads(text)})
        headers = {"x-slack-req-id": f"{n:032x}", "x-oauth-scopes": ",".join(sorted(self._desk.app.scopes))}
        return web.json_response(text=text, headers=headers)

    def _answer(self, name: str, caller: Caller | None, token: str, args: dict[str, Any]) -> dict[str, Any]:
        found = METHODS.get(name)
        if found is None:
            raise Refused("unknown_method", req_method=name)
        if found.token != "none":
            if caller is None:
                raise Refused("invalid_auth" if token else "not_authed")
            if (caller.kind == "app") != (found.token == "app"):
                raise Refused("not_allowed_token_type")
        caller = caller or Caller("none", "")
        granted = self._desk.app.scopes
        if caller.is_bot and found.scope and not any(one in granted for one in found.scope.split("|")):
            raise Refused("missing_scope", needed=found.scope.split("|")[0], provided=",".join(sorted(granted)))
        missing = [one for one in found.required if args.get(one) in (None, "")]
        if missing:
            raise bad_argument(*(f"missing required field: {one}" for one in missing))
        return found.handler(Call(caller, args, self._desk, self._interactions))


def caller_of(token: str, space: Workspace) -> Caller | None:
    """Who a token stands for, if it is one of this workspace."""
    if token == BOT_TOKEN:
        return Caller("bot", BOT_USER)
    if token == APP_TOKEN:
        return Caller("app", BOT_USER)
    user = space.user(token[len("xoxp-") :]) if token.startswith("xoxp-") else None
    return Caller("user", user) if user and user != BOT_USER else None


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
            args |= {key: value for key, value in form.items() if isinstance(value, str)}
    for key in _STRUCTURED:
        if isinstance(args.get(key), str) and args[key][:1] in ("[", "{"):
            try:
                args[key] = json.loads(args[key])
            except ValueError:
                continue  # the method says what it thinks of the text
    return args
