"""A CRM in which everybody has an account of their own: an MCP server that is its own authorization server.

Who signs in is told by `as` on its sign-in page. What happened is in the lines of a file.
"""

import argparse
import asyncio
import secrets
import time
from pathlib import Path

import mcp_types as types
import uvicorn
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import OAuthToken
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tests.servers.desk import READS, note

DEALS = {"maya": ["Maya's deal with Ostrava"], "jonas": ["Jonas's deal with Basel"]}


class People(OAuthAuthorizationServerProvider):
    """Clients, codes and tokens, in memory."""

    def __init__(self, home: Path, base: str, lifetime_s: int) -> None:
        self._home, self._base, self._lifetime_s = home, base, lifetime_s
        self._clients, self._asked, self._codes, self._refresh, self._access = {}, {}, {}, {}, {}

    async def get_client(self, client_id):
        return self._clients.get(client_id)

    async def register_client(self, client_info):
        self._clients[client_info.client_id] = client_info

    async def authorize(self, client, params: AuthorizationParams) -> str:
        asked = secrets.token_urlsafe(16)
        self._asked[asked] = (client, params)
        return f"{self._base}/sign-in?asked={asked}"

    async def signed_in(self, request: Request) -> Response:
        """The sign-in page: it believes who says who they are."""
        client, asked = self._asked.pop(request.query_params["asked"])
        who = request.query_params["as"]
        note(self._home, f"signed in {who}")
        code = AuthorizationCode(
            code=secrets.token_urlsafe(32), scopes=asked.scopes or [], expires_at=time.time() + 60, subject=who,
            client_id=client.client_id, code_challenge=asked.code_challenge, redirect_uri=asked.redirect_uri,
            redirect_uri_provided_explicitly=asked.redirect_uri_provided_explicitly, resource=asked.resource,
        )  # fmt: skip
        self._codes[code.code] = code
        where = construct_redirect_uri(str(asked.redirect_uri), code=code.code, state=asked.state, iss=self._base)
        return RedirectResponse(where, status_code=302)

    async def load_authorization_code(self, client, authorization_code):
        return self._codes.get(authorization_code)

    async def exchange_authorization_code(self, client, authorization_code):
        del self._codes[authorization_code.code]
        return self._tokens(client, authorization_code)

    async def load_refresh_token(self, client, refresh_token):
        return self._refresh.get(refresh_token)

    async def exchange_refresh_token(self, client, refresh_token, scopes):
        note(self._home, f"refreshed {refresh_token.subject}")
        del self._refresh[refresh_token.token]
        return self._tokens(client, refresh_token)

    async def load_access_token(self, token):
        found = self._access.get(token)
        return found if found and found.expires_at > time.time() else None

    def _tokens(self, client, by):
        told = {"client_id": client.client_id, "scopes": by.scopes, "subject": by.subject, "resource": by.resource}
        access = AccessToken(token=secrets.token_urlsafe(32), expires_at=int(time.time() + self._lifetime_s), **told)
        refresh = RefreshToken(token=secrets.token_urlsafe(32), **told)
        self._access[access.token], self._refresh[refresh.token] = access, refresh
        note(self._home, f"token {access.token}")
        note(self._home, f"token {refresh.token}")
        return OAuthToken(
            access_token=access.token, token_type="Bearer", expires_in=self._lifetime_s, refresh_token=refresh.token
        )


def build(home: Path, base: str, lifetime_s: int) -> MCPServer:
    people = People(home, base, lifetime_s)
    auth = AuthSettings(
        issuer_url=base, resource_server_url=f"{base}/mcp", validate_token_resource=False,
        client_registration_options=ClientRegistrationOptions(enabled=True),
    )  # fmt: skip
    server = MCPServer("accounts", log_level="ERROR", auth=auth, auth_server_provider=people)
    server.custom_route("/sign-in", ["GET"])(people.signed_in)

    def who() -> str:
        token = get_access_token()
        assert token is not None and token.subject is not None
        return token.subject

    @server.tool(annotations=READS)
    async def deals() -> list[str]:
        """The deals of whoever is signed in."""
        note(home, f"deals of {who()}")
        return DEALS[who()]

    @server.tool(annotations=READS)
    async def slow(number: int) -> str:
        """Takes a second."""
        await asyncio.sleep(1)
        return f"{who()} {number}"

    @server.tool(annotations=types.ToolAnnotations(read_only_hint=False))
    async def close_deal(name: str) -> str:
        """Close a deal."""
        note(home, f"closed {name} by {who()}")
        return "closed"

    return server


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--lifetime", type=int, default=3600)
    given = parser.parse_args()
    given.home.mkdir(parents=True, exist_ok=True)
    made = build(given.home, f"http://127.0.0.1:{given.port}", given.lifetime)
    uvicorn.run(made.streamable_http_app(), host="127.0.0.1", port=given.port, log_level="error")
