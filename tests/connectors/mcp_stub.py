"""A server of the modern protocol in this process, with an issuer of its own, for tests of what people are asked."""

import asyncio
import base64
import hashlib
import json
import secrets
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
from aiohttp import web

VERSION = "2026-07-28"


class Stub:
    """Tools are functions of (params, who) that return a result; `log` has every request as (path, body)."""

    def __init__(self, tools, *, signed=False):
        self.tools = tools
        self.signed = signed
        self.log = []
        self.tokens = {}  # access token -> (person, scopes)
        self.refreshes = {}  # refresh token -> (person, scopes)
        self.codes = {}
        self.person = "ann"  # who is at the browser
        self.life_s = 3600
        self.page, self.loops = 1000, False
        self.issuer_is_down = False
        self.names = None  # another issuer that it names, an address
        self.speaks_for = None  # an issuer that it only says to be
        self.refresh_answers = None  # (status, body) that refreshes get instead of tokens
        self.needs = {}  # tool -> scope beyond the usual one

    async def __aenter__(self):
        app = web.Application()
        app.router.add_post("/mcp", self._mcp)
        app.router.add_get("/.well-known/{name:.*}", self._metadata)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/register", self._register)
        app.router.add_post("/token", self._token)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.base = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    def entry(self, **ours):
        return {"url": f"{self.base}/mcp", "x-cadre": ours}

    def times(self, path, **fields):
        return sum(p == path and all(b.get(k) == v for k, v in fields.items()) for p, b in self.log)

    # ---- the server

    async def _mcp(self, request):
        body = await request.json()
        who = None
        if self.signed:
            who, scopes = self.tokens.get(request.headers.get("authorization", "")[7:], (None, ()))
            metadata = f'resource_metadata="{self.base}/.well-known/oauth-protected-resource/mcp"'
            if who is None:
                return web.Response(status=401, headers={"www-authenticate": f'Bearer scope="read", {metadata}'})
            needed = self.needs.get((body.get("params") or {}).get("name"))
            if needed and needed not in scopes:
                said = f'Bearer error="insufficient_scope", scope="{needed}", {metadata}'
                return web.Response(status=403, headers={"www-authenticate": said})
        self.log.append((body["method"], body.get("params") or {}))
        result = await self._result(body["method"], body.get("params") or {}, who)
        if "error" in result:
            return web.json_response({"jsonrpc": "2.0", "id": body["id"], "error": result["error"]})
        done = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private", **result}
        done = {key: value for key, value in done.items() if value is not ...}
        return web.json_response({"jsonrpc": "2.0", "id": body["id"], "result": done})

    async def _result(self, method, params, who):
        if method == "server/discover":
            return {"supportedVersions": [VERSION], "capabilities": {"tools": {}}}
        if method == "tools/list":
            return self._page(params)
        if method == "tools/call":
            return await self.tools[params["name"]](params, who)
        if method in self.tools:
            return await self.tools[method](params, who)
        return {"error": {"code": -32601, "message": "Method not found"}}

    def _page(self, params):
        """All tools, or so many as a page holds; the last page may name itself again."""
        names = list(self.tools)
        begin = int(params.get("cursor") or 0)
        page = {"tools": [self._listed(name) for name in names[begin : begin + self.page]]}
        if begin + self.page < len(names):
            page["nextCursor"] = str(begin + self.page)
        elif self.loops:
            page["nextCursor"] = str(begin)
        return page

    def _listed(self, name):
        hints, schema = getattr(self.tools[name], "hints", {}), getattr(self.tools[name], "schema", None)
        told = {"name": name, "inputSchema": {"type": "object"}, "annotations": hints}
        return told if schema is None else {**told, "outputSchema": schema}

    # ---- its issuer

    async def _metadata(self, request):
        name = request.match_info["name"]
        if name == "oauth-protected-resource/mcp":
            if self.speaks_for:
                raise web.HTTPNotFound
            issuer = self.names or self.base
            return web.json_response({"resource": f"{self.base}/mcp", "authorization_servers": [issuer]})
        if name != "oauth-authorization-server":
            raise web.HTTPNotFound
        return web.json_response({
            "issuer": self.speaks_for or self.base, "authorization_endpoint": f"{self.base}/authorize",
            "token_endpoint": f"{self.base}/token", "registration_endpoint": f"{self.base}/register",
            "code_challenge_methods_supported": ["S256"], "token_endpoint_auth_methods_supported": ["none"],
            "response_types_supported": ["code"],
        })  # fmt: skip

    async def _register(self, request):
        self.log.append(("/register", await request.json()))
        return web.json_response({"client_id": secrets.token_hex(4), **(await request.json())}, status=201)

    async def _authorize(self, request):
        asked = dict(request.query)
        code = secrets.token_hex(8)
        self.codes[code] = (self.person, asked)
        self.log.append(("/authorize", asked))
        raise web.HTTPFound(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")

    async def _token(self, request):
        form = dict(await request.post())
        self.log.append(("/token", form))
        if self.issuer_is_down:
            return web.Response(status=503)
        if form["grant_type"] == "client_credentials":
            person, scopes = form["client_id"], tuple(form.get("scope", "").split())
            if person == "unknown":
                return web.json_response({"error": "invalid_client"}, status=401)
        elif form["grant_type"] == "refresh_token":
            if self.refresh_answers is not None:
                status, body = self.refresh_answers
                return web.Response(status=status, text=body)
            known = self.refreshes.pop(form["refresh_token"], None)  # each works once
            if known is None:
                return web.json_response({"error": "invalid_grant"}, status=400)
            person, scopes = known
        else:
            person, asked = self.codes.pop(form["code"])
            hashed = hashlib.sha256(form["code_verifier"].encode()).digest()
            assert base64.urlsafe_b64encode(hashed).decode().rstrip("=") == asked["code_challenge"]
            scopes = tuple(asked.get("scope", "").split())
        access, refresh = secrets.token_hex(8), secrets.token_hex(8)
        self.tokens[access] = (person, scopes)
        self.refreshes[refresh] = (person, scopes)
        given = {"access_token": access, "token_type": "bearer", "refresh_token": refresh, "scope": " ".join(scopes)}
        return web.json_response({**given, "expires_in": self.life_s})

    def expire(self):
        """What happens to access tokens while nobody looks."""
        self.tokens.clear()


async def visit(host, needed):
    """A person who follows the link and agrees; what the callback brings is handed to the host."""
    async with httpx2.AsyncClient() as browser:
        answer = await browser.get(needed.url)
    brought = {k: v[0] for k, v in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    return await host.finish_sign_in(brought["state"], code=brought["code"])


def text(said):
    return {"content": [{"type": "text", "text": said}]}


def hinted(**hints):
    def mark(tool):
        tool.hints = hints
        return tool

    return mark


def meeting(of):
    """A tool whose calls are answered only once so many are under way."""
    there = asyncio.Barrier(of)

    async def meet(_params, who):
        await there.wait()
        return text(f"met {who}")

    return meet


def through_json(parked):
    return type(parked).from_json(json.loads(json.dumps(parked.to_json())))
