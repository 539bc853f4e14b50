"""An answer of Google's without end costs a bounded amount of memory."""

from __future__ import annotations

import asyncio
import http.server
import threading
from contextlib import closing

import pytest

from connectors.errors import TooLarge
from connectors.google import GoogleWorkspace
from connectors.google.transport import MOST_BYTES

PART = bytes(1024 * 1024)


class Endless(http.server.BaseHTTPRequestHandler):
    sent = 0

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", str(100 * MOST_BYTES))
        self.end_headers()
        try:
            while True:
                self.wfile.write(PART)
                Endless.sent += len(PART)
        except OSError:
            pass

    def log_message(self, *_):
        """Quiet."""


def test_a_file_of_any_size_is_refused_once_it_is_larger_than_what_is_read():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        workspace = GoogleWorkspace(base_url=f"http://127.0.0.1:{server.server_port}", access_token="t")
        with closing(workspace), pytest.raises(TooLarge, match="report-1 is larger than 64 MB"):
            asyncio.run(workspace.download("report-1"))
        server.shutdown()
    assert Endless.sent < 2 * MOST_BYTES
