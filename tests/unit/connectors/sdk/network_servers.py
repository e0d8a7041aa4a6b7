"""Servers that count who connects: one that answers every request, and a forward proxy."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field

BODY = b'{"id": 1}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n" + BODY
TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"
DENIED = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"


@dataclass(slots=True)
class Heard:
    """What came to a server: how many connections, and the head of each request."""

    port: int = 0
    connections: int = 0
    heads: list[str] = field(default_factory=list)

    async def head(self, reader: asyncio.StreamReader) -> str:
        """Read one head and remember it."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        return head


@asynccontextmanager
async def answering(
    host: str = "127.0.0.1", port: int = 0, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Heard]:
    """Answer every request with the same object."""
    heard = Heard()

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError), closing(writer):
            while True:
                await heard.head(reader)
                writer.write(ANSWER)

    async with await asyncio.start_server(attend, host, port, ssl=tls) as server:
        heard.port = server.sockets[0].getsockname()[1]
        yield heard


@asynccontextmanager
async def proxying(*, credentials: str | None = None) -> AsyncIterator[Heard]:
    """Forward requests and tunnels to this machine, whatever host they name: a proxy resolves as it likes."""
    heard = Heard()

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError), closing(writer):
            head = await heard.head(reader)
            method, target, _ = head.split(" ", 2)
            if credentials is not None and f"Proxy-Authorization: Basic {credentials}\r\n" not in head:
                writer.write(DENIED)
                return
            port = int(target.removeprefix("http://").split("/")[0].rpartition(":")[2])
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
            if method == "CONNECT":
                writer.write(TUNNEL)
            else:
                there_writer.write(head.encode())
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, there_writer))
                group.create_task(_copy(there_reader, writer))

    async with await asyncio.start_server(attend, "127.0.0.1", 0) as server:
        heard.port = server.sockets[0].getsockname()[1]
        yield heard


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError), closing(writer):
        while data := await reader.read(65_536):
            writer.write(data)
