"""Where a sign-in may lead: addresses that a server names are not trusted to be outside of our own network."""

import ipaddress
from urllib.parse import urlsplit

import httpx2

from connectors.web.addresses import public
from connectors.web.fetch import resolve

from .http import Bounded

_MAX_BYTES = 1024 * 1024
_TIMEOUT_S = 15.0


class NotAllowed(Exception):
    """The address is not one that a server may send us to."""


class Guarded(httpx2.AsyncBaseTransport):
    """Sends to the server's own origin, and else by https to public addresses only, each resolved once and pinned."""

    def __init__(self, server_url: str) -> None:
        self._inner = httpx2.AsyncHTTPTransport()
        self._own = _origin(server_url)
        self._local = is_loopback(urlsplit(server_url).hostname or "")

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = str(request.url)
        host = request.url.host
        if _origin(url) != self._own and not (self._local and is_loopback(host)):
            if request.url.scheme != "https":
                raise NotAllowed(f"{_origin(url)} is not an https address")
            address = await _public_address(host, request.url.port or 443)
            request.extensions["sni_hostname"] = host
            request.url = request.url.copy_with(host=address)
        response = await self._inner.handle_async_request(request)
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = Bounded(response.stream, _MAX_BYTES)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def sign_in_client(server_url: str) -> httpx2.AsyncClient:
    """The client for everything about signing in at one server; it follows no redirect."""
    return httpx2.AsyncClient(transport=Guarded(server_url), timeout=_TIMEOUT_S, follow_redirects=False)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


async def _public_address(host: str, port: int) -> str:
    try:
        addresses = await resolve(host, port)
    except OSError as error:
        raise httpx2.ConnectError(f"{host} is not known: {error}") from error
    if not addresses or not all(map(public, addresses)):
        raise NotAllowed(f"{host} is inside of a private network")
    return addresses[0]


def _origin(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return f"{parts.scheme}://{parts.hostname}:{port}"
