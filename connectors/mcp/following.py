"""Resources that were read of a server, followed from then on, so that whoever read one hears when it changes.

Nothing is said twice: what changes while nobody hears stays unsaid. So when a subscription is lost, all that is
followed counts as changed, at once, and once more when it is heard again, for what was read in between.
"""

import asyncio
from collections.abc import Callable, Iterable

import anyio
import mcp_types as types
from mcp import Client
from mcp.client.subscriptions import ResourceUpdated, SubscriptionLost
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from .http import LOST, NOT_SENT

MOST = 32  # resources that one connection follows
_AGAIN_S = (0.2, 60.0)  # before a lost subscription is made anew, ever later: some servers end them at once
_OVERLAP_S = 0.25  # for which a stream is still heard when the one that replaces it is there
_BROKEN = (NOT_SENT, LOST, types.CONNECTION_CLOSED)


class Following:
    """What is followed of one server for one principal. It outlives connections, each of which has its follower."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        """`tell` gets the address of each followed resource that changed, or may have changed unheard."""
        self._tell = tell
        self._uris: dict[str, None] = {}  # the one that was read longest ago comes first
        self._missed: set[str] = set()
        self._news: set[asyncio.Event] = set()

    @property
    def uris(self) -> tuple[str, ...]:
        return tuple(self._uris)

    def read(self, uris: Iterable[str]) -> None:
        """These were read just now; of too many, those that were read longest ago are not followed any more."""
        before = set(self._uris)
        for uri in uris:
            self._uris.pop(uri, None)
            self._uris[uri] = None
        for uri in self.uris[:-MOST]:
            del self._uris[uri]
        self._missed &= self._uris.keys()
        if before != self._uris.keys():
            for news in self._news:
                news.set()

    def forget(self) -> None:
        self._uris.clear()
        self._missed.clear()

    def changed(self, uri: str) -> None:
        """The server says that a resource changed, which may be a part of one that is followed, or none of them."""
        for one in self.uris:
            if _folder(uri).startswith(_folder(one)):
                self._tell(one)

    def lost(self) -> None:
        """Nothing is heard any more."""
        self._missed.update(self._uris)
        for uri in self.uris:
            self._tell(uri)

    def heard(self, uris: Iterable[str]) -> None:
        """Changes of these are heard from now on."""
        for uri in self._missed.intersection(uris):
            self._missed.discard(uri)
            self._tell(uri)

    def join(self, news: asyncio.Event) -> None:
        """Sets `news` whenever other resources are to be followed, until it leaves."""
        self._news.add(news)

    def leave(self, news: asyncio.Event) -> None:
        self._news.discard(news)


class Follower:
    """Keeps one connection subscribed to what is followed. No call waits for it, and none fails with it."""

    def __init__(self, following: Following, client: Client, *, modern: bool, limit: float) -> None:
        """`limit` is for how many seconds the server may leave a subscription unanswered."""
        self._following = following
        self._client = client
        self._modern = modern
        self._limit = limit
        self._news = asyncio.Event()
        self._hears = False

    async def run(self) -> None:
        """Follows until it is cancelled, or until the server turns out not to know subscriptions."""
        loop, this = asyncio.get_running_loop(), asyncio.current_task()
        assert this is not None
        wait, longest = _AGAIN_S
        self._following.join(self._news)
        try:
            while True:
                began, unknown = loop.time(), False
                try:
                    while not self._following.uris:
                        self._news.clear()
                        await self._news.wait()
                    await (self._listen() if self._modern else self._subscribe())
                except* (MCPError, SubscriptionLost, TimeoutError) as ended:
                    unknown = any(getattr(e, "code", 0) == types.METHOD_NOT_FOUND for e in ended.exceptions)
                except* (anyio.ClosedResourceError, anyio.BrokenResourceError):
                    pass  # the connection ends, and this task with it
                self._lost()
                if unknown or this.cancelling():  # a group of tasks that fails keeps a cancellation to itself
                    return
                wait = _AGAIN_S[0] if loop.time() - began > longest else wait
                await asyncio.sleep(wait)
                wait = min(wait * 2, longest)
        finally:
            self._lost()
            self._following.leave(self._news)

    # ---- the modern protocol: one stream for all

    async def _listen(self) -> None:
        """Opens another stream when other resources are followed, and closes the older one only afterwards."""
        async with asyncio.TaskGroup() as streams:
            older: asyncio.Task[None] | None = None
            while True:
                self._news.clear()
                opened = asyncio.Event()
                newer = streams.create_task(self._stream(self._following.uris, opened))
                async with asyncio.timeout(self._limit):
                    await opened.wait()
                if older is not None:
                    await asyncio.sleep(_OVERLAP_S)
                    older.cancel()
                older = newer
                await self._news.wait()

    async def _stream(self, uris: tuple[str, ...], opened: asyncio.Event) -> None:
        async with self._client.listen(resource_subscriptions=uris) as changes:
            self._heard(changes.honored.resource_subscriptions or ())
            opened.set()
            async for change in changes:
                if isinstance(change, ResourceUpdated):
                    self._following.changed(change.uri)
        raise SubscriptionLost("the server ended the stream")

    # ---- the older protocol: a request for each

    async def _subscribe(self) -> None:
        asked: set[str] = set()
        while True:
            self._news.clear()
            wanted = self._following.uris
            for uri in asked.difference(wanted):
                await self._asks(types.UnsubscribeRequest(params=types.UnsubscribeRequestParams(uri=uri)))
                asked.discard(uri)
            for uri in wanted:
                if uri not in asked:
                    # One that is refused is not asked for again on this connection.
                    asked.add(uri)
                    if await self._asks(types.SubscribeRequest(params=types.SubscribeRequestParams(uri=uri))):
                        self._heard((uri,))
            await self._news.wait()

    async def _asks(self, request: types.SubscribeRequest | types.UnsubscribeRequest) -> bool:
        """Whether the server agreed; raises only when the connection is gone."""
        try:
            async with asyncio.timeout(self._limit):
                await self._client.session.send_request(request, types.EmptyResult)
        except MCPError as error:
            if error.code in _BROKEN:
                raise
            return False
        except (TimeoutError, ValidationError):
            return False
        return True

    # ---- what is heard

    def _heard(self, uris: Iterable[str]) -> None:
        self._hears = self._hears or bool(uris)
        self._following.heard(uris)

    def _lost(self) -> None:
        """What was never heard cannot be lost."""
        if self._hears:
            self._hears = False
            self._following.lost()


def _folder(uri: str) -> str:
    return uri.rstrip("/") + "/"
