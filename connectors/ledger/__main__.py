"""Serve a ledger: python -m connectors.ledger --data DIR [--http PORT] [--web-base URL].

Speaks MCP on standard input and output, or with --http as streamable HTTP with readable pages beside it.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from starlette.middleware.trustedhost import TrustedHostMiddleware

from connectors.ledger.books import Books
from connectors.ledger.pages import page_routes
from connectors.ledger.server import Sources, build_server

HOST = "127.0.0.1"


class _Uvicorn(uvicorn.Server):
    """Ends with exit code 0 on a signal; uvicorn itself raises the signal again after its shutdown."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        self.should_exit = True


def serve_http(books: Books, port: int, web_base: str) -> None:
    """Listen, say where in one JSON line, and serve until a signal."""
    # Only a socket that names TCP gets its answers sent without delay by asyncio.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()
        own = f"http://{HOST}:{listener.getsockname()[1]}"
        base = web_base or own
        server = build_server(books, Sources(base))
        # JSON instead of an event stream: clients cap the size of one event, and an answer here can be large.
        app = server.streamable_http_app(json_response=True, stateless_http=True, host=HOST)
        app.router.routes.extend(page_routes(books, urlsplit(base).path.rstrip("/")))
        hosts = [HOST, "localhost", urlsplit(base).hostname or HOST]
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2)
        # The listening socket already queues connections, so the address is good from here on.
        print(json.dumps({"url": f"{own}/mcp"}), flush=True)
        asyncio.run(_Uvicorn(config).serve(sockets=[listener]))


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m connectors.ledger", description="Serve a ledger over MCP.")
    parser.add_argument("--data", type=Path, required=True, help="folder with the tables of the books")
    parser.add_argument(
        "--http", type=int, metavar="PORT", help="serve on this port of 127.0.0.1; 0 takes a free one"
    )
    parser.add_argument("--web-base", default="", metavar="URL", help="address under which people open the pages")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        parser.error(f"there is no folder {arguments.data}")
    books = Books(arguments.data)
    if arguments.http is None:
        build_server(books, Sources(arguments.web_base)).run("stdio")
    else:
        try:
            serve_http(books, arguments.http, arguments.web_base)
        except OSError as error:
            sys.exit(f"Port {arguments.http} cannot be used: {error.strerror}.")


if __name__ == "__main__":
    main()
