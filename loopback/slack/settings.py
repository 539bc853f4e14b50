"""`/_local/app`: how the app is reached and what Slack holds it to, changed while it runs."""

from typing import Any

from aiohttp import web

from loopback.control import json_object, local_only
from loopback.slack.delivery import Delivery
from loopback.slack.limits import RateLimits
from loopback.slack.signed_http import ChallengeFailed, RequestUrls
from loopback.slack.state import Workspace


class AppSettings:
    """What a developer sets on the app's pages at Slack."""

    def __init__(self, space: Workspace, delivery: Delivery, limits: RateLimits) -> None:
        self._space = space
        self._delivery = delivery
        self._limits = limits

    async def handle(self, request: web.Request) -> web.Response:
        """GET tells the settings; POST takes `{socket_mode | request_url[, interactivity_url, commands_url]}`,
        `{rate_limits: bool}`, `{stream_expiry: absolute|idle}`, `{plan: free|plus}` and `{disconnect: reason}`.
        """
        local_only(request)
        if request.method == "POST":
            try:
                await self._set(await json_object(request))
            except ChallengeFailed as error:
                return web.json_response({"ok": False, "error": "challenge_failed", "message": str(error)})
        return web.json_response({"ok": True, **self._shown()})

    async def _set(self, given: dict[str, Any]) -> None:
        if given.get("request_url"):
            urls = (str(given.get(key, "")) for key in ("request_url", "interactivity_url", "commands_url"))
            await self._delivery.use_http(RequestUrls(*urls))
        elif given.get("socket_mode"):
            await self._delivery.use_sockets()
        if "rate_limits" in given:
            self._limits.on = bool(given["rate_limits"])
        if given.get("stream_expiry") in ("absolute", "idle"):
            self._space.streams_end = given["stream_expiry"]
        if given.get("plan"):
            self._space.team["plan"] = str(given["plan"])
        if given.get("disconnect"):
            await self._delivery.sockets.disconnect(str(given["disconnect"]))

    def _shown(self) -> dict[str, Any]:
        urls = self._delivery.request_urls
        return {
            "socket_mode": urls is None,
            "request_url": urls.events if urls else None,
            "sockets": self._delivery.sockets.count,
            "rate_limits": self._limits.on,
            "stream_expiry": self._space.streams_end,
        }
