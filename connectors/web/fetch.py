"""Fetches one page: the name is looked up once, every address behind it must be public, and that one is dialled."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urljoin

import httpcore2

from connectors.errors import BadInput, Forbidden, NotFound, RateLimited, TooLarge, Unavailable
from connectors.web.addresses import Address, Allowed, parse, public

MOST_BYTES = 20 * 1024 * 1024  # as they come, and once more unpacked
MAX_RATIO = 200
TOTAL_S = 30.0
CONNECT_S = 10.0
REDIRECTS = 5
HEADERS = [
    ("User-Agent", "Cadre"), ("Accept", "text/html, text/plain, application/pdf, */*;q=0.5"),
    ("Accept-Encoding", "gzip, deflate"), ("Accept-Language", "en, *;q=0.5"),
]  # fmt: skip
_MOVED = (301, 302, 303, 307, 308)
_NEVER = ("video/", "audio/", "font/", "image/", "multipart/", "text/event-stream")

Resolve = Callable[[str, int], Awaitable[list[str]]]


@dataclass(frozen=True)
class Page:
    """What came back from the last address."""

    url: str
    media_type: str  # as the server says, without parameters
    data: bytes
    hops: tuple[str, ...]  # the addresses on the way there
    cut: bool = False  # it went on after what is here


async def resolve(host: str, port: int) -> list[str]:
    """The addresses behind a name, from the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Pinned(httpcore2.AsyncNetworkBackend):
    """Looks a name up once and dials an address that was checked, never the name."""

    def __init__(self, network: httpcore2.AsyncNetworkBackend, lookup: Resolve) -> None:
        self._network = network
        self._lookup = lookup

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            found = await self._lookup(host, port)
        except OSError as error:
            raise httpcore2.ConnectError(f"{host} has no address: {error}") from error
        inner = [address for address in found if not public(address)]
        if inner or not found:
            raise Forbidden(f"{host} is not fetched: it stands for an address that is not public.")
        return await self._network.connect_tcp(found[0], port, timeout, None, None)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        raise Forbidden("Nothing on this machine is fetched.")

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


class Web:
    """Fetches pages. No cookies, no credentials, no proxy of the environment, no referrer, no connection kept."""

    def __init__(
        self,
        network: httpcore2.AsyncNetworkBackend | None = None,
        lookup: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
        total_s: float = TOTAL_S,
    ) -> None:
        self._backend = Pinned(network or httpcore2.AnyIOBackend(), lookup)
        self._tls = tls or ssl.create_default_context()
        self._total_s = total_s

    async def fetch(self, url: str, allowed: Allowed) -> Page:
        """The page at an address, redirects followed.

        Raises BadInput, Forbidden, NotFound, RateLimited, TooLarge or Unavailable with a sentence for a person.
        """
        address = parse(url)
        allowed.check(address)
        hops = [address.url]
        deadline = asyncio.get_running_loop().time() + self._total_s
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    page, onward = await self._one(address, tuple(hops), deadline)
                    if page is not None:
                        return page
                    if len(hops) > REDIRECTS:
                        raise Forbidden(
                            f"{address.host} leads on more than {REDIRECTS} times, which is not followed."
                        )
                    after = parse(urljoin(address.url, onward))
                    allowed.follows(address, after)
                    address = after
                    hops.append(address.url)
        except TimeoutError as error:
            raise Unavailable(f"{address.host} did not answer within {self._total_s:.0f} seconds.") from error
        except httpcore2.UnsupportedProtocol as error:
            raise BadInput(f"{address.host} does not speak HTTP.") from error
        except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError, ssl.SSLError) as error:
            raise Unavailable(f"{address.host} cannot be reached: {str(error) or type(error).__name__}.") from error

    async def _one(self, address: Address, hops: tuple[str, ...], deadline: float) -> tuple[Page | None, str]:
        """The page, or where it has moved to."""
        times = {"connect": CONNECT_S, "read": self._total_s, "write": CONNECT_S, "pool": CONNECT_S}
        async with (
            httpcore2.AsyncConnectionPool(
                ssl_context=self._tls, network_backend=self._backend, max_keepalive_connections=0, retries=0
            ) as pool,
            pool.stream("GET", address.url, headers=HEADERS, extensions={"timeout": times}) as reply,
        ):
            headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in reply.headers}
            if reply.status in _MOVED and headers.get("location"):
                return None, headers["location"]
            _refuse(address, reply.status, headers)
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind.startswith(_NEVER):
                raise BadInput(f"{address.url[:200]} is of the kind {kind}, which is not read.")
            body = _unpacked(reply.aiter_stream(), headers.get("content-encoding", ""), address)
            async with contextlib.aclosing(body):
                data, cut = await _taken(body, deadline)
            if cut and not kind.startswith("text/"):
                raise TooLarge(f"{address.url[:200]} is too large or too slow to be read whole, and was not read.")
            return Page(address.url, kind, data, hops, cut), ""


def _refuse(address: Address, status: int, headers: dict[str, str]) -> None:
    """Raises what an answer without a page means."""
    if status == 200 or status == 203:
        return
    if status in (404, 410):
        raise NotFound(f"There is nothing at {address.url[:200]} (HTTP {status}).")
    if status in (401, 403, 407, 451):
        raise Forbidden(f"{address.host} does not give {address.url[:200]} to everybody (HTTP {status}).")
    if status == 429:
        wait = headers.get("retry-after", "")
        raise RateLimited(f"{address.host} asks to slow down.", retry_after=float(wait) if wait.isdigit() else None)
    raise Unavailable(f"{address.host} answered HTTP {status}.")


async def _taken(body: AsyncIterator[bytes], deadline: float) -> tuple[bytes, bool]:
    """What comes before the bound and shortly before the deadline, and whether there was more."""
    parts: list[bytes] = []
    size = 0
    stop = deadline - 1.0
    try:
        async with asyncio.timeout_at(stop):
            async for part in body:
                parts.append(part[: MOST_BYTES - size])
                size += len(part)
                if size > MOST_BYTES:
                    return b"".join(parts), True
    except TimeoutError:
        if not parts:
            raise
        return b"".join(parts), True
    return b"".join(parts), False


async def _unpacked(raw: AsyncIterator[bytes], encoding: str, address: Address) -> AsyncGenerator[bytes, None]:
    """The body without its packing, at most so many times what came over the line."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        async for part in raw:
            yield part
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise BadInput(f"{address.url[:200]} is packed as {encoding[:40]}, which is not read.")
    unpacker = zlib.decompressobj(wbits=47 if encoding != "deflate" else 15)
    came, out = 0, 0
    try:
        async for part in raw:
            came += len(part)
            while part:
                piece = unpacker.decompress(part, 1 << 20)
                part = unpacker.unconsumed_tail
                out += len(piece)
                if out > 1 << 20 and out > came * MAX_RATIO:
                    raise TooLarge(f"{address.url[:200]} unpacks to more than {MAX_RATIO} times its size.")
                if piece:
                    yield piece
                elif not part:
                    break
    except zlib.error as error:
        raise BadInput(f"{address.url[:200]} came damaged: {error}.") from error
    if not unpacker.eof:
        raise BadInput(f"{address.url[:200]} came damaged: it ends too early.")
