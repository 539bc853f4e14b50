"""The server: finds the method, checks the request, runs the handler, and answers as Google does."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from loopback.control import CallLog, Clock, Fault, Faults, add_control, api_faults, local_only
from loopback.google import calendar, comments, discovery, docs, drive, gmail, masks, sheets, slides
from loopback.google.calls import Bytes, Call
from loopback.google.discovery import Match, Method
from loopback.google.errors import GoogleError
from loopback.google.files import Drive
from loopback.google.oauth import OAuth
from loopback.google.people import People
from loopback.google.quota import Quotas
from loopback.google.sheetmodel import json_number
from loopback.google.web import add_pages

HANDLERS = drive.HANDLERS | comments.HANDLERS | docs.HANDLERS | sheets.HANDLERS
HANDLERS |= slides.HANDLERS | calendar.HANDLERS | gmail.HANDLERS
MAX_BODY = 128 * 1024 * 1024
_TOKEN = re.compile(r"Bearer\s+(?:ya29\.local-)?([\w.@+-]{1,200})", re.I)
_NO_CREDENTIAL = (
    "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other "
    "valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)


def build(*, drive_dir: Path, clock: Clock, log: CallLog, faults: Faults) -> web.Application:
    """The application for one folder of files."""
    store = Drive(drive_dir, clock)
    quotas = Quotas(clock)
    server = _Server(store, log, quotas)
    app = web.Application(client_max_size=MAX_BODY, middlewares=[api_faults(faults, server.called, _refused)])
    people = People(store, quotas)

    async def nothing(query: Any) -> dict[str, Any]:
        return {"ok": False, "error": "there are no threads in a Drive"}

    oauth = OAuth(clock)

    async def reset() -> None:
        store.reset()
        oauth.reset()
        quotas.reset()

    add_control(
        app,
        server="google",
        log=log,
        faults=faults,
        clock=clock,
        act=people.act,
        state=people.state,
        thread=nothing,
        reset=reset,
    )
    add_pages(app, store)
    oauth.add_to(app)
    app.router.add_route("*", "/{path:.*}", server.answer)
    return app


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    text = json.dumps(body, ensure_ascii=False, indent=2, default=_number)
    kind = "application/json"
    return web.Response(text=text, status=status, content_type=kind, charset="utf-8", headers=headers)


def _number(value: Any) -> int | float:
    if isinstance(value, Decimal):
        return json_number(value)
    raise TypeError(f"{type(value).__name__} in an answer")


def _refused(fault: Fault) -> web.Response:
    if fault.kind == "429":
        text = "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute per user'."
        headers = {"Retry-After": str(max(1, round(fault.retry_after_s)))}
        return _json(GoogleError(429, text).body(older=True), 429, headers)
    error = GoogleError(503, "The service is currently unavailable.")
    return _json(error.body(older=True), 503)


class _Server:
    """Holds what every request needs."""

    def __init__(self, store: Drive, log: CallLog, quotas: Quotas) -> None:
        self.store = store
        self.log = log
        self.quotas = quotas

    def called(self, request: web.Request) -> str | None:
        """The method's id, for faults; None for pages and the control API."""
        found = self.match(request)
        return found.method.id if found else None

    def match(self, request: web.Request) -> Match | None:
        verb = request.headers.get("X-HTTP-Method-Override", request.method).upper()
        path: str = request.rel_url.raw_path
        return discovery.match(verb, path)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One request from its path to its answer; every one is logged."""
        local_only(request)
        found = self.match(request)
        if found is None:
            return _json(GoogleError(404, "Not Found").body(older=False), 404)
        name = found.method.id
        row: dict[str, Any] = {"server": "google", "name": name, "path": request.path_qs}
        try:
            user = _user(request)
            call = await self._call(request, found, user, row)
            if name not in HANDLERS:
                raise GoogleError(501, f"{name} is not available on this local server.")
            mask = self._mask(found.method, call.params)
            response = _response(HANDLERS[name](call), mask)
        except GoogleError as error:
            if "kind" not in row:
                self.log.append({**row, "kind": "request", "body": {}})
            body = error.body(older=found.method.older)
            self.log.append({**row, "kind": "response", "status": error.code, "body": body})
            return _json(body, error.code)
        self.log.append({**row, "kind": "response", "status": response.status, "body": _loggable(response)})
        return response

    async def _call(self, request: web.Request, found: Match, user: str, row: dict[str, Any]) -> Call:
        raw, query = await request.read(), parse_qs(request.query_string, keep_blank_values=True)
        method = found.method
        if "X-HTTP-Method-Override" in request.headers:
            query, raw = parse_qs(raw.decode(), keep_blank_values=True), b""
        body, media = _payload(method, request, query, raw)
        shown = json.loads(json.dumps(body, default=_number))
        self.log.append({**row, "kind": "request", "user": user, "body": shown})
        row["kind"] = "logged"
        self.quotas.count(method.service, user)
        params = discovery.check_query(method, query, found.path)
        if method.request is not None:
            discovery.check_body(method, body)
        base = f"{request.scheme}://{request.host}"
        return Call(self.store, user, params, body, media, base)

    def _mask(self, method: Method, params: dict[str, Any]) -> masks.Mask:
        text = params.get("fields") or drive.DEFAULT_FIELDS.get(method.id)
        if not text or method.response is None:
            return {}
        mask = masks.parse(text)
        masks.check(mask, method.schemas[method.response], method.schemas)
        return mask


def _user(request: web.Request) -> str:
    given = request.headers.get("Authorization", "") or "Bearer " + request.query.get("access_token", "")
    found = _TOKEN.fullmatch(given.strip())
    if found is None:
        raise GoogleError(401, _NO_CREDENTIAL, location=("header", "Authorization"))
    return found[1]


def _payload(
    method: Method, request: web.Request, query: dict[str, list[str]], raw: bytes
) -> tuple[dict[str, Any], Bytes | None]:
    """The JSON body and, on the upload paths, the media."""
    if not method.upload:
        return _object(raw), None
    kind = query.get("uploadType", [""])[0]
    if kind == "media":
        return {}, Bytes(raw, request.content_type)
    if kind == "multipart":
        return _multipart(request.headers.get("Content-Type", ""), raw)
    raise GoogleError(501, f"uploadType={kind} is not available on this local server.")


def _object(raw: bytes) -> dict[str, Any]:
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw, parse_float=Decimal)
    except ValueError as error:
        text = f"Invalid JSON payload received. {error}"
        raise GoogleError(400, text, reason="parseError") from error
    if not isinstance(body, dict):
        raise GoogleError(400, "Invalid JSON payload received. Expected an object.", reason="parseError")
    return body


def _multipart(content_type: str, raw: bytes) -> tuple[dict[str, Any], Bytes]:
    found = re.search(r'boundary="?([^";]+)"?', content_type)
    parts = re.split(rb"(?:^|\r?\n)--" + re.escape(found[1].encode()), raw) if found else []
    if len(parts) != 4:
        raise GoogleError(400, "Malformed multipart body.", reason="badContent")
    (_, metadata), (mime, data) = (_part(p) for p in parts[1:3])
    return _object(metadata), Bytes(data, mime)


def _part(part: bytes) -> tuple[str, bytes]:
    head, data = re.split(rb"\r?\n\r?\n", part.lstrip(b"\r\n"), maxsplit=1)
    found = re.search(rb"content-type:\s*([^\s;]+)", head, re.I)
    return (found[1].decode() if found else "application/octet-stream"), data


def _response(answer: Any, mask: masks.Mask) -> web.Response:
    if answer is None:
        return web.Response(status=204)
    if isinstance(answer, Bytes):
        return web.Response(body=answer.data, headers={"Content-Type": answer.mime})
    return _json(masks.apply(answer, mask))


def _loggable(response: web.Response) -> Any:
    if response.content_type != "application/json" or not response.text:
        return {"bytes": response.content_length or 0}
    shown = response.text
    return json.loads(shown) if len(shown) < 20_000 else {"bytes": len(shown)}
