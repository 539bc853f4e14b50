"""The clock as a server of its own, so that every process of a rehearsal follows one time."""

from aiohttp import web

from loopback.control import Clock, clock_handler


def build(clock: Clock) -> web.Application:
    """GET / or /clock tells the time, with `?since=VERSION` after the next jump; POST /_local/clock moves it."""
    app = web.Application()
    handler = clock_handler(clock)
    app.router.add_get("/", handler)
    app.router.add_get("/clock", handler)
    app.router.add_route("*", "/_local/clock", handler)
    return app
