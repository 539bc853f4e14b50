"""A web server on loopback that misbehaves by path, and a network on which every name leads to it and nowhere else."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import httpcore2

from connectors.web.fetch import Web

PUBLIC = "93.184.216.34"


class Network(httpcore2.AnyIOBackend):
    """Dials the test's server whatever address is asked for, and keeps which."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.dialled: list[str] = []

    async def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        self.dialled.append(host)
        return await super().connect_tcp("127.0.0.1", self.port, timeout)


class Stage:
    """The server, the network and the names of one test."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.names: dict[str, list[list[str]]] = {}  # answers of the resolver, one after the other, the last for good
        self.asked: list[str] = []

    async def __aenter__(self) -> Stage:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.network = Network(self.server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_) -> None:
        self.server.close()
        await self.server.wait_closed()

    def web(self, total_s: float = 30.0) -> Web:
        return Web(self.network, self._resolve, total_s=total_s)

    async def _resolve(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        answers = self.names.get(host, [[PUBLIC]])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            self.seen.append(request)
            await self._answer(request.split()[1].decode(), reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        where, _, value = path.partition("=")
        if where == "/to":
            _send(writer, 302, b"", Location=value)
        elif where == "/loop":
            _send(writer, 302, b"", Location="/loop")
        elif where == "/status":
            _send(writer, int(value), b"no", **{"Retry-After": "7"})
        elif where == "/kind":
            _send(writer, 200, b"x", **{"Content-Type": value})
        elif where == "/gzip":
            _send(
                writer,
                200,
                gzip.compress(b"words" * 10),
                **{"Content-Type": "text/plain", "Content-Encoding": "gzip"},
            )
        elif where == "/bomb":
            packer = zlib.compressobj(9, wbits=31)
            data = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
            _send(writer, 200, data, **{"Content-Type": "text/plain", "Content-Encoding": "gzip"})
        elif where == "/packed":
            _send(writer, 200, b"x", **{"Content-Encoding": value})
        elif where in ("/endless", "/drip"):
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {value}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
            while where == "/endless":
                writer.write(b"10000\r\n" + b"words " * 10922 + b"word" + b"\r\n")
                await writer.drain()
            writer.write(b"5\r\nwords\r\n")
            await writer.drain()
            await reader.read()  # then nothing more, until the other end gives up
        else:
            _send(
                writer,
                200,
                b"<html><body><p>Hello</p></body></html>",
                **{"Content-Type": "text/html; charset=utf-8", "Set-Cookie": "a=b"},
            )
        await writer.drain()


def _send(writer: asyncio.StreamWriter, status: int, body: bytes, **headers: str) -> None:
    lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body)
